import PieceModel

/// What a want may read from the registry by grant, and what it asked for.
struct Permit: Sendable {
    struct Question: Equatable, Sendable {
        let keeper: GrantKeeper
        let deadline: Instant
        /// Goes out as soon as the member is connected.
        var unsent: PeerMessage.GrantRequest?
    }

    /// The granted pieces that are being read, one running fetch after another.
    var reading: Range<Int>?
    /// The grant before, whose last pieces are read beside `reading`.
    var trailing: Range<Int>?
    /// Granted ahead, so that the registry is never idle for want of a grant.
    var next: Range<Int>?
    var question: Question?
    /// Told that there is nothing to read: not asked again before.
    var retryAt: Instant?
    /// Enough others ask for grants: this node does not before then.
    var othersAskUntil: Instant?
    /// Members that did not answer, or refused for too long: others keep the grants instead.
    var unheard: Set<PeerName> = []
    /// The register did not answer, or refused for too long: members keep the grants instead.
    var isDoneWithRegister = false
    /// When a grant came last, or the last thing was done that it takes patience to wait for.
    var grantedAt: Instant
    var reportedAt: Instant
    /// The member that keeps the grants; `nil` when it has to be found anew.
    var directory: PeerName?

    init(now: Instant) {
        grantedAt = now
        reportedAt = now
    }
}
