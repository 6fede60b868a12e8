/// Bounds on what the node may take of its host and its network: the table `[limits]`. Rates in bytes a second,
/// `nil` for none.
package struct LimitSettings: Equatable, Sendable {
    /// Pieces to peers.
    package var upload: UInt64?
    /// Everything from peers.
    package var download: UInt64?
    /// Blobs from registries, all of them together.
    package var origin: UInt64?
    package var peerConnections = 256
    package var mirrorConnections = 1024
    /// Bytes on their way from registries to the disk.
    package var buffers = 8 << 20
    /// The code point (DSCP) of packets to peers.
    package var trafficClass: UInt8 = 0
}
