import Foundation
import Glibc
import TestSupport
import Testing

@testable import RuntimeConfig

/// Files and file systems that do not let themselves be written: untouched, and a sentence that says why.
@Suite("Files and file systems that refuse", .serialized, .enabled(if: getuid() == 0, "this is not root"))
struct FileSystemTests {
    private static let before = "version = 2\n# mine\n"

    private func node(_ mode: RuntimeMode = .mirror) throws -> (scratch: Scratch, options: ContainerdOptions) {
        let scratch = try Scratch()
        try scratch.write("etc/config.toml", Self.before)
        var options = try scratch.options(mode: mode)
        options.config = scratch.path("etc/config.toml")
        options.hostsDirectory = scratch.path("etc/certs.d")
        return (scratch, options)
    }

    /// Runs `apply` and expects status 74, these words, and every byte as it was.
    private func expectUntouched(
        _ scratch: Scratch, _ options: ContainerdOptions, _ words: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let before = scratch.snapshot()
        let result = options.run(.apply)
        #expect(result.status == 74, "\(result.text)", sourceLocation: sourceLocation)
        for word in words + ["nothing was changed"] {
            #expect(result.text.contains(word), "\(result.text)", sourceLocation: sourceLocation)
        }
        #expect(scratch.snapshot() == before, sourceLocation: sourceLocation)
    }

    private func check(_ command: [String]) async throws { try await ChildProcess.check(command) }

    @Test("an immutable file, an immutable folder, and a file that only grows", arguments: RuntimeMode.allCases)
    func immutable(mode: RuntimeMode) async throws {
        for (flag, name) in [("i", "etc/config.toml"), ("i", "etc"), ("a", "etc/config.toml")] {
            let (scratch, options) = try node(mode)
            try await check(["chattr", "+" + flag, scratch.path(name)])
            expectUntouched(scratch, options, ["Operation not permitted", "lsattr", "chattr -i"])
            try await check(["chattr", "-" + flag, scratch.path(name)])
            #expect(options.run(.apply).status == 0)
            #expect(options.run(.revert).status == 0)
            #expect(scratch.text("etc/config.toml") == Self.before)
        }
    }

    @Test("a read-only file system", arguments: RuntimeMode.allCases)
    func readOnly(mode: RuntimeMode) async throws {
        let (scratch, options) = try node(mode)
        let folder = scratch.path("etc")
        try await check(["mount", "--bind", folder, folder])
        defer { umount2(folder, Int32(MNT_DETACH)) }
        try await check(["mount", "-o", "remount,ro,bind", folder])
        expectUntouched(scratch, options, ["Read-only file system", "remount"])
    }

    /// Fills a small file system until `bytes` are left of it.
    private func fill(_ folder: String, leaving bytes: Int) throws {
        var status = statvfs()
        try #require(statvfs(folder, &status) == 0)
        let free = Int(status.f_bavail) * Int(status.f_bsize)
        try Data(count: max(0, free - bytes)).write(to: URL(filePath: folder + "/filler"))
    }

    @Test("a full file system under the configuration, however few bytes are left", arguments: RuntimeMode.allCases)
    func full(mode: RuntimeMode) async throws {
        for left in [0, 4096, 8192, 16384] {
            let (scratch, options) = try node(mode)
            let folder = scratch.path("etc")
            try await check(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder])
            defer { umount2(folder, Int32(MNT_DETACH)) }
            try scratch.write("etc/config.toml", Self.before)
            try fill(folder, leaving: left)
            let before = scratch.snapshot()
            let result = options.run(.apply)
            if result.status == 0 {
                #expect(left > 0)
                #expect(options.run(.revert).status == 0)
            } else {
                #expect(result.status == 74)
                #expect(result.text.contains("No space left"), "\(result.text)")
                #expect(result.text.contains("free some space"), "\(result.text)")
            }
            #expect(scratch.snapshot() == before, "\(left)")
            unlink(folder + "/filler")
            #expect(options.run(.apply).status == 0)
            #expect(options.run(.revert).status == 0)
            #expect(scratch.text("etc/config.toml") == Self.before)
        }
    }

    @Test("a full file system under the record: nothing is changed that could not be taken back")
    func fullRecord() async throws {
        let (scratch, options) = try node()
        let state = scratch.path("state")
        try scratch.makeFolder("state")
        try await check(["mount", "-t", "tmpfs", "-o", "size=32k", "none", state])
        defer { umount2(state, Int32(MNT_DETACH)) }
        try fill(state, leaving: 0)
        expectUntouched(scratch, options, ["No space left", "record that revert needs"])
        unlink(state + "/filler")
        #expect(options.run(.apply).status == 0)
        #expect(options.run(.revert).status == 0)
        #expect(scratch.text("etc/config.toml") == Self.before)
    }

    @Test("owner, mode and extended attributes stay, through apply and revert", arguments: RuntimeMode.allCases)
    func attributes(mode: RuntimeMode) async throws {
        let (scratch, options) = try node(mode)
        let path = scratch.path("etc/config.toml")
        chmod(path, 0o640)
        chown(path, 0, 12)
        let labels = ["user.origin": "image", "security.hawkertest": "system_u:object_r:etc_t:s0", "trusted.x": "1"]
        for (name, value) in labels {
            try await check([
                "python3", "-c", "import os, sys; os.setxattr(sys.argv[1], sys.argv[2], sys.argv[3].encode())", path,
                name, value,
            ])
        }
        for action in [ContainerdOptions.Action.apply, .revert] {
            #expect(options.run(action).status == 0)
            let status = scratch.status("etc/config.toml")
            #expect(status.st_mode & 0o7777 == 0o640)
            #expect(status.st_gid == 12)
            for (name, value) in labels {
                let kept = try await ChildProcess.check([
                    "python3", "-c", "import os, sys; print(os.getxattr(sys.argv[1], sys.argv[2]).decode(), end='')", path,
                    name,
                ])
                #expect(kept == value, "\(name)")
            }
        }
    }

    @Test("a link is written through: to a folder elsewhere, and over two steps")
    func links() throws {
        let (scratch, options) = try node()
        try scratch.makeFolder("real/deep")
        rename(scratch.path("etc/config.toml"), scratch.path("real/deep/config.toml"))
        symlink("deep/config.toml", scratch.path("real/step"))
        symlink(scratch.path("real/step"), scratch.path("etc/config.toml"))
        let before = scratch.snapshot()
        #expect(options.run(.apply).status == 0)
        #expect(scratch.text("real/deep/config.toml")?.contains("127.0.0.1:4001") == true)
        #expect(scratch.status("etc/config.toml").st_mode & S_IFMT == S_IFLNK)
        #expect(scratch.status("real/step").st_mode & S_IFMT == S_IFLNK)
        #expect(options.run(.revert).status == 0)
        #expect(scratch.snapshot() == before)
    }

    @Test("a link into a read-only file system, a loop of links, and a folder in the file's place")
    func badLinks() async throws {
        let (scratch, options) = try node()
        try scratch.makeFolder("image")
        rename(scratch.path("etc/config.toml"), scratch.path("image/config.toml"))
        symlink("../image/config.toml", scratch.path("etc/config.toml"))
        let folder = scratch.path("image")
        try await check(["mount", "--bind", folder, folder])
        defer { umount2(folder, Int32(MNT_DETACH)) }
        try await check(["mount", "-o", "remount,ro,bind", folder])
        expectUntouched(scratch, options, ["Read-only file system"])

        let (loop, loopOptions) = try node()
        unlink(loop.path("etc/config.toml"))
        symlink("config.toml", loop.path("etc/config.toml"))
        #expect(loopOptions.run(.apply).status == 65)
        #expect(loopOptions.run(.apply).text.contains("Too many levels of symbolic links"))

        let (other, otherOptions) = try node()
        unlink(other.path("etc/config.toml"))
        try other.makeFolder("etc/config.toml")
        #expect(otherOptions.run(.apply).status == 65)
        #expect(otherOptions.run(.apply).text.contains("is a directory"))
    }

    @Test("a file of another owner, and one that nobody may write")
    func owners() throws {
        let (foreign, foreignOptions) = try node()
        chown(foreign.path("etc/config.toml"), 1234, 0)
        expectUntouched(foreign, foreignOptions, ["user 1234", "chown root"])
        let (readOnly, readOnlyOptions) = try node()
        chmod(readOnly.path("etc/config.toml"), 0o444)
        expectUntouched(readOnly, readOnlyOptions, ["is read-only", "chmod u+w"])
    }
}
