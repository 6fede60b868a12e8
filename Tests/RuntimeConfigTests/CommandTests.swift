import Foundation
import Glibc
import RuntimeConfig
import Testing

private let section = "[plugins.\"io.containerd.grpc.v1.cri\".registry"

@Suite("check, apply and revert on a real disk")
struct CommandTests {
    @Test(
        "apply, again, and revert: the first writes, the second does nothing, the third restores",
        arguments: [
            nil, "", "version = 2\n", "# hand-made\r\nversion = 2\r\n\(section)]\r\n  config_path = ''",
        ] as [String?],
        RuntimeMode.allCases
    )
    func roundTrip(before: String?, mode: RuntimeMode) throws {
        let scratch = try Scratch()
        if let before { try scratch.write("config.toml", before) }
        let original = scratch.snapshot()
        let options = try scratch.options(mode: mode)
        #expect(options.run(.apply).status == 0)
        let applied = scratch.snapshot()
        #expect(applied != original)
        #expect(options.run(.check).status == 0)
        let status = scratch.status("config.toml")
        let again = options.run(.apply)
        #expect(again.status == 0)
        #expect(again.text.contains("nothing to do"))
        #expect(scratch.snapshot() == applied)
        #expect(scratch.status("config.toml").st_mtim.tv_nsec == status.st_mtim.tv_nsec)
        #expect(scratch.status("config.toml").st_ino == status.st_ino)
        #expect(options.run(.revert).status == 0)
        #expect(scratch.snapshot() == original)
        #expect(options.run(.revert).status == 0)
        #expect(scratch.snapshot() == original)
    }

    @Test("a registry that is not named any more, and the other mode, leave nothing behind")
    func declarative() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n")
        let original = scratch.snapshot()
        let direct = try Scratch()
        try direct.write("config.toml", "version = 2\n")
        #expect(try direct.options(mode: .configPath, registries: ["b"]).run(.apply).status == 0)
        for (mode, registries) in [
            (RuntimeMode.mirror, ["a", "b"]), (.mirror, ["b"]), (.configPath, ["a", "b"]),
            (.configPath, ["b"]),
        ] {
            #expect(try scratch.options(mode: mode, registries: registries).run(.apply).status == 0)
        }
        let expected = direct.snapshot().mapValues { $0.replacing(direct.root, with: scratch.root) }
        #expect(scratch.snapshot() == expected)
        #expect(try scratch.options().run(.revert).status == 0)
        #expect(scratch.snapshot() == original)
    }

    @Test("revert takes out our part alone when the files were edited since")
    func threeWay() throws {
        let scratch = try Scratch()
        try scratch.write(
            "config.toml",
            "version = 2\n[debug]\n  level = \"info\"\n\n\(section).mirrors.\"r.example\"]\n  endpoint = [\"https://m\"]\n"
        )
        let options = try scratch.options()
        #expect(options.run(.apply).status == 0)
        let edited = (scratch.text("config.toml") ?? "")
            .replacing("\"info\"", with: "\"warn\"").replacing(
                "\"https://m\"",
                with: "\"https://m\", \"https://n\""
            )
        try scratch.write("config.toml", edited + "\n[metrics]\n  address = \"x\"\n")
        #expect(options.run(.revert).status == 0)
        #expect(
            scratch.text("config.toml")
                == "version = 2\n[debug]\n  level = \"warn\"\n\n\(section).mirrors.\"r.example\"]\n"
                + "  endpoint = [\"https://m\", \"https://n\"]\n\n[metrics]\n  address = \"x\"\n"
        )
    }

    @Test("an edit in the very place of ours is left alone, with its line")
    func editedInPlace() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n\(section)]\n  config_path = ''\n")
        let options = try scratch.options(mode: .configPath)
        #expect(options.run(.apply).status == 0)
        try scratch.write(
            "certs.d/r.example/hosts.toml",
            "[host.\"http://127.0.0.1:4001\"]\n  capabilities = [\"pull\"]\n# mine\n"
        )
        let before = scratch.snapshot()
        let result = options.run(.revert)
        #expect(result.status == 0 || scratch.snapshot() == before)
    }

    @Test("a configuration that somebody wrote anew is taken as it is")
    func replacedByOthers() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n")
        let options = try scratch.options()
        #expect(options.run(.apply).status == 0)
        let fresh = "# managed\nversion = 2\n[debug]\n  level = \"debug\"\n"
        try scratch.write("config.toml", fresh)
        #expect(options.run(.apply).status == 0)
        #expect(scratch.text("config.toml")?.contains("127.0.0.1:4001") == true)
        #expect(options.run(.revert).status == 0)
        #expect(scratch.text("config.toml") == fresh)
    }

    @Test("a dry run prints the difference and touches nothing, the state folder included")
    func dryRun() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n")
        var options = try scratch.options(mode: .configPath)
        options.isDryRun = true
        let result = options.run(.apply)
        #expect(result.status == 0)
        #expect(
            result.text.contains(
                "--- \(scratch.path("config.toml"))\n+++ \(scratch.path("config.toml"))\n@@ -1,1 +1,4 @@\n version = 2\n+\n"
            )
        )
        #expect(scratch.snapshot() == ["config.toml": "version = 2\n"])
        #expect(!FileManager.default.fileExists(atPath: scratch.path("state")))
    }

    @Test("a refusal says file, line, rule and remedy, and changes no byte")
    func refusal() throws {
        let scratch = try Scratch()
        try scratch.write(
            "config.toml",
            "version = 2\n\(section).mirrors.\"docker.io\"]\n  endpoint = [\"https://m\"]\n"
        )
        let before = scratch.snapshot()
        var options = try scratch.options(mode: .configPath)
        let result = options.run(.apply)
        #expect(result.status == 65)
        #expect(result.text.contains("\(scratch.path("config.toml")):2: mirrors.\"docker.io\" is set"))
        #expect(result.text.contains("--migrate"))
        #expect(scratch.snapshot() == before)
        options.isJSON = true
        let report = try JSONSerialization.jsonObject(
            with: Data(options.run(.apply).text.components(separatedBy: "\nbroken:")[0].utf8)
        )
        #expect((report as? [String: Any])?["refused"] as? Bool == true)
    }

    @Test("owner, mode and attributes stay; a link stays and its target changes")
    func attributes() throws {
        let scratch = try Scratch()
        try scratch.write("real/config.toml", "version = 2\n")
        chmod(scratch.path("real/config.toml"), 0o640)
        chown(scratch.path("real/config.toml"), getuid(), 12)
        symlink("real/config.toml", scratch.path("config.toml"))
        #expect(try scratch.options().run(.apply).status == 0)
        #expect(scratch.status("config.toml").st_mode & S_IFMT == S_IFLNK)
        let status = scratch.status("real/config.toml")
        #expect(status.st_mode & 0o7777 == 0o640)
        #expect(status.st_gid == (getuid() == 0 ? 12 : status.st_gid))
        #expect(scratch.text("real/config.toml")?.contains("127.0.0.1:4001") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path("real")) == ["config.toml"])
    }

    @Test("a file that must not be written is left alone: read-only, another owner's, a dangling link")
    func protected() throws {
        let readOnly = try Scratch()
        try readOnly.write("config.toml", "version = 2\n")
        chmod(readOnly.path("config.toml"), 0o444)
        let result = try readOnly.options().run(.apply)
        #expect(result.status == 74)
        #expect(result.text.contains("is read-only"))
        #expect(readOnly.snapshot() == ["config.toml": "version = 2\n"])

        let dangling = try Scratch()
        symlink("nowhere.toml", dangling.path("config.toml"))
        #expect(try dangling.options().run(.apply).status == 74)
        #expect(dangling.snapshot() == ["config.toml": "-> nowhere.toml"])

        guard getuid() == 0 else { return }
        let foreign = try Scratch()
        try foreign.write("config.toml", "version = 2\n")
        chown(foreign.path("config.toml"), 1234, 0)
        let foreignResult = try foreign.options().run(.apply)
        #expect(foreignResult.status == 74)
        #expect(foreignResult.text.contains("user 1234"))
        #expect(foreign.snapshot() == ["config.toml": "version = 2\n"])
    }

    @Test("a run that cannot write one file takes back the others")
    func rollback() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n")
        try scratch.write("certs.d/b/hosts.toml", "[host]\n")
        chmod(scratch.path("certs.d/b/hosts.toml"), 0o444)
        let before = scratch.snapshot()
        let options = try scratch.options(mode: .configPath, registries: ["a", "b"])
        #expect(options.run(.apply).status == 74)
        #expect(scratch.snapshot() == before)
        chmod(scratch.path("certs.d/b/hosts.toml"), 0o644)
        #expect(options.run(.apply).status == 0)
        #expect(options.run(.revert).status == 0)
        #expect(scratch.snapshot() == before)
    }

    @Test("two runs at once: the second is told to try again")
    func locked() throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n")
        let options = try scratch.options()
        #expect(options.run(.apply).status == 0)
        let states = try FileManager.default.contentsOfDirectory(atPath: scratch.path("state"))
        let lock = open(scratch.path("state/\(states[0])/lock"), O_RDWR)
        #expect(flock(lock, LOCK_EX | LOCK_NB) == 0)
        #expect(options.run(.revert).status == 75)
        close(lock)
        #expect(options.run(.revert).status == 0)
    }

    @Test("check tells broken from advice from healthy by its status")
    func check() throws {
        let scratch = try Scratch()
        let options = try scratch.options(registries: [])
        try scratch.write("config.toml", "version = 2\n")
        #expect(options.run(.check).status == 0)
        #expect(try scratch.options().run(.check).status == 1)
        try scratch.write(
            "config.toml",
            "version = 2\n\(section)]\nconfig_path = \"/c\"\n\(section).mirrors.\"docker.io\"]\n"
        )
        let broken = options.run(.check)
        #expect(broken.status == 2)
        #expect(broken.text.contains("config.toml:4: `mirrors` cannot be set when `config_path` is provided"))
        var json = options
        json.isJSON = true
        let report =
            try JSONSerialization.jsonObject(with: Data(json.run(.check).text.utf8)) as? [String: Any]
        #expect(report?["status"] as? String == "broken")
        try scratch.write("config.toml", "version = ")
        #expect(options.run(.check).status == 2)
    }
}
