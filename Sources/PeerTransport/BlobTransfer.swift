import ContentStore
import EventLoop
import OCIModel
import PieceModel

/// One blob on its way into the store, for all its readers.
///
///     opening --> running --> complete
///        |           |           |
///        +-----------+-----------+--> closing --> closed
///
/// Invariants: `held` are pieces that are checked and on disk; nobody is told of the last piece before the
/// whole blob matched; a reader that was told of bytes which later turn out wrong is failed, never fed
/// others; `early` are in the file, of pieces that are not held.
@LoopActor
final class BlobTransfer {
    enum Phase {
        case opening
        case running
        /// Whole, verified and committed.
        case complete
        case closing
        case closed
    }

    let digest: Digest
    let layout: PieceLayout
    var source: OriginSource?
    /// Whose blob it is, for the counters; empty where nobody said.
    let registry: String
    let startNanoseconds = Loop.nowNanoseconds
    private(set) var phase = Phase.opening
    /// All pieces are there and the whole matched; it may not be committed yet.
    private(set) var isRight = false
    /// The file that holds the pieces; stays readable for as long as this object lives.
    private(set) var partial: PartialBlob?
    private(set) var committed: BlobFile?
    private(set) var held: PieceSet
    /// What peers say of the blob's chain.
    var chain: ToldChain
    private(set) var failure: DownloadFailure?
    var sources = DownloadSources()
    /// What the store last said when it failed.
    var storeFailure: String?

    /// Where the slowest reader is has changed.
    var onReaderMoved: (@LoopActor (PieceIndex) -> Void)?
    /// The last reader has gone.
    var onAbandoned: (@LoopActor () -> Void)?

    struct Reader {
        var offset: Int64 = 0
        /// It was told of some bytes.
        var isServed = false
        /// The reader was told of the bytes from `toldStart` to `toldEnd`.
        var toldStart: Int64 = 0
        var toldEnd: Int64 = 0
        var waiter: (@LoopActor (DownloadProgress) -> Void)?
        var failure: DownloadFailure?
    }

    var readers: [Int: Reader] = [:]
    /// What readers were told of pieces that are still being read from the registry: each from its start.
    var early: [Int: [UInt8]] = [:]
    /// Pieces whose first bytes are being written.
    var earlyComing: Set<Int> = []
    private var readerNumber = 0
    private var slowest: PieceIndex?
    private var phaseWaiters: [CheckedContinuation<Void, Never>] = []
    private var workInProgress = 0
    private var whenQuiet: [@LoopActor () -> Void] = []
    private var dropsInProgress = 0
    private var waitingStores: [@LoopActor () -> Void] = []

    init(digest: Digest, layout: PieceLayout, source: OriginSource?, registry: String = "") {
        self.digest = digest
        self.layout = layout
        self.source = source
        self.registry = source?.registry ?? registry
        held = PieceSet(layout: layout)
        chain = ToldChain(digest, layout)
    }

    var bytes: Int64 { layout.blobBytes }
    var readerCount: Int { readers.count }
    var file: Int32 { partial?.file ?? committed?.descriptor ?? -1 }

    var heldBytes: Int64 {
        guard phase != .complete, !held.isFull else { return bytes }
        let last = layout.byteCount(of: layout.lastPiece)
        let whole = Int64(held.count) * Int64(layout.pieceBytes)
        return held.contains(layout.lastPiece) ? whole - Int64(layout.pieceBytes - last) : whole
    }

    // MARK: Phases

    func opened(_ partial: PartialBlob, held pieces: [PieceIndex]) {
        self.partial = partial
        for piece in pieces { held.insert(piece) }
        sources.resumedBytes = heldBytes
        enter(.running)
    }

    func opened(_ file: BlobFile) {
        committed = file
        held = .full(layout)
        sources.resumedBytes = bytes
        enter(.complete)
    }

    /// The whole matched: readers may have all of it, also the last piece, while it is being committed.
    func matched() {
        guard phase == .running else { return }
        isRight = true
        for number in Array(readers.keys) { wake(number) }
    }

    func completed() {
        guard phase == .running else { return }
        enter(.complete)
        forgetEarly()
        for number in Array(readers.keys) { wake(number) }
    }

    /// Ends every reader, except of a complete blob.
    func fail(_ failure: DownloadFailure) {
        guard phase != .complete else { return }
        self.failure = failure
        for number in Array(readers.keys) { fail(number, failure) }
    }

    func enter(_ next: Phase) {
        phase = next
        let woken = phaseWaiters
        phaseWaiters = []
        for waiter in woken { waiter.resume() }
    }

    /// Returns after the next change of phase.
    func nextPhase() async {
        await withCheckedContinuation { phaseWaiters.append($0) }
    }

    // MARK: Work on the file

    /// Calls `start`, which stores a piece: at once, or when the pieces that are being dropped are gone.
    func whenStorable(_ start: @escaping @LoopActor () -> Void) {
        if dropsInProgress == 0 { start() } else { waitingStores.append(start) }
    }

    func beginDrop() {
        beginWork()
        dropsInProgress += 1
    }

    func endDrop() {
        dropsInProgress -= 1
        if dropsInProgress == 0 {
            let starts = waitingStores
            waitingStores = []
            for start in starts { start() }
        }
        endWork()
    }

    func beginWork() { workInProgress += 1 }

    func endWork() {
        workInProgress -= 1
        guard workInProgress == 0 else { return }
        let woken = whenQuiet
        whenQuiet = []
        for body in woken { body() }
    }

    /// Calls `body` when nothing works on the file, maybe at once.
    func whenNoWork(_ body: @escaping @LoopActor () -> Void) {
        if workInProgress == 0 { body() } else { whenQuiet.append(body) }
    }

    // MARK: Pieces

    func hold(_ piece: PieceIndex, bytes: [UInt8]) {
        guard phase == .running, held.insert(piece) else { return }
        checkEarly(piece, bytes)
        let start = layout.start(of: piece)
        let end = layout.end(of: piece)
        for (number, reader) in readers where reader.offset >= start && reader.offset < end { wake(number) }
    }

    func drop(_ pieces: [PieceIndex]) {
        for piece in pieces {
            held.remove(piece)
            early[piece.value] = nil
        }
        failReaders(toldOf: pieces)
    }

    func failReaders(toldOf pieces: [PieceIndex]) {
        for (number, reader) in readers {
            let told = pieces.contains {
                layout.start(of: $0) < reader.toldEnd && layout.end(of: $0) > reader.toldStart
            }
            if told { fail(number, .contentChanged) }
        }
    }

    // MARK: Readers

    func addReader() -> Int {
        readerNumber += 1
        readers[readerNumber] = Reader(failure: failure)
        moved()
        return readerNumber
    }

    func removeReader(_ number: Int) {
        guard readers.removeValue(forKey: number) != nil else { return }
        if readers.isEmpty { onAbandoned?() } else { moved() }
    }

    /// End of the run of readable bytes that begins at `offset`; `offset` itself when the byte there is not
    /// readable.
    func contiguousEnd(from offset: Int64, reader number: Int) -> Int64 {
        guard var reader = readers[number], reader.failure == nil else { return offset }
        if phase == .complete || isRight { return max(bytes, offset) }
        // The run known from the last call need not be walked again.
        let known = offset >= reader.toldStart && offset <= reader.toldEnd
        var end = known ? reader.toldEnd : offset
        while let piece = layout.piece(holding: end), piece != layout.lastPiece, held.contains(piece) {
            end = layout.end(of: piece)
        }
        end = max(end, earlyEnd(at: end))
        if !known { reader.toldStart = offset }
        reader.toldEnd = end
        if end > offset { reader.isServed = true }
        readers[number] = reader
        return end
    }

    /// `offset` is where the reader is; `handler` is called once, and not inside this call.
    func wait(
        reader number: Int,
        offset: Int64,
        _ handler: @escaping @LoopActor (DownloadProgress) -> Void
    ) {
        guard readers[number] != nil else { return }
        readers[number]?.offset = offset
        readers[number]?.waiter = handler
        moved()
        Loop.enqueue { [weak self] in self?.wake(number) }
    }

    func wake(_ number: Int) {
        guard let reader = readers[number], let waiter = reader.waiter else { return }
        let progress: DownloadProgress
        if let failure = reader.failure {
            progress = .failed(failure)
        } else if phase == .complete {
            progress = .finished
        } else {
            let end = contiguousEnd(from: reader.offset, reader: number)
            guard end > reader.offset else { return }
            progress = .more(end: end)
        }
        readers[number]?.waiter = nil
        waiter(progress)
    }

    private func fail(_ number: Int, _ failure: DownloadFailure) {
        guard readers[number]?.failure == nil else { return }
        readers[number]?.failure = failure
        wake(number)
    }

    private func moved() {
        guard phase == .running, let offset = readers.values.map(\.offset).min() else { return }
        guard let piece = layout.piece(holding: offset), piece != slowest else { return }
        slowest = piece
        onReaderMoved?(piece)
    }
}

extension PieceLayout {
    var lastPiece: PieceIndex {
        guard let piece = piece(holding: blobBytes - 1) else { preconditionFailure("a layout has a piece") }
        return piece
    }
}
