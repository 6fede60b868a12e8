import OCIModel
import PieceModel

/// Index into `PieceExchange.peers`; a slot is used again after its connection ended.
typealias PeerID = Int

/// One connection to another node.
struct Peer: Sendable {
    let name: PeerName
    let zone: Zone?
    /// A number made of the name, the same on every node.
    let key: UInt64
    var isConnected = true
    /// This node connected for the sake of the grants that the peer keeps: it is no neighbour of any want.
    var isErrand = false

    /// Requests this node waits for at the peer, oldest first; those being checked have left.
    var requests: [UInt32] = []
    var lateCount = 0
    /// When the last piece came from the peer.
    var deliveredAt = Instant(nanoseconds: 0)
    /// How many requests may be outstanding now.
    ///
    /// Follows how fast answers come, so that a slow peer is not asked for more than it can bring before the
    /// deadline.
    var allowance = 4
    /// Smoothed time from a request to its piece; 0 before the first.
    private(set) var answerNanos: UInt64 = 0
    /// Answers to cancelled requests that may still come.
    var straysAllowed = 0
    /// Not asked before this moment: it said BUSY.
    var pausedUntil: Instant?
    var busyStreak = 0
    /// Not asked, and not counted as a source, before this moment.
    var benchedUntil: Instant?

    /// Blobs the peer is interested in.
    var interests: Set<Digest> = []
    /// What may still be told to the peer of piece digests in this turn, and when the turn ends.
    var digestAllowance = 0
    var digestTurnEnds = Instant(nanoseconds: 0)

    var uploadQueue: [Uploads.Order] = []
    var uploading: Set<UInt32> = []
    /// Uploads begun on this connection; who got least is served first.
    var uploadsBegun = 0

    var armed: Instant?

    init(name: PeerName, zone: Zone? = nil) {
        self.name = name
        self.zone = zone
        key = Self.key(of: name)
    }

    /// FNV-1a.
    static func key(of name: PeerName) -> UInt64 {
        name.text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    /// How long another piece would take to come; 0 for a peer that was asked for none, the most for one that was and
    /// has brought none.
    var expectedNanos: UInt64 {
        if answerNanos == 0 { return requests.isEmpty ? 0 : .max }
        let (product, overflow) = answerNanos.multipliedReportingOverflow(by: UInt64(requests.count + 1))
        return overflow ? .max : product
    }

    mutating func noteAnswer(nanoseconds: UInt64) {
        answerNanos = answerNanos == 0 ? nanoseconds : answerNanos - answerNanos / 4 + nanoseconds / 4
    }

    func mayBeAsked(_ now: Instant) -> Bool { mayBeAsked(now, outstandingMax: allowance) }

    func mayBeAsked(_ now: Instant, outstandingMax: Int) -> Bool {
        isConnected && lateCount == 0 && requests.count < outstandingMax && benchedUntil == nil
            && (pausedUntil.map { $0 <= now } ?? true)
    }
}

/// A piece asked of a peer, until its outcome is known.
struct Request: Sendable {
    enum Stage: Equatable, Sendable {
        case waiting
        /// Past its deadline: the piece may be fetched elsewhere, and is still welcome until the request is
        /// given up.
        case late
        /// The payload is with the shell.
        case checking
    }

    let peer: PeerID
    /// Outlives the connection, which `peer` does not: the outcome of a check may come after it.
    let peerName: PeerName
    let want: WantID
    let wantSerial: UInt64
    let piece: Int
    let bytes: Int
    let sent: Instant
    let deadline: Instant
    var stage = Stage.waiting
    /// Which digest the payload is checked against.
    var told: Blame.Statement?
    /// Another source stored other bytes for the piece meanwhile.
    var isContradicted = false
}
