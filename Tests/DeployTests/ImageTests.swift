import Foundation
import TestSupport
import Testing

@Suite("The container image", .enabled(if: Deploy.isAll))
struct ImageTests {
    /// Unpacked, on each node's disk.
    private static let bytesMax = 60_000_000

    @Test("is small, the same each time, and complete in itself")
    func content() async throws {
        let image = try await BuiltImage()
        #expect(try await image.unpackedBytes() <= Self.bytesMax)
        let again = try await BuiltImage()
        #expect(try again.digest == image.digest, "the same input makes the same bytes")
        // Every program finds its libraries, and every file is some package's or the image's own.
        for program in ["hawker --version", "curl --version", "jq --version", "sh -c true", "nsenter --help"] {
            let output = try await image.run(program.split(separator: " ").map(String.init), user: 0)
            #expect(output.succeeded, "\(program): \(output.text)")
        }
        let records = try FileManager.default.contentsOfDirectory(atPath: image.root + "/var/lib/dpkg/status.d")
        #expect(records.contains("libcurl4") && records.contains("libc6"), "\(records)")
        for record in records {
            #expect(FileManager.default.fileExists(atPath: "\(image.root)/usr/share/doc/\(record)/copyright"), "\(record)")
        }
    }

    @Test("its own shell and tools do what the chart's steps want: a node is led to the mirror, and back")
    func steps() async throws {
        let image = try await BuiltImage()
        let node = try await NodeTree(Distribution.debian.files, containerd: [])
        let before = try await node.configuration()
        let inside = ["env", "-i", "PATH=/usr/bin", "KUBE_SERVER=\(node.kube.url)", "KUBE_ACCOUNT=/account"]
        try await ChildProcess.check(["cp", "--recursive", node.kube.account, image.root + "/account"])
        let run = { (step: [String]) async throws -> ChildProcess.Output in
            let mount = "mount -t proc proc \(image.root)/proc && exec \"$@\""
            return try await node.step(["sh", "-c", mount, "sh"] + inside + ["/usr/sbin/chroot", image.root] + step)
        }
        let restart = #"kill "$(cat /run/containerd.pid)""#
        let arguments = ["containerd", "--registry=r.example", "--restart", "--restart-command=" + restart]
        let wired = try await run(["pod-wire"] + arguments)
        #expect(wired.ending == .exited(0) && wired.text.contains("serves CRI"), "\(wired.text)")
        #expect(try await node.configuration() != before)
        let again = try await run(["pod-wire"] + arguments)
        #expect(again.text.contains("nothing to do"), "\(again.text)")

        try node.kube.put("api/v1/namespaces/ns/pods", #"{"items": []}"#)
        let variables = ["NODE_NAME=n1", "NAMESPACE=ns", "SELECTOR=a=b", "UNIT=containerd", "RESTART=" + restart]
        let reverted = try await run(["/usr/bin/busybox", "env"] + variables + ["pod-revert"])
        #expect(reverted.ending == .exited(0) && reverted.text.contains("is as it was"), "\(reverted.text)")
        #expect(try await node.configuration() == before)

        try node.kube.put("api/v1/nodes/n1", #"{"metadata": {"labels": {"zone": "eu-1a"}}}"#)
        try "[node]\nname = \"@NODE@\"\nzone = \"@ZONE@\"\n".write(
            toFile: image.root + "/tmp/template", atomically: true, encoding: .utf8)
        let settings = ["NODE_NAME=n1", "NODE_ADDRESS=10.0.0.1", "ZONE_LABEL=zone"]
        let made = try await run(["/usr/bin/busybox", "env"] + settings + ["pod-settings", "/tmp/template", "/tmp"])
        #expect(made.ending == .exited(0) && made.text.contains("hawker.toml is fine"), "\(made.text)")
        try await node.stop()
    }

    @Test("its daemon, with nothing but its user and two folders to write to, serves a containerd's pull")
    func daemon() async throws {
        let image = try await BuiltImage()
        let registry = try await DockerRegistry()
        try await ChildProcess.check([
            "skopeo", "copy", "--dest-tls-verify=false", "oci:\(image.reference)",
            "docker://\(registry.host)/hawker:1",
        ])
        let mirrorPort = try FreePort.next()
        let settings = """
            [mirror]
            listen = "127.0.0.1:\(mirrorPort)"
            [cache]
            free_floor = "64MiB"
            [[registry]]
            host = "\(registry.host)"
            url = "\(registry.url)"

            """
        let daemon = try await image.startDaemon(settings: settings)
        try await eventually("the daemon listens") {
            try daemon.requireRunning()
            return FreePort.isListening(mirrorPort)
        }
        let containerd = try Containerd()
        let hawker = try NodeProcess.binaryPath()
        try await ChildProcess.check([
            hawker, "containerd", "apply", "--mode=mirror", "--config", containerd.configPath,
            "--state-dir", containerd.configPath + ".state", "--registry", "\(registry.host)=\(registry.url)",
            "--mirror", "http://127.0.0.1:\(mirrorPort)",
        ])
        let process = try await containerd.start()
        try await ChildProcess.check(
            [
                hawker, "containerd", "verify", "--containerd-only", "--socket", containerd.socketPath,
                "--image", "\(registry.host)/hawker:1",
            ], within: 120)
        let agents = registry.process.log.components(separatedBy: "containerd/").count - 1
        #expect(agents == 0, "containerd asked the registry itself")
        #expect(try image.cachedBytes > 10_000_000)
        #expect(try await daemon.stop() == .exited(0))
        try await process.stop()
        try await registry.process.stop()
    }
}
