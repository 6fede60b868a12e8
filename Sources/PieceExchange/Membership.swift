package import PieceModel

/// The members of the cluster that this node knows by name, connected or not; with or without itself.
///
/// Copies share their storage: ten thousand exchanges of one simulation know ten thousand names each.
package struct Membership: Sendable {
    let names: [PeerName]
    /// `Peer.key(of:)` of each name.
    let keys: [UInt64]

    package init(_ names: [PeerName]) {
        self.names = names
        keys = names.map { Peer.key(of: $0) }
    }

    var count: Int { names.count }
}
