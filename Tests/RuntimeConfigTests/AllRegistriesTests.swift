import RuntimeConfig
import Testing

@Suite("All registries at once")
struct AllRegistriesTests {
    private static let section = "[plugins.\"io.containerd.grpc.v1.cri\".registry"

    private func apply(_ scratch: Scratch, _ mode: RuntimeMode, migrates: Bool = false) throws {
        var options = try scratch.options(mode: mode, registries: [])
        options.registries = [.all]
        options.migrates = migrates
        let before = scratch.snapshot()
        let applied = options.run(.apply)
        #expect(applied.status == 0, "\(applied.text)")
        #expect(options.run(.apply).text.contains("nothing to do"))
        #expect(options.run(.check).status == 0, "\(options.run(.check).text)")
        let after = scratch.snapshot()
        #expect(options.run(.revert).status == 0)
        #expect(scratch.snapshot() == before)
        #expect(options.run(.apply).status == 0)
        #expect(scratch.snapshot() == after)
    }

    @Test("mirror mode: the key * without a fallback, which containerd adds, and every entry that hides it")
    func mirrors() throws {
        let scratch = try Scratch()
        let entry = "\(Self.section).mirrors.\"docker.io\"]\n  endpoint = [\"https://mirror.baidubce.com\"]\n"
        let off = "\(Self.section).mirrors.\"off.example\"]\n  endpoint = []\n"
        try scratch.write("config.toml", "version = 2\n" + entry + off)
        try apply(scratch, .mirror)
        let text = try #require(scratch.text("config.toml"))
        let ours = "http://127.0.0.1:4001"
        #expect(text.contains("mirrors.\"*\"]\n  endpoint = [\"\(ours)\"]\n"))
        #expect(
            text.contains(
                "endpoint = [\"\(ours)\", \"https://mirror.baidubce.com\", \"https://registry-1.docker.io\"]"))
        #expect(text.contains(off))
    }

    @Test("config path mode: _default without a server, and every folder that hides it")
    func folders() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n\(Self.section)]\n  config_path = \"\(scratch.path("certs.d"))\"\n")
        let own = "server = \"http://own.example:5000\"\n\n[host.\"http://own.example:5000\"]\n"
        try scratch.write("certs.d/own.example_5000_/hosts.toml", own)
        try apply(scratch, .configPath)
        #expect(
            scratch.text("certs.d/_default/hosts.toml")
                == "[host.\"http://127.0.0.1:4001\"]\n  capabilities = [\"pull\", \"resolve\"]\n")
        let merged = try #require(scratch.text("certs.d/own.example_5000_/hosts.toml"))
        #expect(merged.contains("[host.\"http://127.0.0.1:4001\"]"))
        #expect(merged.contains("X-Dragonfly-Registry = \"http://own.example:5000\""))
        #expect(merged.hasSuffix("[host.\"http://own.example:5000\"]\n"))
    }

    @Test("the founding case with every registry: its mirror moves into a folder of its own, behind ours")
    func migrates() throws {
        let scratch = try Scratch()
        let mirrors = "\(Self.section).mirrors.\"docker.io\"]\n  endpoint = [\"https://mirror.baidubce.com\"]\n"
        try scratch.write("config.toml", "version = 2\n" + mirrors)
        try apply(scratch, .configPath, migrates: true)
        let hub = try #require(scratch.text("certs.d/docker.io/hosts.toml"))
        let hosts = hub.split(separator: "\n").filter { $0.hasPrefix("[host") && !$0.contains("header") }
        #expect(
            hosts == [
                "[host.\"http://127.0.0.1:4001\"]", "[host.\"https://mirror.baidubce.com\"]",
                "[host.\"https://registry-1.docker.io\"]",
            ])
        #expect(scratch.text("certs.d/_default/hosts.toml") != nil)
    }

    @Test("certificates that a general hosts.toml would switch off are a reason to refuse")
    func certificates() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n\(Self.section)]\n  config_path = \"\(scratch.path("certs.d"))\"\n")
        try scratch.write("certs.d/_default/ca.crt", "not looked at")
        var options = try scratch.options(mode: .configPath, registries: [])
        options.registries = [.all]
        let before = scratch.snapshot()
        #expect(options.run(.apply).status == 65)
        #expect(scratch.snapshot() == before)
    }
}
