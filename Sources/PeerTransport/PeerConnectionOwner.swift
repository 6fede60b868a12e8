import EventLoop
import PieceExchange
import Wire

/// Hears what a connection has to say.
@LoopActor
protocol PeerConnectionOwner: AnyObject {
    /// The other side's Hello came. The owner calls `open` or `close` before it returns.
    func connection(_ connection: PeerConnection, greeted hello: Hello)
    /// Only after `open`.
    func connection(_ connection: PeerConnection, received message: PeerMessage)
    func connection(_ connection: PeerConnection, received piece: PeerMessage.PieceHeader, payload: [UInt8])
    /// Once, whoever ended it; no more calls follow.
    func connection(_ connection: PeerConnection, endedBy cause: DisconnectCause)
}
