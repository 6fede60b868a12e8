import OCIModel
import PieceExchange
import PieceModel

/// What a sending side carries.
enum Cargo {
    case message(PeerMessage, to: Int, from: Int)
    case piece(PeerMessage.PieceHeader, piece: Int, to: Int, from: Int)
    /// To a node that reads from the registry.
    case originPiece(piece: Int, node: Int, fetch: Int)
}

/// One node: the real exchange, and what its shell would do.
struct Node {
    let name: PeerName
    var exchange: PieceExchange
    var uplink: Uplink
    var downlink: Downlink
    var isAlive = true

    var startedAt: UInt64 = 0
    var finishedAt: UInt64?
    var failure: ExchangeAction.WantFailure?
    /// The registry read that runs: its pieces still to send, and its number.
    var fetch: (rest: Range<Int>, last: Int, number: Int)?
    /// The piece whose payload waits for the answer to `pieceArrived`.
    var arrived: Int?
    var tickAt: UInt64?

    var originPieces = 0
    var controlBytes = 0
    var controlMessages = 0
    var payloadIn = 0.0
    var payloadOut = 0.0
    var duplicates = 0
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

    static func scramble(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
