import CZstd
import Synchronization

/// zstd's memory for packing, used again and again: hundreds of KiB, or MiB for the higher levels, that the kernel
/// would else map, clear and unmap for every piece (up to half of the time that packing 64 KiB takes).
///
/// Unchecked: one thread has it at a time.
final class PackingMemory: @unchecked Sendable {
    /// As many threads as pack at once; more take theirs from the kernel.
    private static let sparesMax = 4
    private static let spares = Mutex<[PackingMemory]>([])

    let context: OpaquePointer
    private var room = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    private init?() {
        guard let context = ZSTD_createCCtx() else { return nil }
        self.context = context
    }

    deinit {
        ZSTD_freeCCtx(context)
        room.deallocate()
    }

    /// `nil` when memory ran out.
    static func take() -> PackingMemory? {
        let spare = spares.withLock { $0.popLast() }
        return spare ?? PackingMemory()
    }

    static func giveBack(_ memory: PackingMemory) {
        spares.withLock { if $0.count < sparesMax { $0.append(memory) } }
    }

    /// The kernel has all that nobody uses.
    static func giveUp() {
        // Taken out, so that nobody waits while it is freed.
        let freed = spares.withLock { spares in
            let all = spares
            spares = []
            return all
        }
        withExtendedLifetime(freed) {}
    }

    /// Room for a frame of at most `bytes`; what was in it is gone.
    func room(_ bytes: Int) -> UnsafeMutableRawBufferPointer {
        if room.count < bytes {
            room.deallocate()
            room = .allocate(byteCount: bytes, alignment: 64)
        }
        return room
    }
}
