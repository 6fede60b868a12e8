import Foundation
import Testing

@testable import RuntimeConfig

@Suite("A run that was killed")
struct RecoveryTests {
    /// What a run leaves behind that stopped after `writes` of its files.
    private func killed(_ scratch: Scratch, options: ContainerdOptions, writes: Int) throws {
        let done = try Scratch()
        try done.write("config.toml", scratch.text("config.toml") ?? "")
        var other = options
        other.config = done.path("config.toml")
        other.hostsDirectory = done.path("certs.d")
        other.stateDirectory = done.path("state")
        #expect(other.run(.apply).status == 0)
        let files = ["certs.d/a/hosts.toml", "certs.d/b/hosts.toml", "config.toml"].map { name in
            let before = scratch.text(name).map { Array($0.utf8) }
            let after = (done.text(name) ?? "").replacing(done.root, with: scratch.root)
            return StateFile(
                path: scratch.path(name),
                original: before,
                applied: Array(after.utf8),
                previous: before
            )
        }
        let store = StateStore(directory: options.stateDirectory, config: options.config)
        try store.acquire()
        let folders = ["certs.d", "certs.d/a", "certs.d/b"].map(scratch.path)
        let record = StateRecord(
            config: options.config,
            mode: "config-path",
            mirror: options.mirror.url,
            registries: [],
            stage: .prepared,
            generation: 1,
            entries: [],
            folders: folders
        )
        _ = try store.prepare(record, files: files)
        for file in files.prefix(writes) {
            try FileWriter.write(file.path, before: file.previous, after: file.applied)
        }
        for file in files.dropFirst(writes).prefix(1) {
            _ = try FileWriter.makeFolders(Path.directory(file.path))
            try FileWriter.fill(FileWriter.temporary(file.path), [0x23], like: nil)
        }
    }

    @Test("the next run goes on from wherever the last one stopped", arguments: 0...3)
    func goesOn(writes: Int) throws {
        for action in [ContainerdOptions.Action.apply, .revert] {
            let scratch = try Scratch()
            try scratch.write("config.toml", "version = 2\n# mine\n")
            let original = scratch.snapshot()
            let options = try scratch.options(mode: .configPath, registries: ["a", "b"])
            try killed(scratch, options: options, writes: writes)
            if action == .apply {
                #expect(options.run(.apply).status == 0)
                #expect(options.run(.check).status == 0)
                #expect(options.run(.apply).text.contains("nothing to do"))
            }
            #expect(options.run(.revert).status == 0)
            #expect(scratch.snapshot() == original)
        }
    }

    @Test(
        "what a revert that was killed left behind goes with the next run, also when there is nothing to do"
    )
    func killedRevert() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n")
        let options = try scratch.options(mode: .mirror)
        #expect(options.run(.apply).status == 0)
        let applied = scratch.snapshot()
        try FileWriter.fill(FileWriter.temporary(options.config), Array("version = 2\n".utf8), like: nil)
        #expect(options.run(.apply).text.contains("nothing to do"))
        #expect(scratch.snapshot() == applied)
    }

    @Test("a file that changed between reading and writing keeps the other program's bytes")
    func changedMeanwhile() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "theirs\n")
        #expect(throws: WriteFault.changedMeanwhile) {
            try FileWriter.write(
                scratch.path("config.toml"),
                before: Array("read\n".utf8),
                after: Array("ours\n".utf8)
            )
        }
        #expect(throws: WriteFault.changedMeanwhile) {
            try FileWriter.write(scratch.path("config.toml"), before: nil, after: Array("ours\n".utf8))
        }
        #expect(throws: WriteFault.changedMeanwhile) {
            try FileWriter.write(scratch.path("config.toml"), before: Array("read\n".utf8), after: nil)
        }
        #expect(scratch.snapshot() == ["config.toml": "theirs\n"])
    }
}
