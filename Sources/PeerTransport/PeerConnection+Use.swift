import EventLoop
import PieceExchange
import Wire

/// When a connection ends that is not needed, or not wanted.
extension PeerConnection {
    static let goodbyeMillis: UInt64 = 1_000
    /// With more than this before it, the goodbye would hold up the end.
    static let goodbyeQueueMax = 256 << 10

    func close(_ goodbye: Goodbye) { end(.closedHere(goodbye), saying: goodbye) }

    /// The other side's certificate is not good any more.
    func distrust() { end(.distrusted, saying: .unspecified) }

    /// Everybody is asked what they hold, and told: that alone is no use.
    func noteUse(_ message: PeerMessage) {
        switch message {
        case .interest, .intent, .uninterest, .holdings: break
        case .pieceDigests, .have, .request, .piece, .refuse, .cancel, .grantRequest, .grant, .grantRefused,
            .grantProgress:
            lastUsed = Loop.nowNanoseconds
        }
    }

    func isIdle(forMillis millis: UInt64, now: UInt64) -> Bool {
        now > lastUsed && (now - lastUsed) / 1_000_000 >= millis
    }
}
