import EventLoop
import ProtobufCodec
import Wire

/// Calls the admin socket of a node; one connection a call.
package struct AdminClient: Sendable {
    private let socket: String

    package init(socket: String) {
        self.socket = socket
    }

    /// What the node does now.
    package func status() async throws(AdminFailure) -> NodeStatus {
        guard let status = try await items(.status, [], NodeStatus.self).first else {
            throw AdminFailure(.internal, "the daemon answered without a status")
        }
        return status
    }

    /// The other nodes, those never reached included.
    package func peers() async throws(AdminFailure) -> [PeerStatus] {
        try await items(.peers, [], PeerStatus.self)
    }

    /// Every cached blob, most recently used first.
    package func cacheList() async throws(AdminFailure) -> [CachedBlob] {
        try await items(.cacheList, [], CachedBlob.self)
    }

    /// One answer a digest, in the order given; `.invalidArgument` and nothing removed if one is no digest.
    package func cacheRemove(_ digests: [String]) async throws(AdminFailure) -> [CacheRemoved] {
        try await items(.cacheRemove, CacheRemoveRequest.encode(digests), CacheRemoved.self)
    }

    /// Has the node read its settings again; `.failedPrecondition` when they are wrong.
    package func reload() async throws(AdminFailure) -> ReloadReport {
        guard let report = try await items(.reload, [], ReloadReport.self).first else {
            throw AdminFailure(.internal, "the daemon answered without saying what it did")
        }
        return report
    }

    /// Asks for a file; the bytes are then to be had from the mirror.
    package func file(_ request: FileRequest) async throws(AdminFailure) -> FileOffer {
        guard let offer = try await items(.file, request.encoded, FileOffer.self).first else {
            throw AdminFailure(.internal, "the daemon answered without an offer")
        }
        return offer
    }

    private func items<Message: AdminMessage & Sendable>(
        _ method: AdminMethod, _ argument: [UInt8], _: Message.Type
    ) async throws(AdminFailure) -> [Message] {
        let raw = try await AdminCall.run(socket: socket, .call(method: method.rawValue, argument: argument)).get()
        do throws(ProtobufError) {
            var messages: [Message] = []
            for item in raw { messages.append(try Message(encoded: item)) }
            return messages
        } catch {
            throw AdminFailure(.internal, "the daemon's answer cannot be read; is it of another version?")
        }
    }
}

/// One running call: collects items until the end, the deadline, or the connection's end. Loop thread only.
@LoopActor
private final class AdminCall {
    typealias Outcome = Result<[[UInt8]], AdminFailure>

    private let socket: String
    private let timer = LoopTimer()
    private var stream: Stream?
    private var decoder = FrameDecoder(limits: AdminFrame.limits)
    private var items: [[UInt8]] = []
    private var then: (@LoopActor (Outcome) -> Void)?

    private init(socket: String, then: @escaping @LoopActor (Outcome) -> Void) {
        self.socket = socket
        self.then = then
    }

    static func run(socket: String, _ frame: AdminFrame) async -> Outcome {
        await withCheckedContinuation { continuation in
            let call = AdminCall(socket: socket) { continuation.resume(returning: $0) }
            call.begin(frame)
        }
    }

    private func begin(_ frame: AdminFrame) {
        timer.start(after: AdminLimits.callDeadlineMillis) {
            self.finish(.failure(AdminFailure(.deadlineExceeded, "the daemon at \(self.socket) does not answer")))
        }
        Stream.connect(unixPath: socket) { connected in
            switch connected {
            case .failure(let error): self.finish(.failure(self.unreachable(error)))
            case .success(let stream):
                self.stream = stream
                stream.startReading { self.receive($0) }
                stream.write(frame.encoded(stream: 1))
            }
        }
    }

    private func receive(_ event: Stream.ReadEvent) {
        guard case .bytes(var rest) = event else {
            return finish(.failure(AdminFailure(.unavailable, "the daemon at \(socket) hung up")))
        }
        do throws(WireError) {
            while let frame = try decoder.next(&rest) {
                switch AdminFrame(frame) {
                case .item(let item): items.append(item)
                case .end(let failure): return finish(failure.map { .failure($0) } ?? .success(items))
                case .call, nil: return finish(.failure(AdminFailure(.internal, "\(socket) is not an admin socket")))
                }
            }
        } catch {
            finish(.failure(AdminFailure(.internal, "\(socket) is not an admin socket")))
        }
    }

    /// Ends the call once; the closures above keep it alive until then.
    private func finish(_ outcome: Outcome) {
        guard let then else { return }
        self.then = nil
        timer.stop()
        stream?.close()
        stream = nil
        then(outcome)
    }

    private func unreachable(_ error: LoopError) -> AdminFailure {
        if error.code == .permissionDenied {
            return AdminFailure(.permissionDenied, "\(socket): permission denied; run as root")
        }
        return AdminFailure(
            .unavailable, "no daemon answers at \(socket) (\(error)); is it running, and is --socket its admin.socket?")
    }
}
