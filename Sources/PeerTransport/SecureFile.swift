import EventLoop

/// A run of a file on its way into records: read ahead off the loop, block by block.
///
/// The file belongs to the caller until `then`, which is called once: when all has left, or on the first error once
/// nothing of the file is being read any more.
@LoopActor
final class SecureFile {
    /// Blocks read and not yet sent, the one that is being read included.
    private static let aheadMax = 2

    /// A part of the run in memory, which is somebody else's again after `done`.
    struct Slice {
        let bytes: UnsafeRawBufferPointer
        let done: @LoopActor () -> Void
    }

    let count: Int64
    let then: @LoopActor (Result<Int64, LoopError>) -> Void
    private let file: Int32
    private let progress: (@LoopActor (Int64) -> Void)?
    private var offset: Int64
    private var toRead: Int64
    private var leftBytes: Int64 = 0
    private var blocks: [FileBlock] = []
    /// Of the first block, so many bytes were handed out.
    private var taken = 0
    private var isReading = false
    private var failure: LoopError?
    private var isEnded = false

    init(
        file: Int32,
        offset: Int64,
        count: Int64,
        progress: (@LoopActor (Int64) -> Void)?,
        then: @escaping @LoopActor (Result<Int64, LoopError>) -> Void
    ) {
        self.file = file
        self.offset = offset
        self.count = count
        self.progress = progress
        self.then = then
        toRead = count
    }

    /// Whether all of it was handed out by `next`.
    var isRead: Bool { toRead == 0 && blocks.isEmpty && !isReading }

    /// The next part, of a run of nothing an empty one. `nil` when none is there yet: `then` is called when one is.
    func next(upTo most: Int, then: @escaping @LoopActor () -> Void) -> Result<Slice?, LoopError> {
        if let failure { return .failure(failure) }
        if count == 0 { return .success(Slice(bytes: UnsafeRawBufferPointer(start: nil, count: 0)) {}) }
        readAhead(then)
        guard let block = blocks.first else { return .success(nil) }
        let end = min(taken + most, block.filled)
        let bytes = UnsafeRawBufferPointer(rebasing: block.memory[taken..<end])
        taken = end
        guard end == block.filled else { return .success(Slice(bytes: bytes) {}) }
        blocks.removeFirst()
        taken = 0
        return .success(Slice(bytes: bytes) { FileBlock.giveBack(block) })
    }

    private func readAhead(_ then: @escaping @LoopActor () -> Void) {
        guard !isReading, failure == nil, !isEnded, toRead > 0, blocks.count < Self.aheadMax else { return }
        let (file, start, bytes) = (file, offset, Int(min(toRead, Int64(FileBlock.bytes))))
        offset += Int64(bytes)
        toRead -= Int64(bytes)
        isReading = true
        let block = FileBlock.take()
        Loop.offload {
            block.read(file, offset: start, count: bytes)
        } then: { error in
            self.isReading = false
            if let error, self.failure == nil { self.failure = error }
            if self.isEnded || error != nil { FileBlock.giveBack(block) } else { self.blocks.append(block) }
            if self.isEnded { return self.then(.failure(self.failure ?? LoopError(.canceled, "sendfile"))) }
            self.readAhead(then)
            then()
        }
    }

    /// So many bytes have left, or will not.
    func left(_ bytes: Int, _ error: LoopError?) {
        if let error { return cancel(error) }
        guard !isEnded else { return }
        leftBytes += Int64(bytes)
        if bytes > 0 { progress?(leftBytes) }
        guard leftBytes == count, !isEnded else { return }
        isEnded = true
        then(.success(count))
    }

    /// Ends it with an error, if it has not ended.
    func cancel(_ error: LoopError) {
        guard !isEnded else { return }
        isEnded = true
        if failure == nil { failure = error }
        for block in blocks { FileBlock.giveBack(block) }
        blocks = []
        if !isReading { Loop.enqueue { self.then(.failure(error)) } }
    }
}
