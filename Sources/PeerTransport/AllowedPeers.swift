package import EventLoop

/// Where peers may be. Without any range, anywhere.
package struct AllowedPeers: Equatable, Sendable {
    private var ranges: [(addresses: AddressRange, port: UInt16)] = []

    package init() {}

    /// Peers in `addresses` may be dialled at `port` only, and may dial.
    package mutating func allow(_ addresses: AddressRange, port: UInt16) { ranges.append((addresses, port)) }

    /// Whether to take a connection from this literal address, whose port says nothing.
    func mayDial(_ host: String) -> Bool { ranges.isEmpty || ranges.contains { $0.addresses.contains(host) } }

    /// Whether to dial this literal address.
    func mayBeDialled(_ host: String, port: UInt16) -> Bool {
        ranges.isEmpty || ranges.contains { $0.port == port && $0.addresses.contains(host) }
    }

    package static func == (left: AllowedPeers, right: AllowedPeers) -> Bool {
        left.ranges.elementsEqual(right.ranges, by: ==)
    }
}
