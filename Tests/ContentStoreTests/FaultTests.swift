import Glibc
import OCIModel
import PieceModel
import Testing

@testable import ContentStore

/// A disk whose n-th call of some kind goes wrong.
private struct Fault: Sendable, CustomStringConvertible {
    enum Call: String, CaseIterable { case write, synchronize, allocate, rename, remove }
    enum Effect: Equatable { case error(Int32), torn(Int32), short, killed, killedAfter }

    var call: Call
    var number: Int
    var effect: Effect

    var description: String { "\(call.rawValue) \(number) \(effect)" }

    /// `counts` tells afterwards how often each call was made.
    func disk(_ counts: Guarded<[Call: Int]>) -> Disk {
        var disk = Disk.system
        let isDue = { @Sendable (call: Call) -> Bool in
            counts.withLock {
                $0[call, default: 0] += 1; return $0[call] == number && call == self.call
            }
        }
        let fail = { @Sendable (body: () -> Int32) -> Int32 in
            switch effect {
            case .error(let code): return -code
            case .torn, .short: return body()
            case .killed: kill(getpid(), SIGKILL)
            case .killedAfter:
                _ = body()
                kill(getpid(), SIGKILL)
            }
            return 0
        }
        disk.write = { [write = disk.write] file, bytes, offset in
            guard isDue(.write) else { return write(file, bytes, offset) }
            let half = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)])
            switch effect {
            case .short: return write(file, UnsafeRawBufferPointer(rebasing: bytes[..<1]), offset)
            case .torn(let code):
                _ = write(file, half, offset)
                return -Int(code)
            default: return Int(fail { Int32(truncatingIfNeeded: write(file, half, offset)) })
            }
        }
        disk.synchronize = { [old = disk.synchronize] file in
            isDue(.synchronize) ? fail { old(file) } : old(file)
        }
        disk.allocate = { [old = disk.allocate] file, bytes in
            isDue(.allocate) ? fail { old(file, bytes) } : old(file, bytes)
        }
        disk.rename = { [old = disk.rename] folder, name, newFolder, newName in
            isDue(.rename)
                ? fail { old(folder, name, newFolder, newName) } : old(folder, name, newFolder, newName)
        }
        disk.remove = { [old = disk.remove] folder, name in
            isDue(.remove) ? fail { old(folder, name) } : old(folder, name)
        }
        return disk
    }
}

private enum Samples {
    static let small = (1...2).compactMap { try? Sample(3000, seed: $0) }
    static let large = Result { try Sample(140_000, seed: 3) }
    static let evicting = Result { try Sample(200_000, seed: 4) }
}

/// Less than all samples together.
private let quota: Int64 = 330_000

/// Everything a node does with its store: small and large blobs, a wrong piece, a resume, an eviction, a
/// removal.
private func exercise(_ folder: TemporaryFolder, _ disk: Disk) throws {
    let store = try ContentStore.open(folder, quota: quota, disk: disk)
    defer { store.close() }
    for sample in Samples.small { try store.commitSmall(sample.digest, bytes: sample.bytes) }
    let large = try Samples.large.get()
    if store.blob(large.digest) == nil {
        var partial = try store.beginPartial(large.digest, layout: large.layout)
        let pieces = Array(large.layout.pieces)
        try partial.store(pieces[1], large.bytes(of: pieces[1]))
        partial.abandon()
        partial = try store.beginPartial(large.digest, layout: large.layout)
        partial.drop([pieces[0]])
        try partial.store(pieces[0], noise(large.layout.byteCount(of: pieces[0]), seed: 8))
        try partial.storeAll(large)
        if try !partial.finish() {
            partial.drop([pieces[0]])
            try partial.store(pieces[0], large.bytes(of: pieces[0]))
            #expect(try partial.finish())
        }
    }
    let evicting = try Samples.evicting.get()
    if store.blob(evicting.digest) == nil { #expect(try store.commit(evicting)) }
    for sample in Samples.small.prefix(1) { _ = try store.remove(sample.digest) }
}

@Suite("When the disk fails")
struct FaultTests {
    private func run(_ fault: Fault) throws -> (counts: [Fault.Call: Int], error: (any Error)?) {
        let folder = try TemporaryFolder()
        let counts = Guarded([Fault.Call: Int]())
        var error: (any Error)?
        do {
            try exercise(folder, fault.disk(counts))
        } catch let failure {
            error = failure
        }
        // A process that goes on, and the next one, see only whole blobs, and can do all there is to do.
        let store = try ContentStore.open(folder, quota: quota)
        try store.check()
        store.close()
        try exercise(folder, .system)
        let end = try ContentStore.open(folder, quota: quota)
        try end.check()
        #expect(end.usage.reservedBytes == 0)
        #expect(try folder.contentFiles().count == end.usage.blobCount)
        return (counts.withLock { $0 }, error)
    }

    @Test("the n-th call failing, for every call and n, never gives a wrong blob or a leak")
    func everyCall() throws {
        let quiet = try run(Fault(call: .write, number: 0, effect: .short))
        #expect(quiet.error == nil)
        for (call, count) in quiet.counts {
            for number in 1...count {
                for code in [EIO, ENOSPC] {
                    let fault = Fault(call: call, number: number, effect: .error(code))
                    let (_, error) = try run(fault)
                    // A file that cannot be cleared away or a slot that stays is no reason to stop.
                    if call == .remove || error == nil { continue }
                    let expected: [StoreError] =
                        code == EIO
                        ? [.write, .synchronize, .allocate, .rename].map { .io($0, code: EIO) }
                        : [.write, .synchronize, .allocate, .rename].map { .diskFull($0) }
                    #expect(
                        expected.contains { $0 == error as? StoreError },
                        "\(fault): \(String(describing: error))"
                    )
                }
            }
        }
        #expect(quiet.counts[.synchronize, default: 0] >= 8 && quiet.counts[.rename, default: 0] >= 5)
    }

    @Test("interrupted and short writes go on, torn writes are no pieces")
    func writes() throws {
        let count = try run(Fault(call: .write, number: 0, effect: .short)).counts[.write, default: 0]
        #expect(count > 20)
        for number in 1...count {
            #expect(try run(Fault(call: .write, number: number, effect: .short)).error == nil)
            #expect(try run(Fault(call: .write, number: number, effect: .error(EINTR))).error == nil)
            _ = try run(Fault(call: .write, number: number, effect: .torn(ENOSPC)))
        }
    }

    @Test("a failed fsync means the data are lost, however often the next one succeeds")
    func failedSync() throws {
        let folder = try TemporaryFolder()
        let isBroken = Guarded(false)
        var disk = Disk.system
        disk.synchronize = { file in isBroken.withLock { $0 } ? -EIO : (fsync(file) == 0 ? 0 : -errno) }
        let store = try ContentStore.open(folder, disk: disk)
        let sample = try Sample(300_000)
        let partial = try store.beginPartial(sample.digest, layout: sample.layout)
        try partial.storeAll(sample)
        isBroken.withLock { $0 = true }
        #expect(throws: StoreError.io(.synchronize, code: EIO)) { try partial.finish() }
        isBroken.withLock { $0 = false }
        #expect(throws: StoreError.closed) { try partial.finish() }
        #expect(throws: StoreError.closed) {
            try partial.store(try #require(sample.layout.piece(0)), noise(65_536))
        }
        #expect(partial.held().isEmpty && store.blob(sample.digest) == nil)
        #expect(try folder.contentFiles() == [])
        #expect(store.usage.usedBytes == 0 && store.usage.reservedBytes == 0)
        #expect(store.usage.lastError == .io(.synchronize, code: EIO))
        let again = try store.beginPartial(sample.digest, layout: sample.layout)
        #expect(again.held().isEmpty)
        try again.storeAll(sample)
        #expect(try again.finish())
        try store.check()
    }

    @Test("a process killed at any call leaves only whole blobs, and what it had is resumed")
    func killed() async throws {
        let quiet = try run(Fault(call: .write, number: 0, effect: .short))
        for (call, count) in quiet.counts {
            for number in 1...count {
                for effect in ["before", "after"] {
                    let folder = try TemporaryFolder()
                    let (path, name) = (folder.path, call.rawValue)
                    await #expect(processExitsWith: .signal(SIGKILL)) {
                        [
                            path = path as String, name = name as String, number = number as Int,
                            effect = effect as String
                        ] in
                        let call = try #require(Fault.Call(rawValue: name))
                        let fault = Fault(
                            call: call,
                            number: number,
                            effect: effect == "before" ? .killed : .killedAfter
                        )
                        try exercise(TemporaryFolder(existing: path), fault.disk(Guarded([:])))
                    }
                    let store = try ContentStore.open(folder, quota: quota)
                    try store.check()
                    store.close()
                    try exercise(folder, .system)
                    let end = try ContentStore.open(folder, quota: quota)
                    try end.check()
                    #expect(try folder.contentFiles().count == end.usage.blobCount)
                }
            }
        }
    }
}
