import Foundation
import Glibc
import OCIModel
import Testing

@testable import ContentStore

@Suite("A blob that the runtime has as well")
struct SharingTests {
    @Test("becomes one file with the runtime's, and each side may let go of it")
    func shared() throws {
        let setting = try RuntimeSetting()
        let samples = try (1...2).map { try Sample(200_000, seed: UInt64($0)) }
        let store = try setting.store()
        for sample in samples {
            #expect(try store.commit(sample))
            try setting.put(sample)
        }
        let theirs = RuntimeSetting.status(setting.path(samples[0].digest))
        let reader = try #require(try store.openBlob(samples[0].digest))
        _ = store.lookAtRuntime(setting.root)
        store.shareAll()
        for sample in samples {
            let (own, other) = (sample.path(in: setting.ours), setting.path(sample.digest))
            #expect(RuntimeSetting.status(own).st_ino == RuntimeSetting.status(other).st_ino)
        }
        let after = RuntimeSetting.status(setting.path(samples[0].digest))
        #expect(after.st_ino == theirs.st_ino && after.st_mode == theirs.st_mode && after.st_nlink == 2)
        #expect(try Disk.read(reader.descriptor, count: 200_000, at: 0) == samples[0].bytes)
        #expect(store.usage.usedBytes == 400_000 && store.usage.sharedBytes == 400_000)
        #expect(try setting.ours.contentFiles().count == 2, "no draft is left")
        try store.check()

        setting.remove(samples[0])
        _ = store.lookAtRuntime(setting.root)
        #expect(store.usage.sharedBytes == 200_000)
        #expect(try store.contents(samples[0].digest) == samples[0].bytes)
        #expect(try store.remove(samples[1].digest))
        #expect(try store.contents(samples[1].digest) == samples[1].bytes, "the runtime's is still there")
        #expect(RuntimeSetting.status(setting.path(samples[1].digest)).st_nlink == 1)

        #expect(try store.commit(try Sample(100, seed: 3)))
        #expect(try store.commit(samples[1]), "what the runtime has may be fetched for the cache as well")
        store.shareAll()
        store.close()
        let next = try setting.store()
        #expect(next.usage.sharedBytes == 0, "not tried again as long as the runtime has it")
    }

    @Test("is known as shared after a restart")
    func restart() throws {
        let setting = try RuntimeSetting()
        let sample = try Sample(200_000)
        let store = try setting.store()
        #expect(try store.commit(sample))
        try setting.put(sample)
        _ = store.lookAtRuntime(setting.root)
        store.shareAll()
        store.close()
        let next = try setting.store()
        #expect(next.usage.sharedBytes == 200_000)
        setting.remove(sample)
        _ = next.lookAtRuntime(setting.root)
        try next.check()
    }

    @Test("is left as it is when the runtime's file has other bytes")
    func wrong() throws {
        let setting = try RuntimeSetting()
        let (sample, other) = (try Sample(200_000, seed: 1), try Sample(200_000, seed: 2))
        let store = try setting.store()
        #expect(try store.commit(sample))
        try setting.put(other.bytes, as: sample.digest)
        _ = store.lookAtRuntime(setting.root)
        store.shareAll()
        #expect(RuntimeSetting.status(setting.path(sample.digest)).st_nlink == 1)
        #expect(try setting.ours.contentFiles().count == 1)
        #expect(store.usage.sharedBytes == 0)
        try store.check()
    }

    @Test("stays two files where links are refused, and that is said", arguments: [EPERM, EXDEV])
    func refused(code: Int32) throws {
        let setting = try RuntimeSetting()
        let calls = Guarded(0)
        var disk = Disk.system
        disk.link = { _, _, _ in
            calls.withLock { $0 += 1 }
            return -code
        }
        let store = try setting.store(disk: disk)
        for sample in try (1...3).map({ try Sample(100_000, seed: UInt64($0)) }) {
            #expect(try store.commit(sample))
            try setting.put(sample)
        }
        _ = store.lookAtRuntime(setting.root)
        store.shareAll()
        _ = store.lookAtRuntime(setting.root)
        store.shareAll()
        #expect(calls.withLock { $0 } == 1)
        #expect(store.runtimeUsage.sharingProblem != nil && store.usage.sharedBytes == 0)
        #expect(try setting.ours.contentFiles().count == 3)
        try store.check()
    }

    @Test("is left to the runtime where links are refused, once the runtime has kept it for a while")
    func left() throws {
        let setting = try RuntimeSetting()
        var disk = Disk.system
        disk.link = { _, _, _ in -EXDEV }
        let store = try setting.store(disk: disk)
        let samples = try (1...4).map { try Sample(100_000, seed: UInt64($0)) }
        for sample in samples { #expect(try store.commit(sample)) }
        let (kept, pinned, wrong) = (samples[0], samples[1], samples[2])
        for sample in [kept, pinned] { try setting.put(sample) }
        try setting.put(samples[3].bytes, as: wrong.digest)
        try store.setPinned(pinned.digest, true)
        _ = store.lookAtRuntime(setting.root)
        store.shareAll()
        #expect(store.usage.blobCount == 4, "not at once")
        store.sharing.withLock { $0.keptSeconds = 0 }
        store.shareAll()
        #expect(!store.isCommitted(kept.digest) && store.usage.blobCount == 3)
        #expect(try store.contents(kept.digest) == kept.bytes)
        #expect(store.pieceDigests(kept.digest) == kept.pieceDigests)
        #expect(try store.contents(wrong.digest) == wrong.bytes)
        try store.check()
    }

    @Test("is kept where another user's files may not be linked to, and served from there")
    func anotherUser() async throws {
        guard try String(contentsOfFile: "/proc/sys/fs/protected_hardlinks", encoding: .utf8).hasPrefix("1") else {
            return
        }
        let setting = try RuntimeSetting()
        let (both, theirs) = (try Sample(100_000, seed: 1), try Sample(100_000, seed: 2))
        for sample in [both, theirs] { try setting.put(sample) }
        #expect(chmod(setting.root, 0o755) == 0 && chown(setting.ours.path, 65_534, 65_534) == 0)
        let (root, path) = (setting.root, setting.ours.path)
        await #expect(processExitsWith: .success) { [root = root as String, path = path as String] in
            #expect(setegid(65_534) == 0 && seteuid(65_534) == 0)
            let both = try Sample(100_000, seed: 1)
            let theirs = try Sample(100_000, seed: 2)
            let store = try ContentStore.open(TemporaryFolder(existing: path))
            try #require(try store.commit(both))
            _ = store.lookAtRuntime(root)
            store.shareAll()
            try #require(store.runtimeUsage.sharingProblem != nil && store.usage.sharedBytes == 0)
            try #require(try store.contents(theirs.digest) == theirs.bytes)
            try #require(try store.contents(both.digest) == both.bytes)
        }
        #expect(try setting.ours.contentFiles().count == 1)
    }

    @Test("is whole whatever call fails on the way", arguments: ["rename", "synchronize 1", "synchronize 2"])
    func faults(call: String) throws {
        let setting = try RuntimeSetting()
        let sample = try Sample(100_000)
        let (isArmed, synced) = (Guarded(false), Guarded(0))
        var disk = Disk.system
        disk.rename = { [old = disk.rename] folder, name, newFolder, newName in
            isArmed.withLock { $0 } && call == "rename" ? -EIO : old(folder, name, newFolder, newName)
        }
        disk.synchronize = { [old = disk.synchronize] file in
            guard isArmed.withLock({ $0 }) else { return old(file) }
            let number = synced.withLock { count -> Int in
                count += 1
                return count
            }
            return call == "synchronize \(number)" ? -EIO : old(file)
        }
        let store = try setting.store(disk: disk)
        #expect(try store.commit(sample))
        try setting.put(sample)
        _ = store.lookAtRuntime(setting.root)
        isArmed.withLock { $0 = true }
        store.shareAll()
        #expect(try setting.ours.contentFiles().count == 1)
        try store.check()
        let isShared = RuntimeSetting.status(setting.path(sample.digest)).st_nlink == 2
        #expect(isShared == (call == "synchronize 2") && store.usage.sharedBytes == (isShared ? 100_000 : 0))
    }

    @Test("makes no room on the disk when it goes, only in the quota")
    func eviction() throws {
        let setting = try RuntimeSetting()
        let free = Guarded<Int64>(1 << 40)
        var disk = Disk.system
        disk.freeBytes = { _ in free.withLock { $0 } }
        disk.remove = { [remove = disk.remove] folder, name in
            if !name.contains(".") { free.withLock { $0 += 100_000 } }
            return remove(folder, name)
        }
        let store = try setting.store(quota: 350_000, floor: 500_000, disk: disk)
        let samples = try (1...4).map { try Sample(100_000, seed: UInt64($0)) }
        for sample in samples.prefix(2) { try store.commitSmall(sample.digest, bytes: sample.bytes) }
        try setting.put(samples[0])
        _ = store.lookAtRuntime(setting.root)
        store.shareAll()
        // The oldest is shared: the other one has to go.
        free.withLock { $0 = 550_000 }
        try store.commitSmall(samples[2].digest, bytes: samples[2].bytes)
        #expect(Set(store.list().map(\.digest)) == [samples[0].digest, samples[2].digest])
        // In the quota it counts in full.
        free.withLock { $0 = 1 << 40 }
        for sample in [samples[1], samples[3]] { try store.commitSmall(sample.digest, bytes: sample.bytes) }
        #expect(!store.isCommitted(samples[0].digest) && store.isCommitted(samples[2].digest))
        #expect(store.blob(samples[0].digest) != nil, "the runtime has it still")
        #expect(store.usage.usedBytes == 300_000 && store.usage.sharedBytes == 0)
        try store.check()
    }
}
