import EventLoop
import PieceExchange

/// A piece on its way to a peer.
struct OutgoingPiece {
    enum Content {
        case bytes([UInt8])
        /// The file stays open until `ended`.
        case file(Int32, offset: Int64)
    }

    let header: PeerMessage.PieceHeader
    let content: Content
    /// Called once: when all of it has left, or never will.
    let ended: @LoopActor () -> Void
}
