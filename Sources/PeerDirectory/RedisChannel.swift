import EventLoop
import PieceModel
import TLS

/// The bytes between this node and a Redis server, in the clear or over TLS.
///
///     open --close(), or `Event.end`--> closed
///
/// hiredis has TLS as well (hiredis_ssl), but over sockets of its own, which the loop does not know; so its parser
/// reads what a session without a socket has opened.
@LoopActor
final class RedisChannel {
    enum Event {
        /// Valid during the call.
        case bytes(UnsafeRawBufferPointer)
        /// Told once, and not after `close`.
        case end(RedisFailure)
    }

    private static let connectMillis: UInt64 = 5_000
    private static let handshakeMillis: UInt64 = 5_000
    private static let scratchBytes = 16 << 10

    private let stream: Stream
    /// `nil` in the clear.
    private let session: TLSSession?
    private var onEvent: (@LoopActor (Event) -> Void)?

    var isOpen: Bool { stream.isOpen }
    /// The address of this host that the server is reached from.
    var localHost: String? { stream.localHost }

    private init(_ stream: Stream, _ session: TLSSession?) {
        self.stream = stream
        self.session = session
    }

    /// Connects, and shakes hands if there is a context.
    static func open(
        _ server: PeerEndpoint, _ context: TLSServiceContext?
    ) async -> Result<RedisChannel, RedisFailure> {
        let connected = await withCheckedContinuation { continuation in
            Stream.connect(host: server.host, port: server.port, timeoutMillis: connectMillis) {
                continuation.resume(returning: $0)
            }
        }
        let stream: Stream
        switch connected {
        case .failure(let error): return .failure(.unreachable(error))
        case .success(let open): stream = open
        }
        guard let context else { return .success(RedisChannel(stream, nil)) }
        do throws(TLSError) {
            let session = try TLSSession(context, host: server.host)
            let handshake = Handshake(stream, session)
            try await handshake.done()
            return .success(RedisChannel(stream, session))
        } catch {
            stream.close()
            return .failure(.insecure(error))
        }
    }

    func startReading(_ onEvent: @escaping @LoopActor (Event) -> Void) {
        self.onEvent = onEvent
        // What came with the end of the handshake.
        Loop.enqueue { [weak self] in self?.deliver() }
        stream.startReading { [weak self] event in
            guard let self else { return }
            switch event {
            case .bytes(let bytes) where session == nil: self.onEvent?(.bytes(bytes))
            case .bytes(let bytes):
                session?.receive(bytes)
                deliver()
            case .end, .failed: end(.closed)
            }
        }
    }

    func write(_ bytes: [UInt8]) {
        guard let session else { return stream.write(bytes) }
        let written = bytes.withUnsafeBytes { all in Result { () throws(TLSError) in try session.write(all) } }
        if case .failure(let error) = written { return Loop.enqueue { [weak self] in self?.end(.insecure(error)) } }
        stream.write(session.takeOutput())
    }

    func close() {
        onEvent = nil
        stream.close()
    }

    private func deliver() {
        guard let session, isOpen else { return }
        let ending = withUnsafeTemporaryAllocation(byteCount: Self.scratchBytes, alignment: 8) { scratch in
            read(session, scratch)
        }
        guard isOpen else { return }
        // An answer to the other side's wish for new keys, or the alert that says what was wrong.
        let output = session.takeOutput()
        if !output.isEmpty { stream.write(output) }
        if let ending { end(ending) }
    }

    /// Hands out what has come; why no more will, if so.
    private func read(_ session: TLSSession, _ scratch: UnsafeMutableRawBufferPointer) -> RedisFailure? {
        while isOpen {
            do throws(TLSError) {
                switch try session.read(into: scratch) {
                case .bytes(let count): onEvent?(.bytes(UnsafeRawBufferPointer(rebasing: scratch[..<count])))
                case .wait: return nil
                case .end: return .closed
                }
            } catch {
                return .insecure(error)
            }
        }
        return nil
    }

    private func end(_ failure: RedisFailure) {
        let told = onEvent
        onEvent = nil
        told?(.end(failure))
    }

    /// A handshake under way, for as long as somebody waits for it.
    @LoopActor
    private final class Handshake {
        private let stream: Stream
        private let session: TLSSession
        private let timer = LoopTimer()
        private var waiting: CheckedContinuation<Result<Void, TLSError>, Never>?

        init(_ stream: Stream, _ session: TLSSession) {
            self.stream = stream
            self.session = session
        }

        func done() async throws(TLSError) {
            let result = await withCheckedContinuation { continuation in
                waiting = continuation
                timer.start(after: RedisChannel.handshakeMillis) { [weak self] in self?.end(.failure(.cutOff)) }
                stream.startReading { [weak self] event in
                    guard case .bytes(let bytes) = event else { return self?.end(.failure(.cutOff)) ?? () }
                    self?.session.receive(bytes)
                    self?.advance()
                }
                advance()
            }
            try result.get()
        }

        private func advance() {
            guard waiting != nil else { return }
            var result: Result<Void, TLSError>?
            do throws(TLSError) {
                if try session.handshake() { result = .success(()) }
            } catch {
                result = .failure(error)
            }
            let output = session.takeOutput()
            if !output.isEmpty { stream.write(output) }
            if let result { end(result) }
        }

        private func end(_ result: Result<Void, TLSError>) {
            guard let waiting else { return }
            self.waiting = nil
            timer.stop()
            stream.stopReading()
            waiting.resume(returning: result)
        }
    }
}
