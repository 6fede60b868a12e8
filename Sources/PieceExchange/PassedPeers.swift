import PieceModel

/// Peers that held nothing of a blob and did not ask for it, until they are asked again: all together, after pauses
/// that double.
struct PassedPeers: Sendable {
    private static let doublingsMax = 4

    private var peers: Set<PeerID> = []
    /// When the first of them was passed over.
    private var since = Instant(nanoseconds: 0)
    private var releases = 0

    var isEmpty: Bool { peers.isEmpty }

    func contains(_ peer: PeerID) -> Bool { peers.contains(peer) }

    mutating func insert(_ peer: PeerID, _ now: Instant) {
        if peers.isEmpty { since = now }
        peers.insert(peer)
    }

    mutating func remove(_ peer: PeerID) { peers.remove(peer) }

    func due(firstPauseMillis: UInt64) -> Instant {
        since.adding(milliseconds: firstPauseMillis << UInt64(min(releases, Self.doublingsMax)))
    }

    mutating func release() {
        peers = []
        releases += 1
    }
}
