import EventLoop
import TLS

/// A connection over TLS, its handshake done.
///
/// Reading and writing end separately, as with `Stream`. The other side's end counts only when it says so (RFC 8446
/// section 6.1): a connection that just stops has failed.
///
/// Records are made and opened on the loop, which costs less than taking them elsewhere; what is sent is turned into
/// records no earlier than the kernel has room for about as much, so that a message is not held up behind them.
@LoopActor
final class SecureChannel: PeerChannel {
    /// What is read at a time, by whichever channel: a block of this size taken anew each time would be mapped, cleared
    /// and unmapped by the kernel, which costs more than opening the records.
    private static let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 64)
    private static var isScratchLent = false
    /// So much of a record that has begun may already be here, unseen.
    private static let recordBytesMax = (16 << 10) + 512

    let certificate: Certificate?
    private let stream: Stream
    private let session: TLSSession
    private let writer: SecureWriter
    private var onRead: (@LoopActor (Stream.ReadEvent) -> Void)?
    private var ending: Stream.ReadEvent?
    private var isClosed = false

    /// Takes a stream over, with what its handshake left unread in `session`.
    init(_ stream: Stream, _ session: TLSSession) {
        self.stream = stream
        self.session = session
        certificate = session.peerCertificate
        writer = SecureWriter(stream, session)
    }

    var peerAddress: String { stream.peerAddress }
    var queuedBytes: Int { writer.queuedBytes }
    var path: TCPPath? { stream.path }

    func isTrusted(by context: TLSContext) -> Bool { session.isTrusted(by: context) }

    // MARK: Reading

    func startReading(_ onRead: @escaping @LoopActor (Stream.ReadEvent) -> Void) {
        guard !isClosed else { return }
        self.onRead = onRead
        // What came before, or the end that was told already.
        Loop.enqueue { [weak self] in self?.deliver() }
        guard ending == nil else { return }
        stream.startReading { [weak self] event in self?.heard(event) }
    }

    func stopReading() {
        onRead = nil
        stream.stopReading()
    }

    func expect(_ count: Int) { stream.expect(max(0, count - Self.recordBytesMax)) }

    func limitUnsent(_ bytes: Int) { stream.limitUnsent(bytes) }

    private func heard(_ event: Stream.ReadEvent) {
        switch event {
        case .bytes(let bytes): session.receiving(bytes) { deliver() }
        case .end: finish(.failed(LoopError(.reset, "TLS")))
        case .failed(let error): finish(.failed(error))
        }
    }

    private func deliver() {
        if let ending { return report(ending) }
        // Another channel reads, further up: later, then. The session keeps what came.
        guard !Self.isScratchLent else { return Loop.enqueue { [weak self] in self?.deliver() } }
        Self.isScratchLent = true
        defer { Self.isScratchLent = false }
        var mayBeMore = true
        while let onRead, !isClosed, ending == nil, mayBeMore {
            do throws(TLSError) {
                switch try session.read(into: Self.scratch) {
                case .bytes(let count): onRead(.bytes(UnsafeRawBufferPointer(rebasing: Self.scratch[..<count])))
                case .wait: mayBeMore = false
                case .end: finish(.end)
                }
            } catch {
                finish(.failed(LoopError(.other("\(error)"), "TLS")))
            }
        }
        // An answer to the other side's wish for new keys, or the alert that says what was wrong.
        if !isClosed { writer.sendOutput() }
    }

    private func finish(_ event: Stream.ReadEvent) {
        guard ending == nil, !isClosed else { return }
        ending = event
        stream.stopReading()
        report(event)
    }

    private func report(_ event: Stream.ReadEvent) {
        let told = onRead
        onRead = nil
        told?(event)
    }

    // MARK: Writing

    func write(_ bytes: [UInt8], then: (@LoopActor (LoopError?) -> Void)?) { writer.write(bytes, then: then) }

    func sendFile(
        _ file: Int32,
        offset: Int64,
        count: Int64,
        progress: (@LoopActor (Int64) -> Void)?,
        then: @escaping @LoopActor (Result<Int64, LoopError>) -> Void
    ) {
        writer.send(SecureFile(file: file, offset: offset, count: count, progress: progress, then: then))
    }

    func shutdown(then: (@LoopActor () -> Void)?) { writer.shutdown(then: then) }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        onRead = nil
        writer.cancel()
        stream.close()
    }
}
