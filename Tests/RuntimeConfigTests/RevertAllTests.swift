import Foundation
import Testing

@testable import RuntimeConfig

@Suite("revert --all on a real disk")
struct RevertAllTests {
    @Test("without a record there is nothing to do")
    func nothing() throws {
        let scratch = try Scratch()
        let done = try scratch.options().run(.revertAll)
        #expect(done.status == 0 && done.text == "nothing to do")
    }

    @Test("every file that apply ever changed is as before, whatever the command line names")
    func containerd() throws {
        let scratch = try Scratch()
        try scratch.write("one/config.toml", "version = 2\n")
        try scratch.write("two/config.toml", "# two\nversion = 2\n")
        let original = scratch.snapshot()
        var options = try scratch.options()
        for name in ["one", "two"] {
            options.config = scratch.path("\(name)/config.toml")
            options.hostsDirectory = scratch.path("\(name)/certs.d")
            options.mode = name == "one" ? .mirror : .configPath
            #expect(options.run(.apply).status == 0)
        }
        #expect(scratch.snapshot() != original)
        options.config = scratch.path("three.toml")
        options.isDryRun = true
        #expect(options.run(.revertAll).text.contains("-  "))
        options.isDryRun = false
        #expect(options.run(.revertAll).status == 0)
        #expect(scratch.snapshot() == original)
        #expect(options.run(.revertAll).text == "nothing to do")
    }

    @Test("a damaged record is named, and nothing is changed")
    func damaged() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n")
        let options = try scratch.options()
        #expect(options.run(.apply).status == 0)
        let applied = scratch.snapshot()
        try scratch.write("state/other/record.json", "{")
        let failed = options.run(.revertAll)
        #expect(failed.status == ExitStatus.failed)
        #expect(failed.text.contains("state/other/record.json is damaged"), "\(failed.text)")
        #expect(scratch.snapshot() == applied)
    }

    @Test("other runtimes are known by their records")
    func runtimes() throws {
        let scratch = try Scratch()
        try scratch.write("k3s/registries.yaml", "# mine\n")
        try scratch.write("docker/daemon.json", "{\"debug\": true}\n")
        let original = scratch.snapshot()
        let mirror = try #require(Endpoint("http://127.0.0.1:4001"))
        var last: OtherRuntimeOptions?
        for (runtime, file) in [(OtherRuntime.k3s, "k3s/registries.yaml"), (.docker, "docker/daemon.json")] {
            var options = OtherRuntimeOptions(runtime: runtime, mirror: mirror)
            options.config = scratch.path(file)
            options.stateDirectory = scratch.path("state")
            options.registries = ["docker.io"].compactMap(RegistryTarget.init)
            #expect(RuntimeCommands(options: options, output: Words().output).apply() == 0)
            last = options
        }
        #expect(scratch.snapshot() != original)
        var options = try #require(last)
        options.config = "/nowhere"
        let words = Words()
        #expect(RuntimeCommands(options: options, output: words.output).revertAll() == 0, "\(words.text)")
        #expect(scratch.snapshot() == original)
        #expect(words.text.contains("systemctl restart k3s"), "\(words.text)")
    }
}
