/// Where a peer listens: a host and a TCP port, safe to stand in logs, tables and settings.
package struct PeerEndpoint: Hashable, Sendable {
    /// Longest name of the domain name system.
    package static let hostBytesMax = 253

    /// A literal address without brackets, or a name.
    package let host: String
    package let port: UInt16

    /// `nil` for port 0, and for a host that is empty, too long, or has a character that neither names nor
    /// literal addresses have.
    package init?(host: String, port: UInt16) {
        guard !host.isEmpty, host.utf8.count <= Self.hostBytesMax, host.utf8.allSatisfy(Self.isHostByte),
            port != 0
        else { return nil }
        self.host = host
        self.port = port
    }

    /// Takes `host:port` and `[address]:port`.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy(Self.isDigit), let port = UInt16(digits) else {
            return nil
        }
        self.init(host: String(host), port: port)
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "%"), UInt8(ascii: "_"): true
        default: isDigit(byte) || (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}

extension PeerEndpoint: Comparable {
    package static func < (left: PeerEndpoint, right: PeerEndpoint) -> Bool {
        (left.host, left.port) < (right.host, right.port)
    }
}

extension PeerEndpoint: CustomStringConvertible {
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
