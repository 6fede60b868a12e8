/// What became of requests for grants since the start.
package struct GrantCounters: Hashable, Sendable {
    /// As the member that keeps the grants of a blob, for this node and for others.
    package var given: UInt64 = 0
    package var denied: UInt64 = 0
    /// For blobs that this node wants, by whichever member keeps them.
    package var received: UInt64 = 0
    package var refused: UInt64 = 0
    /// Keepers that did not answer, or had nothing for too long, and were passed over.
    package var unanswered: UInt64 = 0
}
