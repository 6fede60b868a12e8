import Foundation
import TestSupport

/// A node whose files are those of a distribution, and the chart's steps on it.
final class NodeTree: Sendable {
    let folder: TemporaryFolder
    let kube: KubeServer
    private let process: ChildProcess
    private let runs: Bool

    /// With `containerd` arguments a containerd runs on it, and `nil` none.
    init(_ files: [String: String], containerd: [String]?) async throws {
        let folder = try TemporaryFolder("node")
        for (path, text) in files { try folder.write("tree\(path)", text) }
        let tree = try folder.makeFolder("tree")
        self.folder = folder
        runs = containerd != nil
        kube = try await KubeServer()
        let arguments = containerd.map { $0.isEmpty ? ["--config", Distribution.configPath] : $0 } ?? []
        process = try ChildProcess([try Deploy.program("node"), tree] + arguments, logPath: folder.path("node.log"))
        try await eventually("the node is up") { [process] in
            try process.requireRunning()
            return FileManager.default.fileExists(atPath: tree + "/run/ready")
        }
        if runs { try await expectCRI() }
    }

    /// The number of the containerd that runs, on the node.
    var containerd: String? { text("/run/containerd.pid") }

    func text(_ path: String) -> String? { try? String(contentsOfFile: folder.path("tree\(path)"), encoding: .utf8) }

    /// Every file that configures a runtime, with its content and mode.
    func configuration() async throws -> String {
        try await ChildProcess.check([
            "sh", "-c",
            """
            cd "$1" && for folder in etc/containerd etc/docker etc/rancher var/lib/rancher/k3s/agent/etc; do
                [ ! -d $folder ] || find $folder -printf '%p %m %u\\n' -type f -exec sha256sum {} +
            done | sort
            """, "sh", folder.path("tree"),
        ])
    }

    /// Runs a step as the container of a pod with the node's process namespace.
    func step(_ command: [String], environment: [String: String] = [:]) async throws -> ChildProcess.Output {
        var variables = environment
        variables["PATH"] = try Steps.path()
        variables["KUBE_SERVER"] = kube.url
        variables["KUBE_ACCOUNT"] = kube.account
        return try await ChildProcess.run(
            [try Deploy.program("pod"), "\(process.pid)"] + command, environment: variables, within: 120)
    }

    /// The step `wire` as the chart runs it by default, with a restart that this node understands.
    func wire(_ arguments: [String]) async throws -> ChildProcess.Output {
        try await step(["pod-wire", "containerd", "--registry=r.example", "--restart"] + Self.restart + arguments)
    }

    private static let restart = [#"--restart-command=kill "$(cat /run/containerd.pid)""#]

    /// The step `revert`, with no pod left on the node.
    func revert() async throws -> ChildProcess.Output {
        try kube.put("api/v1/namespaces/kube-system/pods", #"{"items": []}"#)
        return try await step(
            ["pod-revert"],
            environment: [
                "NODE_NAME": "n1", "NAMESPACE": "kube-system", "SELECTOR": "app.kubernetes.io/component=node",
                "UNIT": "containerd", "RESTART": #"kill "$(cat /run/containerd.pid)""#,
                "ACTIVATE": "touch /run/activated", "CACHE": "/var/lib/dragonfly/content",
            ])
    }

    /// Waits for a containerd that serves CRI.
    func expectCRI() async throws {
        try await eventually("CRI is served") {
            let output = try await step(["hawker-on-host", "--run", "ctr", "-a", socket, "plugins", "ls", "id==cri"])
            return output.text.contains(/io\.containerd\.grpc\.v1 .* ok/)
        }
    }

    private var socket: String {
        text(Distribution.k3sConfig) == nil ? "/run/containerd/containerd.sock" : "/run/k3s/containerd/containerd.sock"
    }

    func stop() async throws {
        try await process.kill()
        try await kube.stop()
    }
}

/// The programs of the image's steps, here.
enum Steps {
    private static let links = try? TemporaryFolder("steps")

    /// A search path with the steps and `hawker` before everything else.
    static func path() throws -> String {
        guard let links else { throw TestFailure("no folder for the steps") }
        let link = links.path("hawker")
        if !FileManager.default.fileExists(atPath: link) {
            try FileManager.default.createSymbolicLink(
                atPath: link, withDestinationPath: try NodeProcess.binaryPath())
        }
        return [links.path, Deploy.path("image/steps"), Deploy.path("image"), "/usr/sbin:/usr/bin:/sbin:/bin"]
            .joined(separator: ":")
    }
}

/// What the steps ask of a cluster's API.
final class KubeServer: Sendable {
    let url: String
    let account: String
    private let folder: TemporaryFolder
    private let process: ChildProcess

    init() async throws {
        folder = try TemporaryFolder("kube")
        try folder.write("token", "secret-token")
        try folder.write("ca.crt", "")
        account = folder.path
        process = try ChildProcess(
            ["python3", try Deploy.program("kube.py"), folder.path], logPath: folder.path("requests.log"))
        try await eventually("the API listens") { [process] in
            try process.requireRunning()
            return process.log.contains("\n")
        }
        url = "http://127.0.0.1:\(process.log.prefix { $0.isNumber })"
    }

    var requests: [String] { process.log.split(separator: "\n").dropFirst().map(String.init) }

    /// All at once, whoever reads it meanwhile.
    func put(_ path: String, _ json: String) throws {
        let new = try folder.write(path + ".new", json)
        guard rename(new, folder.path(path + ".json")) == 0 else { throw TestFailure("cannot put \(path)") }
    }

    func get(_ path: String) -> String? { try? String(contentsOfFile: folder.path(path + ".json"), encoding: .utf8) }

    func stop() async throws { try await process.kill() }
}
