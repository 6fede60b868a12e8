import OCIModel
import PieceModel

@testable import PieceExchange

/// How a node of the simulated swarm treats the others.
///
/// Its own exchange is always the real one.
enum Behaviour: CaseIterable {
    case honest
    /// Sends other bytes than it promised.
    case wrongBytes
    /// Tells forged digests as their author and sends bytes that fit them.
    case forger
    /// The same in an honest node's name.
    case framer
    /// Takes requests and never answers.
    case staller
    /// Claims to hold everything, with invented digests, and holds nothing.
    case braggart
    /// Is always busy.
    case busy
    /// Sends what no honest node sends.
    case babbler
}

/// One node: the real exchange, and a virtual shell with disk and registry.
struct SimulatedNode {
    let name: PeerName
    let behaviour: Behaviour
    var exchange: PieceExchange

    /// Contents by piece.
    var disk: [Digest: [Int: UInt64]] = [:]
    /// Whose digest each piece on disk matched, as a store's journal has it.
    var authors: [Digest: [Int: PeerName]] = [:]
    var whole: Set<Digest> = []
    var ended: [Digest: ExchangeAction.WantFailure?] = [:]
    var wanted: Set<Digest> = []
    /// The payload that waits for the answer to `pieceArrived`.
    var payload: UInt64?
    var fetches: [Digest: Fetch] = [:]
    /// The fetches before those, while they end.
    var tails: [Digest: Fetch] = [:]
    var uplinkFreeAt: UInt64 = 0
    var originBytes = 0
    var originFailsPercent = 0
    var originAllowed = true
    var originIsGone = false
    var seesRegister = false
    /// The tick that is scheduled.
    var tickAt: UInt64?

    struct Fetch {
        var rest: Range<Int>
        let serial: Int
    }
}
