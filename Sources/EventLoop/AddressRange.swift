import CLibuv
import Glibc

/// A block of IPv4 or IPv6 addresses in CIDR notation (RFC 4632), such as `10.0.0.0/8`.
package struct AddressRange: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes in network order; those behind the prefix are 0.
    private let bytes: [UInt8]
    private let prefixBits: Int

    /// Takes `ADDRESS/BITS`, or an address alone. `nil` for anything else, and when bits behind the prefix are set:
    /// then one of the two was not meant so.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let bytes = Self.bytes(of: String(first)) else { return nil }
        var prefixBits = bytes.count * 8
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let bits = Int(parts[1]),
                bits <= prefixBits
            else { return nil }
            prefixBits = bits
        }
        self.bytes = bytes
        self.prefixBits = prefixBits
        guard (prefixBits..<bytes.count * 8).allSatisfy({ !Self.bit($0, of: bytes) }) else { return nil }
    }

    /// Whether a literal address lies in it; an IPv4 address that is mapped into IPv6 counts as the former.
    package func contains(_ host: String) -> Bool {
        guard let other = Self.bytes(of: host), other.count == bytes.count else { return false }
        return (0..<prefixBits).allSatisfy { Self.bit($0, of: other) == Self.bit($0, of: bytes) }
    }

    package var description: String {
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer -> String in
            let family = bytes.count == 4 ? AF_INET : AF_INET6
            guard let base = buffer.baseAddress, uv_inet_ntop(family, bytes, base, buffer.count) == 0 else { return "?" }
            return String(cString: base)
        }
        return "\(text)/\(prefixBits)"
    }

    private static func bit(_ index: Int, of bytes: [UInt8]) -> Bool {
        bytes[index / 8] >> UInt8(7 - index % 8) & 1 == 1
    }

    private static func bytes(of host: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        guard !host.utf8.contains(0) else { return nil }
        if uv_inet_pton(AF_INET, host, &bytes) == 0 { return Array(bytes.prefix(4)) }
        // A zone says which link, not which address.
        guard !host.contains("%"), uv_inet_pton(AF_INET6, host, &bytes) == 0 else { return nil }
        let isMapped = bytes.prefix(10).allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
        return isMapped ? Array(bytes.suffix(4)) : bytes
    }
}
