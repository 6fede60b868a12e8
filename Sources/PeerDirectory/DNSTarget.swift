import PieceModel

/// What `peers.dns` names: hosts by address records, which have no port, or by service records, which have.
package enum DNSTarget: Hashable, Sendable, CustomStringConvertible {
    /// A and AAAA records, as of a headless Service; all nodes listen on the same port.
    case hosts(name: String, port: UInt16)
    /// SRV records; the name begins with `_service._proto.`.
    case service(name: String)

    /// Takes `NAME:PORT`, `NAME` (then the port is `defaultPort`) and `_SERVICE._PROTO.NAME`.
    package init?(_ text: String, defaultPort: UInt16) {
        if text.hasPrefix("_") {
            let labels = text.split(separator: ".", omittingEmptySubsequences: false)
            guard labels.count > 2, labels[1].hasPrefix("_"), Self.isName(text) else { return nil }
            self = .service(name: text)
        } else if text.contains(":") {
            guard let endpoint = PeerEndpoint(text), Self.isName(endpoint.host) else { return nil }
            self = .hosts(name: endpoint.host, port: endpoint.port)
        } else {
            guard defaultPort != 0, Self.isName(text) else { return nil }
            self = .hosts(name: text, port: defaultPort)
        }
    }

    package var description: String {
        switch self {
        case .hosts(let name, let port): "\(name):\(port)"
        case .service(let name): name
        }
    }

    /// Labels of 1 to 63 bytes; a dot at the end, which keeps the search domains out, is fine.
    private static func isName(_ text: String) -> Bool {
        var labels = text.split(separator: ".", omittingEmptySubsequences: false)
        if labels.last?.isEmpty == true { labels.removeLast() }
        let isLong = text.utf8.count > PeerEndpoint.hostBytesMax
        return !isLong && !labels.isEmpty
            && labels.allSatisfy { label in
                !label.isEmpty && label.utf8.count <= 63
                    && label.utf8.allSatisfy {
                        $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || ($0 >= 0x30 && $0 <= 0x39)
                            || ($0 | 0x20 >= UInt8(ascii: "a") && $0 | 0x20 <= UInt8(ascii: "z"))
                    }
            }
    }
}
