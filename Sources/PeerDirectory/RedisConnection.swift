import EventLoop
import PieceModel
import TLS

/// Why a Redis server is of no use at the moment. No text of the server's and no credential is in it.
enum RedisFailure: Error, Equatable, Sendable, CustomStringConvertible {
    case unreachable(LoopError)
    case closed
    /// The handshake failed, or the connection after it.
    case insecure(TLSError)
    case timedOut
    /// What it sent is not Redis's protocol, or beyond what any answer may be.
    case nonsense
    /// With its error code, such as `WRONGPASS` or `NOPERM`.
    case refused(String)
    /// Of the password, or of TLS.
    case file(String)

    var description: String {
        switch self {
        case .unreachable(let error): "cannot be reached (\(error))"
        case .closed: "closed the connection"
        case .insecure(let error): "TLS: \(error)"
        case .timedOut: "does not answer"
        case .nonsense: "does not speak Redis's protocol"
        case .refused(let code): "refused: \(code)"
        case .file(let reason): reason
        }
    }
}

/// One connection to a Redis server: commands go out in order, and so do the answers.
///
///     open --close(), or a failure--> closed: what waits for an answer hears why
@LoopActor
final class RedisConnection {
    typealias Answered = @LoopActor (Result<RedisReply, RedisFailure>) -> Void

    static let answerMillis: UInt64 = 5_000

    private let channel: RedisChannel
    private let reader = RedisReader()
    private let timer = LoopTimer()
    private var waiting: [Answered] = []
    /// A server that is this far behind is no help.
    private static let waitingMax = 1024
    /// Called once, when it ends by itself or by `close`.
    var onEnd: (@LoopActor (RedisFailure) -> Void)?

    var isOpen: Bool { channel.isOpen }

    /// The address of this host that the server is reached from.
    var localHost: String? { channel.localHost }

    private init(_ channel: RedisChannel) {
        self.channel = channel
    }

    /// Over TLS if there is a context for it.
    static func open(
        _ server: PeerEndpoint, _ context: TLSServiceContext? = nil
    ) async -> Result<RedisConnection, RedisFailure> {
        await RedisChannel.open(server, context).map { channel in
            let connection = RedisConnection(channel)
            channel.startReading { [weak connection] in connection?.heard($0) }
            return connection
        }
    }

    /// An error of the server's is a failure, of this command alone.
    func run(_ words: [[UInt8]]) async -> Result<RedisReply, RedisFailure> {
        await withCheckedContinuation { continuation in
            guard channel.isOpen else { return continuation.resume(returning: .failure(.closed)) }
            guard waiting.count < Self.waitingMax else {
                end(.timedOut)
                return continuation.resume(returning: .failure(.timedOut))
            }
            waiting.append { continuation.resume(returning: $0) }
            channel.write(RedisCommand.encode(words))
            if waiting.count == 1 { setTimer() }
        }
    }

    func run(_ words: [String]) async -> Result<RedisReply, RedisFailure> {
        await run(words.map { Array($0.utf8) })
    }

    func close() {
        end(.closed)
    }

    private func heard(_ event: RedisChannel.Event) {
        let bytes: UnsafeRawBufferPointer
        switch event {
        case .bytes(let some): bytes = some
        case .end(let failure): return end(failure)
        }
        do throws(RedisProtocolError) {
            try reader.feed(bytes)
            while let reply = try reader.next() {
                // An answer to nothing.
                guard !waiting.isEmpty else { throw RedisProtocolError() }
                let answered = waiting.removeFirst()
                setTimer()
                if case .refused(let code) = reply {
                    answered(.failure(.refused(code)))
                } else {
                    answered(.success(reply))
                }
            }
        } catch {
            end(.nonsense)
        }
    }

    private func setTimer() {
        guard !waiting.isEmpty else { return timer.stop() }
        timer.start(after: Self.answerMillis) { [weak self] in self?.end(.timedOut) }
    }

    private func end(_ failure: RedisFailure) {
        guard channel.isOpen else { return }
        timer.stop()
        channel.close()
        let unanswered = waiting
        waiting = []
        for answered in unanswered { answered(.failure(failure)) }
        onEnd?(failure)
        onEnd = nil
    }
}
