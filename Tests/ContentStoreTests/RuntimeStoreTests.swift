import Foundation
import Glibc
import Hashing
import OCIModel
import Testing

@testable import ContentStore

/// A content store laid out as containerd lays out its own.
struct RuntimeSetting {
    private let folder: TemporaryFolder
    let ours: TemporaryFolder
    let root: String

    init() throws {
        folder = try TemporaryFolder()
        ours = try TemporaryFolder()
        root = folder.path
        try make("blobs/sha256")
        try make("ingest")
    }

    private func make(_ name: String) throws {
        try FileManager.default.createDirectory(
            atPath: "\(root)/\(name)", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    }

    func path(_ digest: Digest) -> String { "\(root)/blobs/sha256/\(digest.hex)" }

    /// As containerd commits a blob: written elsewhere, renamed, then made read-only.
    func put(_ bytes: [UInt8], as digest: Digest) throws {
        let draft = "\(root)/ingest/\(UInt64.random(in: .min ... .max))"
        try Data(bytes).write(to: URL(fileURLWithPath: draft))
        #expect(rename(draft, path(digest)) == 0 && chmod(path(digest), 0o444) == 0)
    }

    func put(_ sample: Sample) throws { try put(sample.bytes, as: sample.digest) }

    func remove(_ sample: Sample) { unlink(path(sample.digest)) }

    func store(
        quota: Int64 = 1 << 30, floor: Int64 = 0, disk: Disk = .system, keptSeconds: Int64 = 60
    ) throws -> ContentStore {
        try ContentStore(
            .init(path: ours.path, quotaBytes: quota, freeFloorBytes: floor), disk: disk,
            runtime: RuntimeStore(keptSeconds: keptSeconds))
    }

    static func status(_ path: String) -> stat {
        var status = stat()
        #expect(stat(path, &status) == 0, "\(path)")
        return status
    }
}

extension ContentStore {
    func shareAll() { while shareNext() {} }
}

@Suite("The runtime's blobs")
struct RuntimeStoreTests {
    @Test("are seen at a look, read where they lie, and vouched for piece by piece")
    func seen() throws {
        let setting = try RuntimeSetting()
        let sample = try Sample(300_000)
        try setting.put(sample)
        let store = try setting.store()
        #expect(store.blob(sample.digest) == nil)
        #expect(store.lookAtRuntime(setting.root).appeared == [sample.digest])
        #expect(store.lookAtRuntime(setting.root) == RuntimeLook())
        #expect(store.blob(sample.digest)?.bytes == 300_000 && !store.isCommitted(sample.digest))
        #expect(store.pieceDigests(sample.digest) == nil, "nobody has read it yet")
        #expect(try store.computePieceDigests(sample.digest) == sample.pieceDigests)
        #expect(store.pieceDigests(sample.digest) == sample.pieceDigests)
        #expect(try store.contents(sample.digest) == sample.bytes)
        #expect(store.list().isEmpty && store.usage.usedBytes == 0)
        #expect(try setting.ours.contentFiles() == [])
        #expect(store.runtimeUsage.blobCount == 1 && store.runtimeUsage.bytes == 300_000)
        try #require(try store.openBlob(sample.digest)).noteSent(7)
        #expect(store.runtimeUsage.servedBytes == 7)
        try store.check()
    }

    @Test("are hashed once for each file, not for each reader")
    func hashedOnce() throws {
        let setting = try RuntimeSetting()
        let sample = try Sample(70_000)
        try setting.put(sample)
        let runtime = RuntimeStore(keptSeconds: 0)
        var hashes = 0
        func open() -> BlobFile? {
            runtime.open(sample.digest) { _ in
                hashes += 1
                return sample.digest
            }
        }
        for _ in 0..<3 {
            #expect(runtime.look(setting.root).problem == nil)
            #expect(open() != nil && open() != nil)
        }
        #expect(hashes == 1)
        // A link to it is no write; another time is.
        #expect(link(setting.path(sample.digest), "\(setting.root)/link") == 0)
        _ = runtime.look(setting.root)
        #expect(open() != nil && hashes == 1)
        _ = runtime.look(setting.root)
        #expect(utimes(setting.path(sample.digest), nil) == 0)
        #expect(open() != nil && hashes == 2)
    }

    @Test("with bytes that are not their name's are given to nobody, until they are put right")
    func wrong() throws {
        let setting = try RuntimeSetting()
        let (sample, other) = (try Sample(100_000, seed: 1), try Sample(100_000, seed: 2))
        try setting.put(other.bytes, as: sample.digest)
        let store = try setting.store()
        _ = store.lookAtRuntime(setting.root)
        #expect(try store.openBlob(sample.digest) == nil)
        #expect(try store.computePieceDigests(sample.digest) == nil)
        #expect(store.blob(sample.digest) == nil)
        #expect(store.lookAtRuntime(setting.root).wrong == [sample.digest])
        try setting.put(sample)
        #expect(store.lookAtRuntime(setting.root).wrong == [])
        #expect(try store.contents(sample.digest) == sample.bytes)
    }

    @Test("are plain files that only root and this user can write to, and are whole")
    func refused() throws {
        let setting = try RuntimeSetting()
        let store = try setting.store()
        let samples = try (1...5).map { try Sample(1000, seed: UInt64($0)) }
        try setting.put(samples[0])
        #expect(chmod(setting.path(samples[0].digest), 0o664) == 0)
        try setting.put(samples[1])
        #expect(chown(setting.path(samples[1].digest), 65_534, 65_534) == 0)
        try setting.put(samples[2].bytes, as: SHA256Hasher.hash([9]))
        #expect(symlink(setting.path(SHA256Hasher.hash([9])), setting.path(samples[2].digest)) == 0)
        #expect(mkfifo(setting.path(samples[3].digest), 0o600) == 0)
        try Data(samples[4].bytes).write(to: URL(fileURLWithPath: "\(setting.root)/ingest/\(samples[4].digest.hex)"))
        try setting.put([], as: SHA256Hasher.hash([8]))
        _ = store.lookAtRuntime(setting.root)
        for sample in samples { #expect(try store.openBlob(sample.digest) == nil) }
        #expect(store.blob(SHA256Hasher.hash([8])) == nil)
        #expect(chmod("\(setting.root)/blobs/sha256", 0o777) == 0)
        let other = try setting.store(of: try TemporaryFolder())
        let folder = "\(setting.root)/blobs/sha256"
        #expect(other.lookAtRuntime(setting.root).problem == .unsafe(path: folder))
        #expect(other.lookAtRuntime("\(setting.root)/none").problem == .missing(path: "\(setting.root)/none/blobs/sha256"))
    }

    @Test("that the runtime removes stay readable while somebody reads them, and are then gone")
    func removedMeanwhile() throws {
        let setting = try RuntimeSetting()
        let (read, unread) = (try Sample(200_000, seed: 1), try Sample(200_000, seed: 2))
        try setting.put(read)
        try setting.put(unread)
        let store = try setting.store()
        _ = store.lookAtRuntime(setting.root)
        #expect(try store.openBlob(read.digest) != nil)
        for sample in [read, unread] { setting.remove(sample) }
        #expect(store.lookAtRuntime(setting.root).vanished == [unread.digest])
        #expect(try store.openBlob(unread.digest) == nil)
        #expect(try store.contents(read.digest) == read.bytes, "it was in use a moment ago")

        let impatient = try setting.store(of: try TemporaryFolder(), keptSeconds: 0)
        try setting.put(read)
        _ = impatient.lookAtRuntime(setting.root)
        let file = try #require(try impatient.openBlob(read.digest))
        setting.remove(read)
        #expect(impatient.lookAtRuntime(setting.root).vanished == [read.digest])
        #expect(impatient.blob(read.digest) == nil)
        #expect(try Disk.read(file.descriptor, count: 200_000, at: 0) == read.bytes)
    }

    @Test("are found again when the folder is another one")
    func newFolder() throws {
        let setting = try RuntimeSetting()
        let (old, new) = (try Sample(1000, seed: 1), try Sample(1000, seed: 2))
        try setting.put(old)
        let store = try setting.store()
        _ = store.lookAtRuntime(setting.root)
        try FileManager.default.removeItem(atPath: "\(setting.root)/blobs")
        #expect(store.lookAtRuntime(setting.root).vanished == [old.digest])
        try FileManager.default.createDirectory(
            atPath: "\(setting.root)/blobs/sha256", withIntermediateDirectories: true)
        try setting.put(new)
        let look = store.lookAtRuntime(setting.root)
        #expect(look.appeared == [new.digest] && look.openedFolder == "\(setting.root)/blobs/sha256")
    }
}

extension RuntimeSetting {
    /// A second store that looks at the same runtime.
    func store(of folder: TemporaryFolder, keptSeconds: Int64 = 60) throws -> ContentStore {
        try ContentStore(
            .init(path: folder.path, quotaBytes: 1 << 30, freeFloorBytes: 0), disk: .system,
            runtime: RuntimeStore(keptSeconds: keptSeconds))
    }
}
