import OCIModel
import PieceModel

/// Index into `PieceExchange.wants`; a slot is used again after its want ended.
typealias WantID = Int

/// One blob that this node is fetching.
///
/// Every piece is in exactly one place: `held` (stored and matching its digest), `flights` (asked for or
/// being checked), or `open`. A piece leaves `open` when a peer is asked for it, comes back when that comes
/// to nothing, and goes to `held` from anywhere. What the registry is reading stays open until it is stored.
///
/// `supply` counts, for each piece, the peers that may be asked for it now; `covered` are the pieces that
/// have any. The registry is asked for open pieces that are not covered, or that are `forced` because peers
/// failed them.
struct Want: Sendable {
    enum Phase: Equatable, Sendable {
        case fetching
        /// All pieces are held; the store compares the whole with its digest.
        case verifying
        case ended
    }

    /// Requests that may still bring the piece, and whether its bytes are being checked.
    struct Flight: Equatable, Sendable {
        var requests: [UInt32] = []
        var checking: UInt32?

        var isEmpty: Bool { requests.isEmpty && checking == nil }
    }

    let blob: Digest
    let layout: PieceLayout
    let pieceCount: Int
    /// Tells this want from an earlier one in the same slot.
    let serial: UInt64

    var phase = Phase.fetching
    var held: Bits
    var open: Bits
    var flights: [Int: Flight] = [:]
    var supply: [UInt16]
    var covered: Bits
    /// Pieces that this node may bring into its zone; `nil` for all. `importsAll`: it waited in vain for others.
    var importable: Bits?
    var importsAll = false
    /// Peers without a claim that were told of the want, for the sake of the zone.
    var declaredTo: Set<PeerID> = []
    /// What each peer says, by `PeerID`.
    var claims: [Claim] = []
    /// Claims that are there, those among them whose peer has not said yet, and those with pieces left to others.
    var claimCount = 0
    var unansweredCount = 0
    var deferringCount = 0
    var table: DigestTable
    /// Held pieces that were not compared with the digests that `table` has of them, and who sent them: this node,
    /// where the digest is not the one that the sender stood for.
    var unproven: [Int: PeerName] = [:]
    /// Those of them that the shell was asked to prove, while it does.
    var proving: Set<Int>?
    /// The whole did not match; whom to blame is looked at when all pieces are proven.
    var isToBlame = false

    /// Failures of peers to bring the piece.
    var failures: [Int: Int] = [:]
    var forced: Bits
    var origin: OriginSchedule
    var permit: Permit
    /// No open piece needs the registry; set by a scan that found none.
    var needsNoOrigin = false

    /// The piece that the slowest reader waits for, and since when.
    var reader = 0
    var readerAt: Instant
    let windowPieces: Int
    /// There may be open pieces with a digest but without a peer that offers them.
    var hasOrphans = false
    /// Earliest moment of the next release of orphans; the pauses grow, so that peers who differ for ever are
    /// not asked for ever.
    var orphansDue = Instant(nanoseconds: 0)
    var orphanReleases = 0
    var probeUntil: Instant
    /// The register was asked who holds the blob, and may name peers that were not asked.
    var awaitsHolders = false
    /// Holders that the register named, while the shell connects with them.
    var sought: Set<PeerName> = []
    /// Smoothed time between two stored pieces; 0 at first.
    var intervalNanos: UInt64 = 0
    /// When a piece was last stored, or the want began.
    var progressAt: Instant
    var everOffered = false
    /// A neighbour said that it holds nothing since the idle ones were last exchanged for others.
    var mayHaveIdle = false
    var passed = PassedPeers()
    var blame = Blame()
    /// Pieces that peers came to offer since the registry last brought this node one, or began to.
    var coveredSinceRead = 0
    /// Since when this node is slower than the others.
    var slowSince: Instant?
    /// Times that this node gave back what it was granted, because it was slow.
    var yields = 0
    /// Pieces read by a grant, oldest first; those at the front leave once they were given to somebody.
    var readForOthers: ArraySlice<(piece: Int, at: Instant)> = []
    var pace = Pace()
    /// Pieces that were asked of a second peer before the endgame, and when to look for the next.
    var hedges = 0
    var hedgeDue = Instant(nanoseconds: 0)
    var armed: Instant?

    init(
        blob: Digest,
        layout: PieceLayout,
        serial: UInt64,
        originAllowed: Bool,
        limits: ExchangeLimits,
        now: Instant
    ) {
        self.blob = blob
        self.layout = layout
        self.serial = serial
        let count = layout.pieceCount
        pieceCount = count
        held = Bits(capacity: count)
        open = Bits.full(capacity: count)
        supply = [UInt16](repeating: 0, count: count)
        covered = Bits(capacity: count)
        forced = Bits(capacity: count)
        table = DigestTable(pieceCount: count)
        origin = OriginSchedule(access: originAllowed ? .allowed : .forbidden)
        permit = Permit(now: now)
        windowPieces = limits.windowPieces
        probeUntil = now.adding(milliseconds: limits.probeMillis)
        progressAt = now
        readerAt = now
    }

    var isLive: Bool { phase != .ended }

    /// Pieces that the registry client may have read ahead of its reports: peers are not asked for them.
    var originLead: Int { max(2, min(32, (4 << 20) / layout.pieceBytes)) }

    /// Everything that is not held is on its way: only then is a piece asked for twice.
    var isEndgame: Bool { open.count <= (origin.remaining?.count ?? 0) + (origin.tail?.count ?? 0) }

    /// The piece as the layout's type.
    ///
    /// Every number in the bit sets and tables was made from the same layout.
    func index(_ piece: Int) -> PieceIndex {
        guard let index = layout.piece(piece) else {
            preconditionFailure("piece \(piece) is outside the blob")
        }
        return index
    }

    /// Once the whole did not match, peers are asked again only when the registry cannot be: any of them may
    /// lie too.
    var takesOnlyFromOrigin: Bool { blame.mismatches > 0 && origin.access == .allowed }

    /// Puts a piece that is not held back among those to fetch, unless it is still on its way.
    mutating func reopen(_ piece: Int) {
        guard !held.contains(piece), flights[piece] == nil else { return }
        open.insert(piece)
        needsNoOrigin = false
        wakeClaims()
    }

    /// The piece is stored, and right by its digest or as a link of the blob's chain.
    ///
    /// Returns whether that is new.
    mutating func hold(_ piece: Int) -> Bool {
        open.remove(piece)
        return held.insert(piece)
    }

    mutating func noteStored(_ now: Instant) {
        let interval = now.nanoseconds - progressAt.nanoseconds
        progressAt = now
        intervalNanos = intervalNanos - intervalNanos / 8 + interval / 8
    }

    /// The piece is not in the store any more.
    mutating func lose(_ piece: Int) {
        held.remove(piece)
        unproven[piece] = nil
        proving?.remove(piece)
        table.remove(piece)
        for peer in claims.indices { claims[peer].told.remove(piece) }
        supply[piece] = 0
        covered.remove(piece)
        reopen(piece)
    }

    /// A peer did not bring the piece; the second time the registry is to bring it.
    mutating func noteFailure(of piece: Int) {
        failures[piece, default: 0] += 1
        if failures[piece, default: 0] >= 2 { forced.insert(piece) }
        needsNoOrigin = false
    }
}
