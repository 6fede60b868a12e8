package import ContentStore
package import EventLoop
package import OCIModel
import Pacing
import PieceExchange
package import PieceModel
package import TLS
import Wire

/// This node's part in the swarm: gets blobs from peers and the registry into the store, and gives them to
/// peers.
///
///     made --start()--> running --stop()--> stopped
///
/// It executes what `PieceExchange` decides. Events go through one queue, so that the exchange is never
/// entered twice; its actions are executed in order, messages to one peer leave together. Bytes are hashed,
/// unpacked and stored off the loop.
///
/// A blob that stays on this node (`unshared`) has an exchange of its own, which never hears of a peer: it asks none,
/// and what a peer asks about the blob goes to the other exchange, which does not know it.
@LoopActor
package final class Swarm {
    let store: ContentStore
    let options: SwarmOptions
    let origin: any OriginFetching
    let work = OffloadedWork()
    let locator = BlobLocator()
    let roster: PeerRoster
    package let pacers: SwarmPacers
    private let observer: @LoopActor (SwarmEvent) -> Void

    var transfers: [Digest: BlobTransfer] = [:] {
        didSet { PieceMemory.isUsed = !transfers.isEmpty }
    }
    var origins: [Digest: OriginReads] = [:]
    /// Beyond `publicBlobsMax` no more are remembered: other nodes then ask the registry.
    var publicBlobs: Set<Digest> = []
    private static let publicBlobsMax = 100_000
    var counted: SwarmCounters
    var packingChoice = PackingChoice(processors: Loop.processors)
    /// Pieces that are being packed.
    var packingNow = 0
    /// zstd keeps some between one piece and the next.
    var holdsPackingMemory = false
    private(set) var isStopping = false
    /// Keeps the grants instead of the members, when it is there.
    var register: (any GrantRegister)?
    /// How often it changed: an answer to a question from before is to none.
    var registerChanges = 0

    private var exchange: PieceExchange
    private var loneExchange: PieceExchange
    /// Blobs that no other node may have of this one.
    private var unshared: Set<Digest> = []
    /// Beyond, blobs that this node no longer has are forgotten.
    private static let unsharedMax = 100_000
    private let mayOffer: @Sendable (Digest) -> Bool
    private var inbox: [(event: ExchangeEvent, payload: [UInt8])] = []
    private var isDelivering = false
    /// The piece that came with the event that is being handled.
    private var arrived: [UInt8] = []
    private let alarm = LoopTimer()
    private var alarmAt: Instant?

    /// `observer` hears what an operator may want to know; it must not call back into the swarm. `mayOffer` says of the
    /// blobs that the store has at the start whether other nodes may have them; it is asked off the loop.
    package init(
        store: ContentStore,
        options: SwarmOptions,
        origin: any OriginFetching,
        pacers: SwarmPacers = SwarmPacers(),
        observer: @escaping @LoopActor (SwarmEvent) -> Void = { _ in },
        mayOffer: @escaping @Sendable (Digest) -> Bool = { _ in true }
    ) {
        self.store = store
        self.options = options
        self.origin = origin
        self.observer = observer
        counted = SwarmCounters(registries: options.registries)
        let seed = UInt64.random(in: 0...(.max))
        exchange = PieceExchange(name: options.name, zone: options.zone, limits: options.exchange, seed: seed)
        loneExchange = PieceExchange(name: options.name, limits: options.exchange, seed: seed)
        self.mayOffer = mayOffer
        roster = PeerRoster(options: options, arrivals: pacers.arrivals)
        self.pacers = pacers
        roster.owner = self
    }

    package var counters: SwarmCounters {
        var counters = counted
        counters.take(exchange.grantCounters)
        return counters
    }

    /// The port peers can reach, 0 when it does not listen.
    package var port: UInt16 { roster.port }

    /// Listens, dials and offers what the store has. Call it once.
    package func start() throws(LoopError) {
        try roster.start()
        let (store, mayOffer) = (store, mayOffer)
        work.run {
            (store.publicDigests(), store.list().map { (digest: $0.digest, isOffered: mayOffer($0.digest)) })
        } then: { publicDigests, blobs in
            self.notePublic(publicDigests)
            for blob in blobs { if blob.isOffered { self.blobCommitted(blob.digest) } else { self.keep(blob.digest) } }
        }
    }

    /// Dials these endpoints, and no others, from now on. A connected peer stays one although its endpoint is
    /// no longer among them.
    package func dialOnly(_ endpoints: [PeerEndpoint]) {
        roster.dialOnly(endpoints)
    }

    /// Shows the certificate of `context`, and trusts its authorities, from now on: what is connected with a
    /// certificate that these would not take is connected anew. Only for a swarm made with `SwarmOptions.trust`.
    package func trust(_ context: TLSContext) {
        roster.trust(context)
    }

    /// Ends every download (what came stays for the next start), lets pieces on their way to peers arrive for
    /// at most `drainMillis`, and closes. When it returns nothing of the swarm uses the store any more.
    package func stop(drainMillis: UInt64) async {
        guard !isStopping else { return }
        isStopping = true
        roster.stopGrowing()
        locator.stop()
        for transfer in Array(transfers.values) { close(transfer, failing: .stopping) }
        let deadline = Loop.nowNanoseconds &+ drainMillis &* 1_000_000
        while counted.uploadsRunning > 0, Loop.nowNanoseconds < deadline { await Loop.pause(milliseconds: 10) }
        roster.stop()
        pacers.uploads.release()
        pacers.arrivals.release()
        alarm.stop()
        await work.untilIdle()
    }

    // MARK: Blobs of the store

    /// The store got the blob by another way than `download`: peers may have it from now on.
    package func blobCommitted(_ digest: Digest) {
        // A download under way reads from a file of its own, which only its own pieces make whole.
        guard transfers[digest]?.phase != .running, !unshared.contains(digest) else { return }
        guard let blob = store.blob(digest), let layout = PieceLayout(blobBytes: blob.bytes) else { return }
        deliver(.blobAvailable(blob: digest, layout: layout))
    }

    /// The blob stays on this node, until `share`.
    package func keep(_ digest: Digest) {
        if unshared.count >= Self.unsharedMax {
            unshared = unshared.filter { store.blob($0) != nil || transfers[$0] != nil }
        }
        guard unshared.insert(digest).inserted else { return }
        deliver(.blobRemoved(blob: digest))
    }

    /// The blob is, also, one that other nodes may have. A download that runs ends first as it began.
    package func share(_ digest: Digest) {
        guard unshared.contains(digest), transfers[digest].map({ $0.phase == .complete }) ?? true else { return }
        unshared.remove(digest)
        blobCommitted(digest)
    }

    func isKept(_ digest: Digest) -> Bool { unshared.contains(digest) }

    /// The store no longer has the blob.
    package func blobRemoved(_ digest: Digest) {
        deliver(.blobRemoved(blob: digest))
    }

    /// Anybody may have these blobs: other nodes are told so with what this one holds of them.
    package func notePublic(_ digests: [Digest]) {
        guard publicBlobs.count + digests.count <= Self.publicBlobsMax else { return }
        publicBlobs.formUnion(digests)
    }

    /// A blob as somebody knows it who has it or gets it: this node, or the peers, which are asked and given about
    /// `locateMillis` to answer. `nil` when nobody does.
    package func locate(_ digest: Digest) async -> LocatedBlob? {
        if let known = store.blob(digest)?.bytes ?? transfers[digest]?.bytes {
            return LocatedBlob(bytes: known, isPublic: publicBlobs.contains(digest))
        }
        guard !isStopping else { return nil }
        let peers = roster.names
        return await locator.locate(digest, peers: Set(peers), millis: options.locateMillis) {
            for peer in peers { roster.send(.interest(blob: digest), to: peer) }
            roster.flush()
        } done: { [weak self] in
            // A download that began meanwhile has said that it is interested, and will say when it is not.
            guard let self, transfers[digest] == nil else { return }
            for peer in roster.names { roster.send(.uninterest(blob: digest), to: peer) }
            roster.flush()
        }
    }

    // MARK: The exchange

    func deliver(_ event: ExchangeEvent, payload: [UInt8] = []) {
        inbox.append((event, payload))
        guard !isDelivering else { return }
        isDelivering = true
        var next = 0
        while next < inbox.count {
            let event = inbox[next].event
            arrived = inbox[next].payload
            inbox[next].payload = []
            next += 1
            for action in handle(event) { perform(action, answering: event) }
            arrived = []
        }
        inbox.removeAll(keepingCapacity: true)
        isDelivering = false
        roster.flush()
        setAlarm()
    }

    /// By the exchange that the event's blob belongs to; time passes, and blobs go, for both.
    private func handle(_ event: ExchangeEvent) -> [ExchangeAction] {
        switch event {
        case .tick, .blobRemoved: exchange.handle(event, now: now) + loneExchange.handle(event, now: now)
        case .want(let blob, _, _, _), .readerMoved(let blob, _), .unwant(let blob),
            .digestsLoaded(let blob, _, _), .piecesProven(let blob, _), .originPiece(let blob, _, _),
            .originEnded(let blob, _, _), .blobChecked(let blob, _, _), .storeFailed(let blob):
            unshared.contains(blob) ? loneExchange.handle(event, now: now) : exchange.handle(event, now: now)
        case .blobAvailable, .members, .unreachable, .peerConnected, .peerDisconnected, .message, .pieceArrived,
            .pieceChecked, .uploadEnded, .registerChanged, .registerAnswered,
            .holdersFound:
            exchange.handle(event, now: now)
        }
    }

    /// See `PieceExchange.mayGoByChain`.
    func mayGoByChain(_ blob: Digest) -> Bool { exchange.mayGoByChain(blob) }

    /// The payload that came with the event that is being handled; to be taken once.
    func takeArrived() -> [UInt8] {
        let payload = arrived
        arrived = []
        return payload
    }

    func observe(_ event: SwarmEvent) { observer(event) }

    private var now: Instant { Instant(nanoseconds: Loop.nowNanoseconds) }

    private func setAlarm() {
        let deadline = [exchange.nextDeadline, loneExchange.nextDeadline].compactMap { $0 }.min()
        guard deadline != alarmAt else { return }
        alarmAt = deadline
        guard let deadline, !isStopping else { return alarm.stop() }
        let now = now.nanoseconds
        // Rounded up and one more: libuv's milliseconds may begin early.
        let millis = deadline.nanoseconds > now ? (deadline.nanoseconds - now) / 1_000_000 + 2 : 0
        alarm.start(after: millis) { [weak self] in
            self?.alarmAt = nil
            self?.deliver(.tick)
        }
    }
}

extension Swarm: PeerRosterOwner {
    func peerCame(_ peer: PeerName, of zone: Zone?) { deliver(.peerConnected(peer, zone: zone)) }

    func peerWent(_ peer: PeerName) {
        locator.lost(peer)
        deliver(.peerDisconnected(peer))
    }

    func couldNotReach(_ member: PeerName) { deliver(.unreachable(member)) }

    func membersChanged() { deliver(.members(Membership(roster.reachable))) }

    func peer(_ peer: PeerName, said message: PeerMessage) {
        if case .holdings(let blob, let held) = message {
            locator.heard(blob, from: peer, held)
        }
        if case .pieceDigests(let run) = message { transfers[run.blob]?.chain.note(run, from: peer) }
        deliver(.message(message, from: peer))
    }

    func peer(_ peer: PeerName, sent piece: PeerMessage.PieceHeader, payload: [UInt8]) {
        deliver(.pieceArrived(piece, from: peer), payload: payload)
    }
}
