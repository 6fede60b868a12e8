import Glibc
package import PieceModel

/// Tells this node's own endpoint from the others', so that it is not dialled. (Should one slip through, the
/// greeting tells: it carries the node's name.)
package struct OwnEndpoint: Sendable {
    /// What `peers.advertise` says.
    package var advertised: PeerEndpoint?
    /// Literal address that is listened on, and the port. An address that stands for all means each of the host's.
    package var listenHost: String
    package var listenPort: UInt16

    package init(advertised: PeerEndpoint? = nil, listenHost: String, listenPort: UInt16) {
        self.advertised = advertised
        self.listenHost = listenHost
        self.listenPort = listenPort
    }

    package var listensEverywhere: Bool { ["0.0.0.0", "::"].contains(listenHost) }

    /// The endpoint that others can dial, if that is known without asking anybody.
    package var reachable: PeerEndpoint? {
        if let advertised { return advertised }
        return listensEverywhere ? nil : PeerEndpoint(host: listenHost, port: listenPort)
    }

    /// Asks the kernel for the host's addresses, which it answers from memory.
    func matcher() -> Matcher {
        var own: Set<PeerEndpoint> = []
        for host in listensEverywhere ? Self.hostAddresses() : [listenHost] {
            if let endpoint = PeerEndpoint(host: host, port: listenPort) { own.insert(endpoint) }
        }
        if let advertised { own.insert(advertised) }
        return Matcher(own: own)
    }

    struct Matcher: Sendable {
        fileprivate let own: Set<PeerEndpoint>

        func isOwn(_ endpoint: PeerEndpoint) -> Bool { own.contains(endpoint) }
    }

    /// Literal addresses of all interfaces; empty when the kernel does not say.
    private static func hostAddresses() -> [String] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        var addresses: [String] = []
        var next = first
        while let entry = next?.pointee {
            if let text = entry.ifa_addr.flatMap(literal) { addresses.append(text) }
            next = entry.ifa_next
        }
        return addresses
    }

    private static func literal(_ address: UnsafeMutablePointer<sockaddr>) -> String? {
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { AddressText.of($0.pointee.sin_addr) }
        case AF_INET6:
            address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { AddressText.of($0.pointee.sin6_addr) }
        default: nil
        }
    }
}

extension PeerEndpoint {
    /// Whether the host is an address and no name.
    package var hasLiteralHost: Bool {
        var bytes = in6_addr()
        return inet_pton(AF_INET, host, &bytes) == 1 || inet_pton(AF_INET6, host, &bytes) == 1
    }
}

/// The one spelling of an address, as inet_ntop(3) has it.
enum AddressText {
    static func of(_ address: in_addr) -> String? {
        withUnsafePointer(to: address) { text(AF_INET, $0) }
    }

    static func of(_ address: in6_addr) -> String? {
        withUnsafePointer(to: address) { text(AF_INET6, $0) }
    }

    private static func text(_ family: Int32, _ address: UnsafeRawPointer) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            guard let base = buffer.baseAddress else { return nil }
            return inet_ntop(family, address, base, socklen_t(buffer.count)).map { String(cString: $0) }
        }
    }
}
