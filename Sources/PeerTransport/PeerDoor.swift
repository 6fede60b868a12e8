import EventLoop
import PieceModel
import TLS

/// Hears who comes through a door.
@LoopActor
protocol PeerDoorOwner: AnyObject {
    /// Whether one more connection would be kept.
    var hasRoom: Bool { get }
    /// Somebody dialled this node, and showed a good certificate if one is asked for.
    func doorOpened(to channel: any PeerChannel)
    func doorRefused(_ address: String, _ refusal: PeerRefusal)
}

/// Why nobody was reached.
enum DialFailure: Error {
    case unreachable(LoopError)
    case refused(PeerRefusal)
}

/// Where connections with other nodes begin: listens, dials, and has both sides show their certificates.
///
/// Invariants: of handshakes that others began at most `handshakesMax` are under way, and at most
/// `handshakesPerHostMax` with one host; each has a deadline. So who is not known cannot keep those out who are, and
/// this node's own dials never wait for others.
@LoopActor
final class PeerDoor {
    weak var owner: (any PeerDoorOwner)?
    /// Dials and their handshakes.
    private(set) var dialling = 0
    private let options: SwarmOptions
    private var context: TLSContext?
    private var listener: Listener?
    private var handshakes: [ObjectIdentifier: PeerHandshake] = [:]
    /// By host, those that others began.
    private var arriving: [String: Int] = [:]
    private var isClosed = false

    init(_ options: SwarmOptions) {
        self.options = options
        context = options.trust
    }

    /// 0 when it does not listen.
    var port: UInt16 { listener?.port ?? 0 }

    func listen() throws(LoopError) {
        guard let host = options.listenHost else { return }
        let listener = try Listener.tcp(host: host, port: options.listenPort)
        listener.accept { [weak self] stream in self?.accept(stream) }
        self.listener = listener
    }

    /// For connections from now on.
    func trust(_ context: TLSContext) {
        precondition(self.context != nil, "a node either has a certificate or not, from its start on")
        self.context = context
    }

    /// Lets nobody in any more; what is on its way is given up.
    func close() {
        isClosed = true
        listener?.close()
        for handshake in handshakes.values { handshake.cancel() }
        handshakes = [:]
    }

    private func accept(_ stream: Stream) {
        guard !isClosed, let owner else { return stream.close() }
        let (host, address) = (stream.peerHost, stream.peerAddress)
        guard options.allowed.mayDial(host) else {
            stream.close()
            return owner.doorRefused(address, .address)
        }
        stream.setTrafficClass(options.trafficClass)
        guard context != nil else { return owner.doorOpened(to: stream) }
        let count = arriving[host, default: 0]
        guard owner.hasRoom, count < options.handshakesPerHostMax,
            arriving.values.reduce(0, +) < options.handshakesMax
        else {
            stream.close()
            return owner.doorRefused(address, .crowd)
        }
        arriving[host] = count + 1
        secure(stream, .server) { [weak self] result in
            guard let self else { return }
            let left = arriving[host, default: 1] - 1
            arriving[host] = left > 0 ? left : nil
            switch result {
            case .success(let channel): self.owner?.doorOpened(to: channel)
            case .failure(let refusal): self.owner?.doorRefused(address, refusal)
            }
        }
    }

    /// `then` is called once and never inside this call, unless the door is closed first.
    func dial(
        _ endpoint: PeerEndpoint, then: @escaping @LoopActor (Result<any PeerChannel, DialFailure>) -> Void
    ) {
        dialling += 1
        let (allowed, port) = (options.allowed, endpoint.port)
        let ended: @LoopActor (Result<any PeerChannel, DialFailure>) -> Void = { [weak self] result in
            self?.dialling -= 1
            then(result)
        }
        Stream.connect(
            host: endpoint.host, port: port, timeoutMillis: options.connectMillis,
            isAllowed: { allowed.mayBeDialled($0, port: port) }
        ) { [weak self] result in
            switch result {
            case .failure(let error) where error.code == .permissionDenied && error.operation == "connect":
                ended(.failure(.refused(.address)))
            case .failure(let error): ended(.failure(.unreachable(error)))
            case .success(let stream):
                guard let self, !isClosed else {
                    stream.close()
                    return ended(.failure(.unreachable(LoopError(.canceled, "connect"))))
                }
                stream.setTrafficClass(options.trafficClass)
                guard context != nil else { return ended(.success(stream)) }
                secure(stream, .client) { result in
                    ended(result.map { $0 as any PeerChannel }.mapError { .refused($0) })
                }
            }
        }
    }

    private func secure(
        _ stream: Stream, _ side: TLSSession.Side,
        then: @escaping @LoopActor (Result<SecureChannel, PeerRefusal>) -> Void
    ) {
        guard let context else { return stream.close() }
        let host = stream.peerHost
        let handshake = PeerHandshake(stream, context, side)
        let key = ObjectIdentifier(handshake)
        handshakes[key] = handshake
        handshake.start(within: options.handshakeMillis) { [weak self] result in
            self?.handshakes[key] = nil
            switch result {
            case .failure(let error): then(.failure(.handshake(error)))
            case .success(let channel):
                let certificate = channel.certificate
                guard let certificate, certificate.isGood(from: host) else {
                    channel.close()
                    return then(.failure(.elsewhere(certificate: certificate?.name ?? "nobody")))
                }
                then(.success(channel))
            }
        }
    }
}
