import ContentStore
import EventLoop
import Hashing
import OCIModel
import PieceExchange
import PieceModel

/// Reads a run of pieces of one blob from the registry: cuts the bytes into pieces, hashes and stores each.
///
///     reading --last byte or error--> storing what came --> ended
///        |                                   |
///        +--------------stop()---------------+------------> stopped
///
/// Invariants: pieces are reported in order, every one that came whole, also after `stop`; `ended` is
/// reported once and only without `stop`; while more than the limit waits for the disk, the transfer is
/// paused.
@LoopActor
final class OriginIntake {
    struct Handlers {
        /// So many bytes came.
        var received: @LoopActor (Int) -> Void
        var stored: @LoopActor (PieceIndex, Digest) -> Void
        /// `nil` when all pieces asked for came; and whether another fetch of the blob began meanwhile.
        var ended: @LoopActor (ExchangeEvent.OriginFailure?, _ isTail: Bool) -> Void
        /// Instead of `ended`.
        var storeFailed: @LoopActor (StoreError) -> Void
    }

    var isTail = false

    private let transfer: BlobTransfer
    private let author: PeerName
    private let work: OffloadedWork
    private let bytesMax: @LoopActor () -> Int
    private let handlers: Handlers
    private var fetch: (any OriginFetch)?
    /// The piece that is being read, and one past the last that is wanted.
    private var next: Int
    private let end: Int
    private var buffer: [UInt8] = []
    /// The next piece to report, and those stored out of turn: the exchange goes by their order.
    private var nextReport: Int
    private var storedEarly: [Int: Digest] = [:]
    private var bytesStoring = 0
    private var isPaused = false
    private var isReading = true
    private var isOver = false
    private var failure: ExchangeEvent.OriginFailure?

    init(
        transfer: BlobTransfer,
        pieces: Range<Int>,
        author: PeerName,
        work: OffloadedWork,
        bytesMax: @escaping @LoopActor () -> Int,
        handlers: Handlers
    ) {
        self.transfer = transfer
        self.author = author
        self.work = work
        self.bytesMax = bytesMax
        self.handlers = handlers
        next = pieces.lowerBound
        nextReport = pieces.lowerBound
        end = pieces.upperBound
    }

    func start(_ origin: any OriginFetching, source: OriginSource) {
        guard let first = transfer.layout.piece(next), let last = transfer.layout.piece(end - 1),
            let range = ByteRange(start: transfer.layout.start(of: first), end: transfer.layout.end(of: last))
        else { return finish(.permanent) }
        fetch = origin.fetch(blob: transfer.digest, range: range, source: source) { [weak self] bytes in
            self?.take(bytes)
        } onEnd: { [weak self] end in
            self?.ended(end)
        }
    }

    /// Reads no more; what was read in part is lost.
    func stop() {
        isOver = true
        endReading()
    }

    private func take(_ bytes: UnsafeRawBufferPointer) {
        guard isReading else { return }
        handlers.received(bytes.count)
        var rest = bytes
        while isReading, !rest.isEmpty {
            guard let piece = transfer.layout.piece(next) else { return finish(.permanent) }
            let total = transfer.layout.byteCount(of: piece)
            if buffer.isEmpty {
                buffer = PieceMemory.take(total)
                buffer.reserveCapacity(total)
            }
            let count = min(total - buffer.count, rest.count)
            buffer.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest.prefix(count)))
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            guard buffer.count == total else { continue }
            store(piece)
            next += 1
            if next >= end { finish(rest.isEmpty ? nil : .permanent) }
        }
        handOnEarly()
    }

    /// A reader that has no byte yet need not wait for the whole piece.
    private func handOnEarly() {
        guard isReading, !buffer.isEmpty, let piece = transfer.layout.piece(next), let partial = transfer.partial,
            transfer.beginEarly(piece, count: buffer.count)
        else { return }
        let bytes = Array(buffer[...])
        transfer.beginWork()
        transfer.whenStorable {
            self.work.run {
                // A disk that does not take them fails the piece soon.
                (try? partial.storeEarly(piece, bytes: bytes)) == true
            } then: { isStored in
                self.transfer.endEarly(piece, isStored ? bytes : nil)
                self.transfer.endWork()
            }
        }
    }

    private func ended(_ end: OriginFetchEnd) {
        guard isReading else { return }
        fetch = nil
        switch end {
        // All pieces would have ended it before: something is missing.
        case .complete, .transient: finish(.transient)
        case .refused: finish(.permanent)
        }
    }

    private func finish(_ failure: ExchangeEvent.OriginFailure?) {
        guard isReading else { return }
        self.failure = failure
        endReading()
        // Never inside `start`, whose caller does not expect an answer yet.
        Loop.enqueue { self.endIfStored() }
    }

    private func endReading() {
        isReading = false
        buffer = []
        fetch?.cancel()
        fetch = nil
    }

    private func endIfStored() {
        guard !isReading, bytesStoring == 0, !isOver else { return }
        isOver = true
        handlers.ended(failure, isTail)
    }

    private func store(_ piece: PieceIndex) {
        guard let partial = transfer.partial else { return }
        let bytes = buffer
        buffer = []
        let author = author
        bytesStoring += bytes.count
        updatePause()
        transfer.beginWork()
        transfer.whenStorable {
            self.work.run {
                let digest = SHA256Hasher.hash(bytes)
                return Result { () throws(StoreError) in
                    try partial.store(piece, bytes: bytes, digest: digest, author: author)
                    return digest
                }
            } then: { result in
                self.bytesStoring -= bytes.count
                self.updatePause()
                self.stored(piece, bytes, result)
                PieceMemory.giveBack(bytes)
                self.transfer.endWork()
            }
        }
    }

    private func stored(_ piece: PieceIndex, _ bytes: [UInt8], _ result: Result<Digest, StoreError>) {
        switch result {
        case .success(let digest):
            transfer.hold(piece, bytes: bytes)
            storedEarly[piece.value] = digest
            while let digest = storedEarly.removeValue(forKey: nextReport),
                let piece = transfer.layout.piece(nextReport)
            {
                nextReport += 1
                handlers.stored(piece, digest)
            }
            endIfStored()
        case .failure(let error):
            guard !isOver else { return }
            stop()
            handlers.storeFailed(error)
        }
    }

    private func updatePause() {
        let bytesMax = bytesMax()
        if !isPaused, bytesStoring > bytesMax {
            isPaused = true
            fetch?.pause()
        } else if isPaused, bytesStoring <= bytesMax / 2 {
            isPaused = false
            fetch?.resume()
        }
    }
}
