import Foundation
import Testing

@testable import RuntimeConfig

private let section = "[plugins.\"io.containerd.grpc.v1.cri\".registry"

@Suite("What apply, check and revert say")
struct CommandWordsTests {
    private static let conflict =
        "version = 2\n\(section)]\n  config_path = \"/c\"\n\(section).mirrors.\"r.example\"]\n  endpoint = [\"https://m\"]\n"

    @Test("revert to a configuration that was broken before says so, and what would repair it")
    func brokenBefore() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", Self.conflict)
        var options = try scratch.options(mode: .mirror)
        options.migrates = true
        #expect(options.run(.apply).status == 0)
        let result = options.run(.revert)
        #expect(result.status == 0)
        #expect(scratch.text("config.toml") == Self.conflict)
        #expect(result.text.contains("`mirrors` cannot be set when `config_path` is provided"))
        #expect(result.text.contains("repair them before containerd starts again"))
        #expect(!result.text.contains("systemctl restart"))
    }

    @Test("a registry that a later apply does not name is taken out, and that is said")
    func takenOut() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n")
        #expect(try scratch.options(registries: ["a.example", "b.example=http://10.0.0.1"]).run(.apply).status == 0)
        let result = try scratch.options(registries: ["a.example"]).run(.apply)
        #expect(result.text.contains("b.example was routed by the last apply and is not named by this one"))
        #expect(try !scratch.options(registries: ["a.example"]).run(.apply).text.contains("b.example"))
    }

    @Test("the command that check gives names every registry, those of an earlier apply too")
    func remedy() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n")
        #expect(try scratch.options(registries: ["a.example", "b.example=http://10.0.0.1"]).run(.apply).status == 0)
        let words = try scratch.options(registries: ["c.example"]).run(.check).text
        #expect(
            words.contains(
                "hawker containerd apply --registry c.example --registry a.example --registry b.example=http://10.0.0.1"))
        #expect(words.contains("without what Hawker wrote"))
    }

    @Test("check gives a reason once, and a command that works on a broken file")
    func once() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", Self.conflict)
        let words = try scratch.options(registries: ["a.example"]).run(.check).text
        #expect(words.components(separatedBy: "so containerd 1.6.20 starts without its CRI plugin").count == 2)
        #expect(words.contains("hawker containerd apply --registry a.example --migrate"))
        var options = try scratch.options(mode: nil, registries: ["a.example"])
        options.migrates = true
        #expect(options.run(.apply).status == 0)
    }
}
