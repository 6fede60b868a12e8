package import PieceExchange
package import PieceModel
package import TLS

/// How a node takes part in the swarm. Times are in milliseconds.
package struct SwarmOptions: Sendable {
    package var name: PeerName
    /// Nodes of differing clusters refuse each other. Empty, or spelled like a node's name.
    package var cluster = ""
    /// The part of the cluster this node is in.
    package var zone: Zone?
    /// Literal address to listen on; `nil` to be reached by nobody.
    package var listenHost: String?
    /// 0 lets the kernel choose.
    package var listenPort: UInt16 = 0
    /// The code point (DSCP) of packets to peers, 0 to 63.
    package var trafficClass: UInt8 = 0
    /// Whether pieces are taken and sent compressed where that pays.
    package var compression = true
    package var exchange = ExchangeLimits()
    /// That are counted by name, whatever else there is.
    package var registries: [String] = []

    /// Has every connection begin with a TLS handshake; `nil` for plaintext.
    package var trust: TLSContext?
    /// Where peers may be.
    package var allowed = AllowedPeers()
    /// Handshakes under way that others began: in all, and with one host.
    package var handshakesMax = 128
    package var handshakesPerHostMax = 32
    /// A handshake that takes longer is given up.
    package var handshakeMillis: UInt64 = 3_000
    /// Connections open at once, strangers included; further ones are told that the node is busy.
    package var connectionsMax = 256
    /// Of more members than three quarters of these not all are connected: as many are sought, and one that is needed
    /// beyond them is let go when it was of no use for `idleMillis`. So a cluster of thousands is no more work than one
    /// of hundreds, and who comes last finds room.
    package var connectionsKept = 64
    package var idleMillis: UInt64 = 30_000
    /// Then one whose name is not known is dialled this often, to be told it. In simulation of 1,000 nodes that know
    /// only the names of 64, they choose so many keepers of grants that the registry sends a blob 23 times.
    package var visitMillis: UInt64 = 250
    /// Of them, those whose other side has not said who it is.
    package var strangersMax = 64
    /// A connection whose other side has not said Hello by then is closed.
    package var helloMillis: UInt64 = 5_000
    /// A peer that said nothing for `quietMillis` is pinged, and given up when still silent after
    /// `silentMillis`.
    package var quietMillis: UInt64 = 10_000
    package var silentMillis: UInt64 = 30_000
    /// A peer that takes not one byte of what waits for it in this time is given up.
    package var stallMillis: UInt64 = 30_000
    /// A peer for which more than this waits to be taken is given up: it asks faster than it listens.
    package var queuedBytesMax = 64 << 20
    package var connectMillis: UInt64 = 5_000
    /// A peer that cannot be reached is dialled again after a pause that doubles from the first to the
    /// second.
    package var redialMillisMin: UInt64 = 500
    package var redialMillisMax: UInt64 = 30_000

    /// Bytes from the registry waiting to be stored, of all blobs together; beyond its even share of them, a blob's
    /// transfer pauses.
    package var originBytesMax = 8 << 20
    /// How long a download that no reader wants goes on: containerd often comes back for the rest.
    package var lingerMillis: UInt64 = 5_000
    /// How long `locate` waits for peers.
    package var locateMillis: UInt64 = 300

    package init(name: PeerName) {
        self.name = name
    }
}
