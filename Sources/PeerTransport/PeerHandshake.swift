import EventLoop
import TLS

/// The TLS handshake of one connection.
///
///     running --both sides showed their certificates--> over
///        |                                               ^  ^
///        +--error, end or deadline--> hanging up --------+  |
///        |                                 |                |
///        +----------------------------`cancel()`------------+
///
/// Until it is over the other side is nobody: it costs what OpenSSL holds for a handshake, and no frame is read.
@LoopActor
final class PeerHandshake {
    private let stream: Stream
    private let session: TLSSession
    private let timer = LoopTimer()
    private var isFailed = false
    private var then: (@LoopActor (Result<SecureChannel, TLSError>) -> Void)?

    init(_ stream: Stream, _ context: TLSContext, _ side: TLSSession.Side) {
        self.stream = stream
        session = TLSSession(context, side)
    }

    /// `then` is called once and never inside this call, unless `cancel` comes first. Of a failed handshake the stream
    /// is closed.
    func start(within millis: UInt64, then: @escaping @LoopActor (Result<SecureChannel, TLSError>) -> Void) {
        self.then = then
        timer.start(after: millis) { [weak self] in self?.finish(.failure(.cutOff)) }
        stream.startReading { [weak self] event in
            switch event {
            case .bytes(let bytes):
                self?.session.receive(bytes)
                self?.advance()
            case .end, .failed: self?.finish(.failure(.cutOff))
            }
        }
        Loop.enqueue { [weak self] in self?.advance() }
    }

    func cancel() {
        then = nil
        timer.stop()
        stream.close()
    }

    private func advance() {
        guard then != nil, !isFailed else { return }
        do throws(TLSError) {
            let isOver = try session.handshake()
            sendOutput()
            guard isOver else { return }
            stream.stopReading()
            finish(.success(SecureChannel(stream, session)))
        } catch {
            sendOutput()
            finish(.failure(error))
        }
    }

    private func sendOutput() {
        let output = session.takeOutput()
        if !output.isEmpty { stream.write(output) }
    }

    private func finish(_ result: Result<SecureChannel, TLSError>) {
        guard then != nil, !isFailed else { return }
        if case .failure = result {
            isFailed = true
            return hangUp { [weak self] in self?.tell(result) }
        }
        tell(result)
    }

    private func tell(_ result: Result<SecureChannel, TLSError>) {
        guard let then else { return }
        self.then = nil
        timer.stop()
        then(result)
    }

    /// The alert should arrive, which a reset would prevent: what still comes is read and dropped, for a moment. It is
    /// a part of the handshake, or else there would be no bound on how many of these there are.
    private func hangUp(then: @escaping @LoopActor () -> Void) {
        let stream = stream
        stream.startReading { event in
            if case .bytes = event { return }
            stream.close()
            then()
        }
        stream.shutdown()
        timer.start(after: Self.alertMillis) {
            stream.close()
            then()
        }
    }

    private static let alertMillis: UInt64 = 500
}
