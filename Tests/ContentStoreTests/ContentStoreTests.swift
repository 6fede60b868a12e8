import Glibc
import Hashing
import OCIModel
import PieceModel
import Testing

@testable import ContentStore

@Suite("Committed blobs")
struct ContentStoreTests {
    @Test("a small blob comes back, read-only, also after a restart")
    func small() throws {
        let folder = try TemporaryFolder()
        let sample = try Sample(5000)
        var store = try ContentStore.open(folder)
        #expect(try store.openBlob(sample.digest) == nil)
        try store.commitSmall(sample.digest, bytes: sample.bytes)
        try store.commitSmall(sample.digest, bytes: sample.bytes)
        for _ in 0..<2 {
            #expect(try store.contents(sample.digest) == sample.bytes)
            #expect(store.blob(sample.digest)?.bytes == 5000)
            #expect(store.usage.usedBytes == 5000 && store.usage.blobCount == 1)
            var status = stat()
            #expect(stat(sample.path(in: folder), &status) == 0 && status.st_mode & 0o777 == 0o400)
            try store.check()
            store.close()
            store = try ContentStore.open(folder)
        }
        #expect(try folder.contentFiles().count == 1)
    }

    @Test("an empty blob is a blob")
    func empty() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let digest = SHA256Hasher.hash([])
        try store.commitSmall(digest, bytes: [])
        store.close()
        let next = try ContentStore.open(folder)
        #expect(try next.contents(digest) == [])
        #expect(try next.computePieceDigests(digest) == nil)
    }

    @Test("bytes of another digest are refused and leave nothing")
    func mismatch() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let wanted = SHA256Hasher.hash([1])
        #expect(throws: StoreError.digestMismatch(expected: wanted, actual: SHA256Hasher.hash([2]))) {
            try store.commitSmall(wanted, bytes: [2])
        }
        #expect(try folder.contentFiles() == [] && store.usage.usedBytes == 0)
    }

    @Test("the least recently used blob goes first, an open one stays readable, a pinned one stays")
    func eviction() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder, quota: 400_000)
        let samples = try (1...4).map { try Sample(100_000, seed: UInt64($0)) }
        for sample in samples { try store.commitSmall(sample.digest, bytes: sample.bytes) }
        try store.setPinned(samples[0].digest, true)
        let reader = try #require(try store.openBlob(samples[1].digest))
        _ = try store.openBlob(samples[2].digest)
        let new = try Sample(150_000, seed: 9)
        try store.commitSmall(new.digest, bytes: new.bytes)
        #expect(store.blob(samples[0].digest)?.isPinned == true)
        #expect(store.blob(samples[1].digest) == nil && store.blob(samples[3].digest) == nil)
        #expect(store.blob(samples[2].digest) != nil && store.blob(new.digest) != nil)
        #expect(store.usage.evictions == 2)
        #expect(try Disk.read(reader.descriptor, count: 100_000, at: 0) == samples[1].bytes)
        #expect(try folder.contentFiles().count == 3)
        try store.check()
    }

    @Test("what cannot fit is refused without evicting anything")
    func tooLarge() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder, quota: 300_000)
        let samples = try (1...3).map { try Sample(100_000, seed: UInt64($0)) }
        for sample in samples { try store.commitSmall(sample.digest, bytes: sample.bytes) }
        try store.setPinned(samples[0].digest, true)
        for count in [200_001, 300_001] {
            let new = try Sample(count, seed: 9)
            #expect(throws: StoreError.quotaExceeded(neededBytes: Int64(count), quotaBytes: 300_000)) {
                try store.beginPartial(new.digest, layout: new.layout)
            }
        }
        #expect(store.usage.blobCount == 3 && store.usage.lastError != nil)
        try store.check()
    }

    @Test("reserved space counts, so two downloads cannot overrun the quota together")
    func reservations() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder, quota: 300_000)
        let first = try Sample(200_000, seed: 1)
        let second = try Sample(200_000, seed: 2)
        let partial = try store.beginPartial(first.digest, layout: first.layout)
        #expect(store.usage.reservedBytes == 200_000)
        #expect(throws: StoreError.self) { try store.beginPartial(second.digest, layout: second.layout) }
        #expect(throws: StoreError.alreadyOpen(first.digest)) {
            try store.beginPartial(first.digest, layout: first.layout)
        }
        partial.abandon()
        #expect(store.usage.reservedBytes == 0 && store.usage.usedBytes == 0)
        #expect(try store.commit(second))
        #expect(throws: StoreError.alreadyWhole(second.digest)) {
            try store.beginPartial(second.digest, layout: second.layout)
        }
        try store.check()
    }

    @Test("the floor of free space is kept, by eviction when that helps")
    func floor() throws {
        let folder = try TemporaryFolder()
        var disk = Disk.system
        let free = Guarded(Int64(1_000_000))
        disk.freeBytes = { _ in free.withLock { $0 } }
        let remove = disk.remove
        disk.remove = { folder, name in
            if !name.contains(".") { free.withLock { $0 += 100_000 } }
            return remove(folder, name)
        }
        let store = try ContentStore.open(folder, floor: 900_000, disk: disk)
        let old = try Sample(100_000, seed: 1)
        try store.commitSmall(old.digest, bytes: old.bytes)
        free.withLock { $0 = 900_000 }
        let new = try Sample(50_000, seed: 2)
        try store.commitSmall(new.digest, bytes: new.bytes)
        #expect(store.blob(old.digest) == nil && store.blob(new.digest) != nil)
        free.withLock { $0 = 100_000 }
        let error = StoreError.freeFloorReached(neededBytes: 50_000, freeBytes: 100_000, floorBytes: 900_000)
        let third = try Sample(50_000, seed: 3)
        #expect(throws: error) { try store.commitSmall(third.digest, bytes: third.bytes) }
        #expect(store.blob(new.digest) != nil)
        try store.check()
    }

    @Test("a lowered quota evicts at the next start, but not what is pinned")
    func loweredQuota() throws {
        let folder = try TemporaryFolder()
        var store = try ContentStore.open(folder)
        let samples = try (1...3).map { try Sample(100_000, seed: UInt64($0)) }
        for sample in samples { try store.commitSmall(sample.digest, bytes: sample.bytes) }
        try store.setPinned(samples[0].digest, true)
        store.close()
        store = try ContentStore.open(folder, quota: 200_000)
        #expect(Set(store.list().map(\.digest)) == [samples[0].digest, samples[2].digest])
        store.close()
        store = try ContentStore.open(folder, quota: 50_000)
        #expect(store.blob(samples[0].digest)?.isPinned == true)
        #expect(throws: StoreError.self) { try store.commitSmall(samples[1].digest, bytes: samples[1].bytes) }
        store.ledger.withLock { $0.checkInvariants() }
    }

    @Test("remove takes committed and abandoned blobs, pinned or not, but not one being fetched")
    func remove() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let small = try Sample(100, seed: 1)
        try store.commitSmall(small.digest, bytes: small.bytes)
        try store.setPinned(small.digest, true)
        #expect(try store.remove(small.digest))
        #expect(try !store.remove(small.digest))
        #expect(throws: StoreError.notFound(small.digest)) { try store.setPinned(small.digest, true) }
        let large = try Sample(200_000, seed: 2)
        let partial = try store.beginPartial(large.digest, layout: large.layout)
        try partial.store(
            try #require(large.layout.piece(0)),
            large.bytes(of: try #require(large.layout.piece(0)))
        )
        #expect(try !store.remove(large.digest))
        partial.abandon()
        #expect(store.usage.usedBytes == 200_000)
        #expect(try store.remove(large.digest))
        #expect(try folder.contentFiles() == [] && store.usage.usedBytes == 0)
        try store.check()
    }

    @Test("the order of use survives a restart")
    func orderSurvives() throws {
        let folder = try TemporaryFolder()
        var store = try ContentStore.open(folder)
        let samples = try (1...5).map { try Sample(100, seed: UInt64($0)) }
        for sample in samples { try store.commitSmall(sample.digest, bytes: sample.bytes) }
        for index in [3, 0] { _ = try store.openBlob(samples[index].digest) }
        let order = [0, 3, 4, 2, 1].map { samples[$0].digest }
        #expect(store.list().map(\.digest) == order)
        store.close()
        store = try ContentStore.open(folder)
        #expect(store.list().map(\.digest) == order)
    }

    @Test("a blob cut short or removed behind the store's back is forgotten, not served")
    func tampered() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let samples = try (1...2).map { try Sample(1000, seed: UInt64($0)) }
        for sample in samples { try store.commitSmall(sample.digest, bytes: sample.bytes) }
        #expect(truncate(samples[0].path(in: folder), 999) == 0)
        #expect(unlink(samples[1].path(in: folder)) == 0)
        for sample in samples { #expect(try store.openBlob(sample.digest) == nil) }
        #expect(store.usage.blobCount == 0 && store.usage.usedBytes == 0)
    }

    @Test("piece digests of a blob that rotted are not made, and the blob goes")
    func rot() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let sample = try Sample(300_000)
        try store.commitSmall(sample.digest, bytes: sample.bytes)
        #expect(store.pieceDigests(sample.digest) == nil)
        #expect(try store.computePieceDigests(sample.digest) == sample.pieceDigests)
        #expect(store.pieceDigests(sample.digest) == sample.pieceDigests)
        #expect(store.chainStates(sample.digest) == sample.chainStates)
        let path = sample.path(in: folder)
        #expect(chmod(path, 0o600) == 0)
        let file = try #require(try Descriptor.open(path, O_RDWR))
        try Disk.system.writeAll(file.number, [sample.bytes[77] ^ 1], at: 77)
        #expect(try store.computePieceDigests(sample.digest) == nil)
        #expect(store.blob(sample.digest) == nil && store.pieceDigests(sample.digest) == nil)
    }

    @Test("a closed store says so")
    func closed() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let sample = try Sample(100)
        try store.commitSmall(sample.digest, bytes: sample.bytes)
        store.close()
        store.close()
        #expect(throws: StoreError.closed) { try store.openBlob(sample.digest) }
        let other = try Sample(100, seed: 2)
        #expect(throws: StoreError.closed) { try store.commitSmall(other.digest, bytes: other.bytes) }
        #expect(throws: StoreError.closed) { try store.beginPartial(other.digest, layout: other.layout) }
    }
}
