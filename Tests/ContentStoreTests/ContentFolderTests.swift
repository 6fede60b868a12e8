import Foundation
import Glibc
import Testing

@testable import ContentStore

@Suite("The cache folder")
struct ContentFolderTests {
    private func refusal(_ path: String) -> StoreError? {
        do throws(StoreError) {
            let store = try ContentStore.open(.init(path: path, quotaBytes: 1 << 20, freeFloorBytes: 0))
            store.close()
            return nil
        } catch {
            return error
        }
    }

    @Test("a missing folder is made with its parents, for this user alone")
    func made() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/a/b/content"
        #expect(refusal(path) == nil)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o700)
        #expect(refusal(path) == nil)
    }

    @Test("an empty folder, one with lost+found only and one from a start cut short are taken")
    func empty() throws {
        for names in [[], ["lost+found"], [".hawker-content.lock", ".hawker-content.new"]] {
            let folder = try TemporaryFolder()
            for name in names {
                #expect(FileManager.default.createFile(atPath: folder.path + "/" + name, contents: nil))
            }
            #expect(refusal(folder.path) == nil)
        }
    }

    @Test("a folder with somebody's files is refused and left as it is")
    func notOurs() throws {
        let folder = try TemporaryFolder()
        let name = folder.path + "/thesis.txt"
        #expect(FileManager.default.createFile(atPath: name, contents: Data("text".utf8)))
        #expect(refusal(folder.path) == .folderRefused(path: folder.path, .notOurs))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["thesis.txt"])
    }

    @Test("a folder that others may write is refused", arguments: [0o777, 0o770, 0o702, 0o720, 0o1777])
    func writable(mode: Int) throws {
        let folder = try TemporaryFolder()
        #expect(chmod(folder.path, mode_t(mode)) == 0)
        #expect(
            refusal(folder.path) == .folderRefused(path: folder.path, .writableByOthers(mode: UInt32(mode)))
        )
        let text = String(describing: try #require(refusal(folder.path)))
        #expect(text.contains("chmod go-w '\(folder.path)'"))
    }

    @Test(
        "a folder of another user is refused",
        .enabled(if: geteuid() == 0, "only root can give a folder away")
    )
    func foreignOwner() throws {
        let folder = try TemporaryFolder()
        #expect(chown(folder.path, 12_345, 12_345) == 0)
        #expect(refusal(folder.path) == .folderRefused(path: folder.path, .foreignOwner(user: 12_345)))
    }

    @Test("a symbolic link, also to a good folder, and a file are refused")
    func links() throws {
        let folder = try TemporaryFolder()
        let link = folder.path + "/link"
        #expect(mkdir(folder.path + "/real", 0o700) == 0 && symlink(folder.path + "/real", link) == 0)
        #expect(refusal(link) == .folderRefused(path: link, .symbolicLink))
        #expect(symlink(folder.path + "/nowhere", folder.path + "/dangling") == 0)
        #expect(
            refusal(folder.path + "/dangling")
                == .folderRefused(path: folder.path + "/dangling", .symbolicLink)
        )
        let file = folder.path + "/file"
        #expect(FileManager.default.createFile(atPath: file, contents: nil))
        #expect(refusal(file) == .folderRefused(path: file, .notAFolder))
    }

    @Test("links and loose modes inside the folder are refused, too", arguments: ["blobs", "partial", "tmp"])
    func inside(name: String) throws {
        let folder = try TemporaryFolder()
        #expect(refusal(folder.path) == nil)
        let path = folder.path + "/" + name
        #expect(chmod(path, 0o777) == 0)
        #expect(refusal(folder.path) == .folderRefused(path: path, .writableByOthers(mode: 0o777)))
        try FileManager.default.removeItem(atPath: path)
        let elsewhere = try TemporaryFolder()
        #expect(symlink(elsewhere.path, path) == 0)
        #expect(refusal(folder.path) == .folderRefused(path: path, .symbolicLink))
        #expect(try elsewhere.contentFiles() == [])
    }

    @Test("a link planted later in the place of a blob or its folder is not followed")
    func planted() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let sample = try Sample(100)
        try store.commitSmall(sample.digest, bytes: sample.bytes)
        let path = sample.path(in: folder)
        #expect(unlink(path) == 0 && symlink("/etc/passwd", path) == 0)
        #expect(throws: StoreError.self) { try store.openBlob(sample.digest) }
        let shard = String(path.dropLast(65))
        #expect(unlink(path) == 0 && rmdir(shard) == 0 && symlink("/etc", shard) == 0)
        #expect(throws: StoreError.self) { try store.openBlob(sample.digest) }
    }

    @Test("a second store in the same folder is refused until the first is closed")
    func locked() throws {
        let folder = try TemporaryFolder()
        let first = try ContentStore.open(folder)
        #expect(refusal(folder.path) == .folderInUse(path: folder.path))
        first.close()
        #expect(refusal(folder.path) == nil)
    }

    @Test("the folder of a later version is refused")
    func version() throws {
        let folder = try TemporaryFolder()
        try Data("hawker content 2\n".utf8).write(to: URL(fileURLWithPath: folder.path + "/.hawker-content"))
        #expect(refusal(folder.path) == .folderRefused(path: folder.path, .unknownVersion))
    }

    @Test("every refusal says in one line what to do")
    func sentences() {
        let problems: [StoreError.FolderProblem] = [
            .symbolicLink, .notAFolder, .foreignOwner(user: 1), .writableByOthers(mode: 0o777), .notOurs,
            .unknownVersion,
        ]
        for problem in problems {
            let text = String(describing: StoreError.folderRefused(path: "/x", problem))
            #expect(
                text.contains("/x") && !text.contains("\n") && text.contains(where: { ";:".contains($0) })
            )
        }
    }
}
