import Foundation
import OCIModel
import TestSupport
import Testing

/// `hawker containerd verify --json`.
private struct Verified: Decodable {
    struct Row: Decodable {
        let check: String
        let state: String
        let detail: String
    }

    let status: String
    let rows: [Row]

    func states(_ check: String) -> [String] { rows.filter { $0.check == check }.map(\.state) }

    func detail(_ check: String) -> String { rows.first { $0.check == check }?.detail ?? "" }
}

extension NodeTests {
    @Suite("verify and the watch, on a real containerd and a real node")
    struct VerifyTests {
        @Test("a wired node: every row ok, the probe arrives, an image comes through the mirror", arguments: [false, true])
        func wired(usesConfigPath: Bool) async throws {
            let setting = try await Setting()
            try await setting.apply(usesConfigPath ? ["--mode", "config-path"] : ["--mode", "mirror"])
            let process = try await setting.containerd.start()
            let (ending, verified) = try await setting.verify(["--image", "\(setting.registry.host)/tool:1"])
            #expect(ending == .exited(0), "\(verified)")
            #expect(verified.status == "ok")
            #expect(!verified.rows.contains { $0.detail.contains("geheim") })
            for check in ["containerd", "cri", "files", "route", "running", "daemon", "mirror", "log", "cache"] {
                #expect(verified.states(check) == ["ok"], "\(check): \(verified.detail(check))")
            }
            #expect(verified.states("probe") == ["ok"], "\(verified.detail("probe"))")
            #expect(verified.states("image") == ["ok"], "\(verified.detail("image"))")

            // Now there are blobs, one of which rots.
            let blob = try #require(setting.image.layers.first?.blob.digest)
            let path = "\(setting.node.cachePath)/blobs/sha256/\(blob.hex.prefix(2))/\(blob.hex)"
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            try Data([1, 2, 3]).write(to: URL(filePath: path), options: [])
            let (_, rotten) = try await setting.verify([])
            #expect(rotten.states("integrity") == ["broken"])
            #expect(rotten.detail("integrity").contains(blob.hex))
            try await process.stop()
        }

        @Test("what is wrong is said: settings not in force, requests past the mirror, CRI lost, no containerd, no daemon")
        func unwired() async throws {
            let setting = try await Setting()
            let process = try await setting.containerd.start()
            // Files written within two clock ticks of the start count as read.
            try await Task.sleep(for: .milliseconds(50))
            try await setting.apply(["--mode", "mirror"])
            let (stale, waiting) = try await setting.verify([])
            #expect(stale == .exited(2))
            #expect(waiting.states("files") == ["advice"])
            #expect(waiting.detail("files").contains(setting.containerd.configPath))
            #expect(waiting.states("running") == ["broken"])
            #expect(waiting.states("probe") == ["broken"])
            try await process.stop()

            let config = try String(contentsOfFile: setting.containerd.configPath, encoding: .utf8)
            let damage = "\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/certs\"\n"
            try (config + damage).write(toFile: setting.containerd.configPath, atomically: true, encoding: .utf8)
            let broken = try await setting.containerd.start()
            let (ending, lost) = try await setting.verify([])
            #expect(ending == .exited(2))
            #expect(lost.states("cri") == ["broken"])
            #expect(lost.detail("cri").contains("`mirrors` cannot be set when `config_path` is provided"))
            #expect(lost.states("settings").contains("broken"))
            #expect(!lost.rows.contains { $0.detail.contains("geheim") })
            try await broken.stop()
            try await setting.daemon.stop()
            let (gone, nothing) = try await setting.verify([])
            #expect(gone == .exited(2))
            #expect(nothing.states("containerd") == ["broken"])
            #expect(nothing.states("daemon") == ["broken"])
        }

        @Test("the daemon notices an edit that bypasses the mirror, one that breaks CRI, and their repair, once each")
        func watch() async throws {
            let setting = try await Setting(watches: true)
            try await setting.apply(["--mode", "mirror"])
            try await setting.expectWiring("routed")
            let config = try String(contentsOfFile: setting.containerd.configPath, encoding: .utf8)
            let bypass = config.replacing("\"\(setting.node.mirrorURL)\", ", with: "")
            try bypass.write(toFile: setting.containerd.configPath, atomically: true, encoding: .utf8)
            try await setting.expectWiring("bypassed")
            let damage = "\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/certs\"\n"
            try (config + damage).write(toFile: setting.containerd.configPath, atomically: true, encoding: .utf8)
            try await setting.expectWiring("broken")
            try config.write(toFile: setting.containerd.configPath, atomically: true, encoding: .utf8)
            try await setting.expectWiring("routed")
            let lines = setting.daemon.log.split(separator: "\n")
            // Once more at the start when the first look came before the apply.
            #expect((1...2).contains(lines.filter { $0.contains("state=bypassed") }.count))
            #expect(lines.filter { $0.contains("state=broken") }.count == 1)
            try await setting.daemon.stop()
        }

        @Test("all registries: the general entry and what would hide it lead to the mirror", arguments: [false, true])
        func allRegistries(usesConfigPath: Bool) async throws {
            let setting = try await Setting()
            let certs = setting.containerd.configPath + ".certs.d"
            let own = "\(certs)/\(setting.registry.host)"
            try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: true)
            try await setting.apply(
                ["--all-registries", "--mode", usesConfigPath ? "config-path" : "mirror"], registries: [])
            let process = try await setting.containerd.start()
            // One that has a folder of its own in one mode and nothing of its own in the other.
            let (_, verified) = try await setting.verify(["--registry", setting.registry.host])
            #expect(verified.states("probe") == ["ok"], "\(verified)")
            #expect(verified.states("route") == ["ok"], "\(verified)")
            // One that nobody can have named; the node does not serve it, but is asked.
            let (_, general) = try await setting.verify([])
            #expect(general.states("probe").contains("advice"), "\(general)")
            #expect(!general.states("route").contains("broken"), "\(general)")
            try await process.stop()
        }
    }
}

/// A registry with one image, a node that serves it, and a containerd that is not wired yet.
private struct Setting {
    let registry: DockerRegistry
    let image: TestImage
    let node: NodeProcess
    let daemon: ChildProcess
    let containerd: Containerd

    init(watches: Bool = false) async throws {
        registry = try await DockerRegistry()
        image = try await TestImage.unpackable([(.gzip, ["name": Array("tool".utf8)])])
        try registry.add(image, repository: "tool", tags: ["1"])
        let secret = "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"r.example\".auth]\n"
        containerd = try Containerd(configuration: secret + "username = \"u\"\npassword = \"geheim\"\n")
        let watch = ["config = \"\(containerd.configPath)\"", "check_seconds = 1"]
        let cluster = try Cluster(nodes: ["a"], registry: registry) { settings in
            if watches { settings.containerdLines += watch }
        }
        node = cluster.nodes[0]
        daemon = try await cluster.start([node])[0]
    }

    private var state: String { containerd.configPath + ".hawker-state" }

    func apply(_ arguments: [String], registries: [String]? = nil) async throws {
        let named = (registries ?? ["\(registry.host)=\(registry.url)"]).flatMap { ["--registry", $0] }
        try await ChildProcess.check(
            [
                try NodeProcess.binaryPath(), "containerd", "apply", "--config", containerd.configPath,
                "--hosts-dir", containerd.configPath + ".certs.d", "--state-dir", state, "--mirror", node.mirrorURL,
            ] + named + arguments)
    }

    func verify(_ arguments: [String]) async throws -> (ChildProcess.Ending, Verified) {
        let output = try await ChildProcess.run(
            [
                try NodeProcess.binaryPath(), "containerd", "verify", "--json", "--socket", containerd.socketPath,
                "--config", containerd.configPath, "--state-dir", state, "--admin-socket", node.socketPath,
            ] + arguments)
        guard let verified = try? JSONDecoder().decode(Verified.self, from: Data(output.text.utf8)) else {
            throw TestFailure("verify: \(output.ending)\n\(output.text)")
        }
        return (output.ending, verified)
    }

    func expectWiring(_ state: String) async throws {
        try await eventually("the daemon says \(state)") {
            try await node.admin(["status", "--json"]).contains("\"state\" : \"\(state)\"")
        }
    }
}
