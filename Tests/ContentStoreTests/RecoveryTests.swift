import Foundation
import Hashing
import OCIModel
import PieceModel
import Testing

@testable import ContentStore

/// The states in which a kill, a power cut or a strange hand can leave the files.
@Suite("After a crash")
struct RecoveryTests {
    private let folder: TemporaryFolder
    private let sample: Sample
    private var data: String { "\(folder.path)/partial/\(sample.digest.hex).data" }
    private var journal: String { "\(folder.path)/partial/\(sample.digest.hex).journal" }

    init() throws {
        folder = try TemporaryFolder()
        sample = try Sample(400_000)
        let store = try ContentStore.open(folder)
        let partial = try store.beginPartial(sample.digest, layout: sample.layout)
        try partial.storeAll(sample)
        partial.abandon()
        store.close()
    }

    /// Reopens and says which pieces are still held; then finishes the blob, which must always be possible.
    private func heldAfterRestart() throws -> [Int] {
        let store = try ContentStore.open(folder)
        let partial = try store.beginPartial(sample.digest, layout: sample.layout)
        let held = partial.held().map(\.piece.value)
        try partial.storeAll(sample)
        #expect(try partial.finish())
        #expect(try store.contents(sample.digest) == sample.bytes)
        #expect(try folder.contentFiles().count == 1)
        try store.check()
        return held
    }

    private func edit(_ path: String, _ body: (inout [UInt8]) -> Void) throws {
        var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        body(&bytes)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    @Test("all is as it was when nothing broke")
    func intact() throws {
        #expect(try heldAfterRestart() == Array(0..<7))
    }

    @Test("a torn journal loses the pieces behind the tear", arguments: [0, 1, 50, 111, 112])
    func tornTail(tornBytes: Int) throws {
        try edit(journal) { $0.removeLast(tornBytes) }
        #expect(try heldAfterRestart() == Array(0..<(tornBytes == 0 ? 7 : 6)))
    }

    @Test("a damaged slot in the middle loses that piece only")
    func damagedSlot() throws {
        try edit(journal) { $0[Journal.headerBytes + 2 * Journal.slotBytes + 60] ^= 1 }
        #expect(try heldAfterRestart() == [0, 1, 3, 4, 5, 6])
    }

    @Test("a journal with a damaged or no header is worth nothing", arguments: [0, 10, 63])
    func header(keptBytes: Int) throws {
        try edit(journal) { $0.removeLast($0.count - keptBytes) }
        #expect(try heldAfterRestart() == [])
    }

    @Test("a journal that lists what the data do not hold is not believed")
    func unwrittenData() throws {
        try edit(data) { bytes in
            for index in 65_536..<131_072 { bytes[index] = 0 }
            bytes[399_999] ^= 0x80
        }
        #expect(try heldAfterRestart() == [0, 2, 3, 4, 5])
    }

    @Test("data without journal, journal without data, data of another size: gone, and the space is free")
    func alone() throws {
        for damage in 0..<3 {
            let recovery = try RecoveryTests()
            switch damage {
            case 0: try FileManager.default.removeItem(atPath: recovery.journal)
            case 1: try FileManager.default.removeItem(atPath: recovery.data)
            default: try recovery.edit(recovery.data) { $0.removeLast() }
            }
            let store = try ContentStore.open(recovery.folder)
            #expect(store.usage.usedBytes == 0)
            #expect(try recovery.folder.contentFiles() == [])
            store.close()
            #expect(try recovery.heldAfterRestart() == [])
        }
    }

    @Test("files on their way to their name and strange files in partial are cleared away")
    func leftovers() throws {
        for name in [
            "tmp/\(sample.digest.hex).123", "partial/nonsense", "partial/\(sample.digest.hex).data2",
        ] {
            try Data([1]).write(to: URL(fileURLWithPath: "\(folder.path)/\(name)"))
        }
        #expect(try heldAfterRestart() == Array(0..<7))
    }

    @Test("a file whose rename outlived its data is not a blob")
    func emptyBlob() throws {
        let path = sample.path(in: folder)
        try FileManager.default.createDirectory(
            atPath: String(path.dropLast(65)),
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700]
        )
        try Data().write(to: URL(fileURLWithPath: path))
        let store = try ContentStore.open(folder)
        #expect(store.list() == [])
        store.close()
        #expect(try heldAfterRestart() == Array(0..<7))
    }

    @Test("what has no blob's name in blobs is left alone and not served")
    func strangers() throws {
        let shard = "\(folder.path)/blobs/sha256/\(sample.digest.hex.prefix(2))"
        try FileManager.default.createDirectory(
            atPath: shard,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700]
        )
        for name in ["README", sample.digest.hex.uppercased(), String(sample.digest.hex.dropLast())] {
            try Data(sample.bytes).write(to: URL(fileURLWithPath: "\(shard)/\(name)"))
        }
        let store = try ContentStore.open(folder)
        #expect(store.list() == [])
        #expect(try FileManager.default.contentsOfDirectory(atPath: shard).count == 3)
    }

    @Test("a committed blob with its partial files still there is one blob")
    func committedTwice() throws {
        let copy = try #require(FileManager.default.contents(atPath: journal))
        let store = try ContentStore.open(folder)
        let partial = try store.beginPartial(sample.digest, layout: sample.layout)
        #expect(try partial.finish())
        store.close()
        try copy.write(to: URL(fileURLWithPath: journal))
        try Data(sample.bytes).write(to: URL(fileURLWithPath: data))
        let next = try ContentStore.open(folder)
        #expect(next.usage.usedBytes == 400_000)
        #expect(try folder.contentFiles().count == 1)
        try next.check()
    }
}
