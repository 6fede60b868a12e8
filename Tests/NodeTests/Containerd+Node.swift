import Foundation
import TestSupport

extension Containerd {
    /// What an operator runs on a node, before `start`.
    func configure(mode: String, mirror: NodeProcess, _ registry: DockerRegistry) async throws {
        try await configure(mode: mode, mirror: mirror, host: registry.host, url: registry.url)
    }

    func configure(mode: String, mirror: NodeProcess, host: String, url: String) async throws {
        try await configure(mode: mode, mirrorURL: mirror.mirrorURL, host: host, url: url)
    }

    func configure(mode: String, mirrorURL: String, host: String, url: String) async throws {
        try await ChildProcess.check(
            [
                try NodeProcess.binaryPath(), "containerd", "apply", "--mode", mode,
                "--config", configPath, "--hosts-dir", configPath + ".certs.d",
                "--state-dir", configPath + ".hawker-state",
                "--registry", "\(host)=\(url)", "--mirror", mirrorURL,
            ])
    }

    /// Through CRI, as the kubelet would; containerd checks every digest.
    func pull(_ reference: String) async throws {
        let output = try await pull(reference, as: nil)
        guard output.succeeded else { throw TestFailure("pull of \(reference): \(output.text)") }
    }

    /// The same as a user, `name:password`, or as nobody.
    func pull(_ reference: String, as user: String?) async throws -> ChildProcess.Output {
        let folder = try TemporaryFolder("login")
        let auth = user.map { Data($0.utf8).base64EncodedString() } ?? ""
        let host = reference.prefix { $0 != "/" }
        let file = try folder.write("config.json", #"{"auths":{"\#(host)":{"auth":"\#(auth)"}}}"#)
        return try await ChildProcess.run(
            [
                try NodeProcess.binaryPath(), "containerd", "verify", "--containerd-only", "--socket", socketPath,
                "--image", reference,
            ] + (user == nil ? [] : ["--auth-file", file]))
    }
}

extension Containerd {
    /// Removes the image and waits until its content is gone too, so that many pulls need the room of a few.
    func forget(_ reference: String) async throws {
        _ = try await ChildProcess.run(
            ["ctr", "--address", socketPath, "--namespace", "k8s.io", "images", "rm", "--sync", reference])
    }
}
