import OCIModel
import PieceExchange
import PieceModel

/// What a sending side carries.
enum Cargo {
    case message(PeerMessage, to: Int, from: Int, epoch: UInt32)
    /// `lie` is 0 for the blob's own bytes, and otherwise tells false ones from each other.
    case piece(PeerMessage.PieceHeader, piece: Int, lie: UInt64, to: Int, from: Int, epoch: UInt32)
    /// To a node that reads from the registry.
    case originPiece(piece: Int, node: Int, fetch: Int)
}

/// One end of a connection. The other end may be gone without this one's knowledge.
struct Connection {
    /// Tells it from earlier ones of the same two nodes.
    let epoch: UInt32
    var lastArrival: UInt64 = 0
    /// Nothing passes any more, which this end has not noticed.
    var isDead = false
}

/// One node: the real exchange, and what its shell would do.
struct Node {
    let name: PeerName
    var exchange: PieceExchange
    var uplink: Uplink
    var downlink: Downlink
    /// Times the latency of the settings.
    var distance = 1.0
    var lie: Lie?
    /// Nodes that are cut off together have the same number; 0 for those that are not.
    var island = 0
    var isCutFromRegistry = false
    var isAlive = true
    /// Its links became slow, or carry nothing until then.
    var isStraggler = false
    var frozenUntil: UInt64 = 0
    var connections: [Int: Connection] = [:]

    var isTaker = false
    var startedAt: UInt64 = 0
    var finishedAt: UInt64?
    var failure: ExchangeAction.WantFailure?
    /// A read from the registry: its pieces still to send, and its number.
    struct Fetch {
        var rest: Range<Int>
        let last: Int
        let number: Int
        var isTail = false
    }

    /// The one that runs, behind the one before it while that ends.
    var fetches: [Fetch] = []
    /// What the payload is that waits for the answer to `pieceArrived`.
    var arrived: (piece: Int, lie: UInt64)?
    var tickAt: UInt64?
    var disk = Disk()
    /// The pieces of requests to peers, and since when each is asked for, of how many.
    var requested: [UInt32: Int] = [:]
    var asked: [Int: (since: UInt64, count: Int)] = [:]
    /// The first piece that its reader waits for, since when, and how long it waited for one at most.
    var reader = 0
    var readAt: UInt64 = 0
    var longestRead: UInt64 = 0

    var originPieces = 0
    var controlBytes = 0
    var controlMessages = 0
    var payloadIn = 0.0
    var payloadOut = 0.0
    var duplicates = 0
    var connectionsMost = 0
    var directoryMost = PieceExchange.DirectoryState()

    init(name: PeerName, exchange: PieceExchange, uplink: Uplink, downlink: Downlink) {
        self.name = name
        self.exchange = exchange
        self.uplink = uplink
        self.downlink = downlink
    }

    var isDone: Bool { finishedAt != nil || failure != nil }
}

/// The pieces that a node stored.
struct Disk {
    struct Piece {
        /// As in `Cargo.piece`.
        let lie: UInt64
        let author: PeerName?
        /// Not compared with the digest that it was asked for by, and whether it has it.
        var isLinked = false
        var isAsSaid = true
    }

    private var words: [UInt64] = []
    private(set) var count = 0
    /// Those that are not the blob's.
    private(set) var lies: [Int: UInt64] = [:]
    /// Whose digest each of them matched, where it is needed after a restart.
    private(set) var authors: [Int: PeerName] = [:]
    /// Those that have other digests than the journal says: they are lost with a restart.
    private(set) var others: Set<Int> = []

    func contains(_ piece: Int) -> Bool {
        piece >> 6 < words.count && words[piece >> 6] & (1 << UInt64(piece & 63)) != 0
    }

    mutating func store(_ piece: Int, lie: UInt64, author: PeerName?, isAsSaid: Bool = true) {
        while words.count <= piece >> 6 { words.append(0) }
        if !contains(piece) { count += 1 }
        words[piece >> 6] |= 1 << UInt64(piece & 63)
        if lie != 0 || !lies.isEmpty { lies[piece] = lie == 0 ? nil : lie }
        if let author { authors[piece] = author }
        if isAsSaid { others.remove(piece) } else { others.insert(piece) }
    }

    mutating func drop(_ piece: Int) {
        guard contains(piece) else { return }
        count -= 1
        words[piece >> 6] &= ~(1 << UInt64(piece & 63))
        lies[piece] = nil
        others.remove(piece)
    }
}

struct Dice {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.scramble(state)
    }

    mutating func below(_ bound: Int) -> Int { bound > 0 ? Int(next() % UInt64(bound)) : 0 }

    mutating func fraction() -> Double { Double(next() >> 11) / Double(1 << 53) }

    mutating func chance(_ share: Double) -> Bool { fraction() < share }

    static func scramble(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
