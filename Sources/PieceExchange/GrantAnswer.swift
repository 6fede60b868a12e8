import PieceModel

/// What whoever keeps the grants of a blob says to the question which pieces may be read from the registry.
package enum GrantAnswer: Equatable, Sendable {
    /// Within one of the runs that were asked for.
    case granted(Range<Int>)
    /// Others read, or have read, all of it.
    case refused(retryAfterMillis: UInt64)
}

/// Who keeps the grants of a blob.
enum GrantKeeper: Equatable, Sendable {
    /// Found by rendezvous hashing; may be this node itself.
    case member(PeerName)
    /// Outside of the nodes, and the same for all of them.
    case register
}
