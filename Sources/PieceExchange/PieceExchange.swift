import OCIModel
package import PieceModel

/// Decides which piece comes from where and who is sent what.
///
/// A pure state machine: events and time in, actions out.
///
/// One exists per node. The shell (`PeerTransport` over sockets, the simulator over a virtual network) calls
/// `handle` with everything that happens, executes the returned actions in order, and sends `tick` at
/// `nextDeadline`. There is no clock, socket, chance or concurrency in here: a run is repeated by its seed
/// and its events.
///
/// Parts, each in the file of its name:
/// - `Want`: a blob this node fetches. *fetching* → *verifying* (all pieces held) → *ended* (completed or
///   failed); back from *verifying* to *fetching* when the whole did not match: once, and whenever pieces then proved
///   to be other than their sender, who is banned, stood for. A want always ends.
/// - `Claim`: what one peer says of one want. `Blame`: who answers for digests that prove wrong.
/// - `OriginSchedule`: the registry as a source, at most one running fetch per want and the tail of the one before.
/// - `Request`: a piece asked of a peer. *waiting* → *checking* → gone; *waiting* → *late* (asked for
///   elsewhere, still welcome) → cancelled. It is gone too when refused, cancelled or disconnected.
/// - `Holding`: a blob the store has whole, with or without its piece digests in memory.
/// - `Audience`: the peers interested in a blob, and what they were told of it. `Dispersal`: what they were given.
/// - `PieceExchange+Neighbours`: which peers a want deals with. `PieceExchange+Zones`: which pieces this node
///   brings into its zone. `Membership`: who there is beside the connected peers.
/// - `Peer`: a connection: its requests, uploads, pauses. `Standing`: what outlives it: benches and bans.
/// - `Permit`: what a want was granted to read from the registry, and asked for. `GrantBook`: what this node, as
///   the member that keeps the grants of a blob, knows of who reads what. `PieceExchange+Register`: a register
///   outside of the nodes in the place of such members.
/// - `PieceExchange+Hedging`: what takes long is asked of another. `PieceExchange+Yielding`: a slow node reads nothing
///   from the registry for others.
/// - `Deadlines`: when to look at whom again.
///
/// Invariants, checked by `checkInvariants()`:
/// - every piece of a want is in exactly one of `held`, `open`, `flights`;
/// - `supply` counts exactly the claims that are counted and offer the piece;
/// - a piece is held only after its bytes matched the digest in the table, or a link of the blob's chain
///   (`unproven`); it is announced only when held and proven, and a want is completed only after the whole matched;
/// - outstanding requests ≤ `requestsPerPeerMax` for a peer, their bytes ≤ `requestedBytesMax` in all,
///   uploads ≤ `uploadsPerPeerMax` for a peer and ≤ `uploadsMax` in all;
/// - whatever waits for others has an alarm. What waits for the shell (`checkPiece`, `checkBlob`, `upload`,
///   `provePieces`, `loadDigests`) has none: the shell reports each outcome once, also when the peer is gone by then,
///   except that it may leave out `uploadEnded` for a connection it reported as ended.
package struct PieceExchange: Sendable {
    let name: PeerName
    /// Where this node is; without it all peers are near.
    package let zone: Zone?
    let limits: ExchangeLimits
    var random: SplitMix64
    var now = Instant(nanoseconds: 0)

    /// Slots; a `PeerID` or `WantID` is an index here.
    ///
    /// Slots are used again, so all traces of an owner go with it.
    var peers: [Peer] = []
    var peerIDs: [PeerName: PeerID] = [:]
    var wants: [Want] = []
    var wantIDs: [Digest: WantID] = [:]
    var holdings: [Digest: Holding] = [:]
    var audiences: [Digest: Audience] = [:]
    var requests: [UInt32: Request] = [:]

    /// Who is there, as far as this node was told; those it is connected with count in any case.
    var members = Membership([])
    /// Members that this node asked the shell to connect with.
    var errands: Set<PeerName> = []
    var standing = Standing()
    /// Grants are kept outside of the nodes.
    var hasRegister = false
    var grantBooks: [GrantKey: GrantBook] = [:]
    package internal(set) var grantCounters = GrantCounters()
    let nameKey: UInt64
    var uploads = Uploads()
    var deadlines = Deadlines()
    /// Whole blobs whose digests are in memory, least recently used first.
    var loadedHoldings: [Digest] = []
    var loadedDigests = 0
    var requestedBytes = 0
    /// A request was not made because of `requestedBytesMax`: whatever ends next makes room for any peer.
    var isShortOfRoom = false

    var lastRequest: UInt32 = 0
    var lastWantSerial: UInt64 = 0
    var touchedWants: [WantID] = []
    var touchedPeers: [PeerID] = []
    var turn = 0
    var actions: [ExchangeAction] = []

    /// `seed` decides every choice that is left to chance.
    package init(name: PeerName, zone: Zone? = nil, limits: ExchangeLimits, seed: UInt64) {
        self.name = name
        self.zone = zone
        self.limits = limits
        nameKey = Peer.key(of: name)
        random = SplitMix64(seed: seed)
    }

    /// Takes one event at time `now` and returns what is to be done, in order.
    ///
    /// Time never goes back: an earlier `now` is taken for the latest one seen.
    package mutating func handle(_ event: ExchangeEvent, now moment: Instant) -> [ExchangeAction] {
        now = max(now, moment)
        switch event {
        case .want, .readerMoved, .unwant, .blobChecked, .storeFailed, .originPiece, .originEnded:
            handleWant(event)
        case .blobAvailable(let blob, let layout): becomeAvailable(blob, layout)
        case .blobRemoved(let blob): removeHolding(blob)
        case .digestsLoaded(let blob, let digests, let chain): digestsLoaded(blob, digests, chain)
        case .members(let known): know(known)
        case .unreachable(let peer): unreachable(peer)
        case .peerConnected(let peer, let zone): connect(peer, in: zone)
        case .peerDisconnected(let peer): disconnect(peer)
        case .message(let message, let peer): receive(message, from: peer)
        case .pieceArrived(let header, let peer): pieceArrived(header, from: peer)
        case .pieceChecked(let request, _, let outcome): pieceChecked(request, outcome)
        case .piecesProven(let blob, let pieces): piecesProven(blob, pieces)
        case .uploadEnded(let request, let peer): uploadEnded(request, peer)
        case .registerChanged(let isThere): registerChanged(isThere: isThere)
        case .registerAnswered(let blob, let answer): registerAnswered(blob, answer)
        case .holdersFound(let blob, let names): holdersFound(blob, names)
        case .tick: ring()
        }
        settle()
        dropStaleAlarms()
        nextDeadline = deadlines.earliest?.at
        defer { actions = [] }
        return actions
    }

    private mutating func handleWant(_ event: ExchangeEvent) {
        switch event {
        case .want(let blob, let layout, let held, let originAllowed):
            beginWant(blob, layout, held: held, originAllowed: originAllowed)
        case .readerMoved(let blob, let piece): readerMoved(blob, to: piece)
        case .unwant(let blob): unwant(blob)
        case .blobChecked(let blob, let matches, let chain):
            blobChecked(blob, matches: matches, chain: chain)
        case .storeFailed(let blob):
            if let id = wantIDs[blob] { fail(id, .storeFailed) }
        case .originPiece(let blob, let piece, let digest): originPiece(blob, piece, digest)
        case .originEnded(let blob, let failure, let isTail):
            if isTail { tailEnded(blob, failure) } else { originEnded(blob, failure) }
        default: preconditionFailure("not an event of a want")
        }
    }

    /// When `tick` is due at the latest; `nil` when nothing waits for time.
    ///
    /// May change with every `handle`.
    package private(set) var nextDeadline: Instant?

    mutating func act(_ action: ExchangeAction) { actions.append(action) }

    mutating func send(_ message: PeerMessage, to peer: PeerID) {
        act(.send(message, to: peers[peer].name))
    }

    mutating func touch(want: WantID) {
        if !touchedWants.contains(want) { touchedWants.append(want) }
    }

    /// The peer may be asked for something, of whatever want.
    mutating func touch(peer: PeerID) {
        if !touchedPeers.contains(peer) { touchedPeers.append(peer) }
    }
}
