import EventLoop
import Pacing
import PieceExchange
import PieceModel
import TLS
import Wire

/// Hears which peers come and go and what they say.
@LoopActor
protocol PeerRosterOwner: AnyObject {
    func peerCame(_ peer: PeerName, of zone: Zone?)
    func peerWent(_ peer: PeerName)
    func peer(_ peer: PeerName, said message: PeerMessage)
    func peer(_ peer: PeerName, sent piece: PeerMessage.PieceHeader, payload: [UInt8])
    /// A member that was called cannot be reached now.
    func couldNotReach(_ member: PeerName)
    /// `reachable` is another set of names than before.
    func membersChanged()
    func observe(_ event: SwarmEvent)
}

/// Keeps one connection to every peer it can, or to some of them and to those that are needed: dials, greets, sends
/// away. `PeerDoor` is where they come from.
///
/// Every connection is a stranger's until its Hello came and was accepted. Of two connections to one peer the
/// one dialled by the node of the smaller name stays, whichever side decides first, so that both decide
/// alike; of two dialled by the same node the newer stays, because the older must have died.
@LoopActor
final class PeerRoster {
    let options: SwarmOptions
    private let arrivals: Pacer
    /// Set before `start`.
    weak var owner: (any PeerRosterOwner)?
    let door: PeerDoor
    private(set) var connections: [ObjectIdentifier: PeerConnection] = [:]
    private(set) var peers: [PeerName: PeerConnection] = [:]
    /// One for each endpoint that `dialOnly` named last.
    private(set) var dialers: [Dialer] = []
    var bans = BanList()
    /// What peers sent and got over connections that ended.
    var past: [PeerName: Past] = [:]
    private let sweeper = LoopTimer()
    private var unflushed: Set<PeerName> = []
    private var isStarted = false
    private(set) var isStopped = false
    /// Members that were called and have neither come nor proved unreachable.
    var called: Set<PeerName> = []
    var visitDue: UInt64 = 0

    private static let sweepMillis: UInt64 = 250
    private static let probeMillis: UInt64 = 5_000
    static let pastMax = 1024

    init(options: SwarmOptions, arrivals: Pacer) {
        self.options = options
        self.arrivals = arrivals
        door = PeerDoor(options)
        door.owner = self
    }

    /// 0 when it does not listen.
    var port: UInt16 { door.port }
    var names: [PeerName] { Array(peers.keys) }

    func connection(to peer: PeerName) -> PeerConnection? { peers[peer] }

    func start() throws(LoopError) {
        try door.listen()
        isStarted = true
        sweep()
        sweeper.start(after: Self.sweepMillis, every: Self.sweepMillis) { [weak self] in self?.sweep() }
    }

    /// Dials these and no others from now on. What is connected stays connected.
    func dialOnly(_ endpoints: [PeerEndpoint]) {
        let known = Dictionary(dialers.map { ($0.endpoint, $0) }) { first, _ in first }
        // In no order: where there are more than can be connected, nodes should not all choose the same.
        dialers = Set(endpoints).shuffled().map { known[$0] ?? Dialer(endpoint: $0) }
        if isStarted { sweep() }
        owner?.membersChanged()
    }

    /// No new connections from now on.
    func stopGrowing() {
        isStopped = true
        door.close()
    }

    /// From now on this node shows the certificate of `context` and trusts its authorities. Who is connected with a
    /// certificate that they would not take has to come again.
    func trust(_ context: TLSContext) {
        door.trust(context)
        for connection in Array(connections.values) where !connection.channel.isTrusted(by: context) {
            connection.distrust()
        }
    }

    func stop() {
        stopGrowing()
        sweeper.stop()
        for connection in Array(connections.values) { connection.close(.stopping) }
    }

    /// Queues a message until `flush`.
    func send(_ message: PeerMessage, to peer: PeerName) {
        guard let connection = peers[peer] else { return }
        connection.send(message)
        unflushed.insert(peer)
    }

    /// Sends what was queued for peers, to each in one write.
    func flush() {
        for peer in unflushed { peers[peer]?.flush() }
        unflushed.removeAll(keepingCapacity: true)
    }

    func ban(_ peer: PeerName, cause: BanCause, until: UInt64) {
        let now = Loop.nowNanoseconds
        bans.add(peer, cause: cause, until: until)
        let seconds = until > now ? Int((until - now) / 1_000_000_000) : 0
        owner?.observe(.peerBanned(peer, cause, seconds: seconds))
        peers[peer]?.close(.banned)
    }

    // MARK: Connections

    @discardableResult
    private func adopt(_ channel: any PeerChannel, outbound: Bool) -> PeerConnection {
        let connection = PeerConnection(channel: channel, outbound: outbound, arrivals: arrivals, owner: self)
        connections[ObjectIdentifier(connection)] = connection
        connection.start(
            Hello(
                node: options.name,
                cluster: options.cluster,
                zone: options.zone,
                takesZstd: options.compression,
                requestsMax: options.exchange.requestsPerPeerMax
            )
        )
        return connection
    }

    private func sweep() {
        for connection in Array(connections.values) { connection.check(options) }
        let now = Loop.nowNanoseconds
        letIdleGo(now)
        for dialer in dialers where !isStopped && dialer.isDue(now) {
            guard connections.count + door.dialling < keptMax else { return visitSomebody(now) }
            if let name = dialer.name, peers[name] != nil || bans.ban(of: name, now: now) != nil { continue }
            dialer.idleMillis = nil
            dial(dialer)
        }
    }

    func dial(_ dialer: Dialer) {
        dialer.began()
        let endpoint = dialer.endpoint
        door.dial(endpoint) { [weak self] result in
            guard let self else { return }
            switch result {
            case .success(let channel):
                guard !isStopped else { return channel.close() }
                if let (peer, connection) = connected(to: channel.certificate) {
                    dialer.met(peer, options)
                    connection.probe(within: Self.probeMillis)
                    return channel.shutdown { channel.close() }
                }
                dialer.connection = adopt(channel, outbound: true)
            case .failure(.unreachable(let error)):
                dialer.failed("\(error)", options)
                missed(dialer.name)
                owner?.observe(.dialFailed(endpoint, error))
            case .failure(.refused(let refusal)):
                dialer.failed("\(refusal)", options)
                missed(dialer.name)
                owner?.observe(.strangerRefused(address: endpoint.description, refusal))
            }
        }
    }

    /// The peer that showed this certificate and the connection with it, if there is one. To say Hello once more would
    /// end one of the two, with all that is on its way.
    private func connected(to certificate: Certificate?) -> (PeerName, PeerConnection)? {
        guard let certificate, certificate.hosts.count == 1, let peer = PeerName(certificate.name),
            let connection = peers[peer]
        else { return nil }
        return (peer, connection)
    }

    private func dialer(of connection: PeerConnection) -> Dialer? {
        dialers.first { $0.connection === connection }
    }

    /// Why the sender of this Hello cannot be a peer, or `nil`.
    private func refusal(of hello: Hello, on connection: PeerConnection) -> Goodbye? {
        if !mayHave(hello.node, connection) {
            let refusal = PeerRefusal.name(hello.node, certificate: connection.channel.certificate?.name ?? "")
            owner?.observe(.strangerRefused(address: connection.address, refusal))
            return .notAPeer
        }
        if hello.version != Hello.versionSpoken { return .version }
        if hello.cluster != options.cluster || hello.node == options.name { return .notAPeer }
        if bans.ban(of: hello.node, now: Loop.nowNanoseconds) != nil { return .banned }
        return isStopped ? .stopping : nil
    }

    /// Whether the other side may say that name; over plaintext it may say any.
    private func mayHave(_ name: PeerName, _ connection: PeerConnection) -> Bool {
        connection.channel.certificate?.names(name, cluster: options.cluster) ?? true
    }

    /// Whether `new` takes the place of `old`, both to the peer of that name.
    private func replaces(_ new: PeerConnection, _ old: PeerConnection, peer: PeerName) -> Bool {
        guard new.outbound != old.outbound else { return true }
        return new.outbound == (options.name < peer)
    }
}

extension PeerRoster: PeerDoorOwner {
    var hasRoom: Bool {
        !isStopped && connections.count - peers.count < options.strangersMax
            && connections.count < options.connectionsMax
    }

    func doorOpened(to channel: any PeerChannel) {
        guard hasRoom else {
            if !isStopped { channel.write(PeerCodec.encode(Goodbye.busy), then: nil) }
            return channel.shutdown { channel.close() }
        }
        adopt(channel, outbound: false)
    }

    func doorRefused(_ address: String, _ refusal: PeerRefusal) {
        owner?.observe(.strangerRefused(address: address, refusal))
    }
}

extension PeerRoster: PeerConnectionOwner {
    func connection(_ connection: PeerConnection, greeted hello: Hello) {
        let dialer = dialer(of: connection)
        // Whoever else says this node's name does not get himself forgotten.
        if hello.node == options.name, mayHave(hello.node, connection) { dialer?.isSelf = true }
        if let refusal = refusal(of: hello, on: connection) { return connection.close(refusal) }
        let peer = hello.node
        let isNews = dialer.map { $0.name != peer || !$0.isReachable } ?? false
        if dialer?.name != peer { missed(dialer?.name) }
        dialer?.reached(peer)
        called.remove(peer)
        defer { if isNews { owner?.membersChanged() } }
        if let old = peers[peer] {
            guard connection.unsaid == nil, replaces(connection, old, peer: peer) else {
                // The other side would hardly dial if it knew of the connection that stays: is that one
                // alive?
                old.probe(within: Self.probeMillis)
                return connection.close(.duplicate)
            }
            old.close(.duplicate)
        }
        connection.open()
        peers[peer] = connection
        owner?.observe(.peerConnected(peer, address: connection.address, outbound: connection.outbound))
        owner?.peerCame(peer, of: connection.hello?.zone)
    }

    func connection(_ connection: PeerConnection, received message: PeerMessage) {
        guard let peer = connection.peer else { return }
        owner?.peer(peer, said: message)
    }

    func connection(
        _ connection: PeerConnection,
        received piece: PeerMessage.PieceHeader,
        payload: [UInt8]
    ) {
        guard let peer = connection.peer else { return }
        owner?.peer(peer, sent: piece, payload: payload)
    }

    func connection(_ connection: PeerConnection, endedBy cause: DisconnectCause) {
        connections[ObjectIdentifier(connection)] = nil
        let dialer = dialer(of: connection)
        dialer?.ended(cause, options)
        missed(dialer?.name)
        guard let peer = connection.peer, peers[peer] === connection else {
            owner?.observe(.strangerDisconnected(address: connection.address, cause))
            return
        }
        peers[peer] = nil
        remember(connection, of: peer)
        owner?.observe(.peerDisconnected(peer, address: connection.address, cause))
        switch cause {
        case .violation, .outOfTurn:
            let seconds = bans.addViolation(peer, now: Loop.nowNanoseconds)
            owner?.observe(.peerBanned(peer, .protocolViolation, seconds: seconds))
        case .closedByPeer, .failed, .noHello, .silent, .stalled, .distrusted, .closedHere:
            break
        }
        owner?.peerWent(peer)
    }
}
