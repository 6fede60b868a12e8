import EventLoop
import PieceModel
import Wire

/// Decides when one endpoint is dialled.
///
///     waiting --due--> dialling --connected--> connected --ended--> waiting
///                          |                                          ^
///                          +----------------failed--------------------+
///
/// The pause doubles with every failure in a row and is never the same for two nodes.
@LoopActor
final class Dialer {
    let endpoint: PeerEndpoint
    /// Who listens there, once known.
    private(set) var name: PeerName?
    /// It is this node itself: never dialled again.
    var isSelf = false
    /// Set while connected.
    weak var connection: PeerConnection?

    /// Why nobody is known there, in a few words.
    private(set) var lastFailure = ""

    /// The connection is beyond those that are kept, and is let go when it was of no use for so long.
    var idleMillis: UInt64?
    /// Or connected.
    private(set) var isDialling = false
    private var failures = 0
    private var due: UInt64 = 0

    init(endpoint: PeerEndpoint) {
        self.endpoint = endpoint
    }

    func isDue(_ now: UInt64) -> Bool { !isDialling && !isSelf && now >= due }

    func began() { isDialling = true }

    func reached(_ peer: PeerName) {
        name = peer
        failures = 0
    }

    /// Somebody whose name is known listened there when it was dialled last.
    var isReachable: Bool { name != nil && failures == 0 && !isSelf }

    /// Who listens there is connected already, by another way.
    func met(_ peer: PeerName, _ options: SwarmOptions) {
        reached(peer)
        pause(options)
    }

    func failed(_ reason: String, _ options: SwarmOptions) {
        lastFailure = reason
        failures += 1
        pause(options)
    }

    func ended(_ cause: DisconnectCause, _ options: SwarmOptions) {
        connection = nil
        idleMillis = nil
        lastFailure = if case .failed(let error) = cause, case .other(let text) = error.code { text } else { "\(cause)" }
        switch cause {
        case .closedByPeer(.banned), .closedByPeer(.notAPeer), .closedByPeer(.version),
            .closedHere(.notAPeer),
            .closedHere(.version):
            // Asking again soon would get the same answer.
            failures = 16
        case .closedByPeer, .failed, .violation, .outOfTurn, .noHello, .silent, .stalled, .distrusted, .closedHere:
            if name == nil { failures += 1 }
        }
        pause(options)
    }

    private func pause(_ options: SwarmOptions) {
        isDialling = false
        let doubled = options.redialMillisMin << UInt64(min(failures, 16))
        let millis = max(min(doubled, options.redialMillisMax), 1)
        due = Loop.nowNanoseconds &+ UInt64.random(in: millis / 2...millis) &* 1_000_000
    }
}
