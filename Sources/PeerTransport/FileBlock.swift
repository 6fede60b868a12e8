import EventLoop
import Glibc

/// Memory for a part of a file, used again and again: a block of this size taken anew each time would be mapped,
/// cleared and unmapped by the kernel (`ProcessMemory`), which costs as much as reading it.
///
/// Unchecked: one thread has it at a time, the loop or the one that reads for it.
final class FileBlock: @unchecked Sendable {
    static let bytes = 256 << 10
    /// Kept while nobody needs them; more senders at a time take theirs from the kernel.
    private static let sparesMax = 8
    @LoopActor private static var spares: [FileBlock] = []

    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: FileBlock.bytes, alignment: 4096)
    private(set) var filled = 0

    private init() {}

    deinit { memory.deallocate() }

    @LoopActor
    static func take() -> FileBlock { spares.popLast() ?? FileBlock() }

    @LoopActor
    static func giveBack(_ block: FileBlock) {
        if spares.count < sparesMax { spares.append(block) }
    }

    /// Blocks on the disk. `endOfFile` when the file has fewer bytes.
    func read(_ file: Int32, offset: Int64, count: Int) -> LoopError? {
        precondition(count <= memory.count)
        filled = 0
        while filled < count, let base = memory.baseAddress {
            let got = pread(file, base + filled, count - filled, off_t(offset) + off_t(filled))
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { return LoopError(got == 0 ? .endOfFile : .other("EIO"), "read") }
            filled += got
        }
        return nil
    }
}
