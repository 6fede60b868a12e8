import Glibc

/// Where an IP address lies: what separates a content network from the metadata service of a cloud.
package enum AddressClass: Hashable, Sendable {
    case `public`
    /// RFC 1918, RFC 6598 (carrier NAT), RFC 2544 (test networks), RFC 4193 (unique local IPv6) and fec0::/10.
    case `private`
    case loopback
    /// 169.254.0.0/16 and fe80::/10, and the other addresses at which clouds keep the credentials of a machine.
    case linkLocal
    /// Unspecified, multicast, broadcast and reserved: never a registry.
    case unusable

    /// Takes 4 or 16 address bytes in network order; any other count is `unusable`.
    ///
    /// IPv6 forms that carry an IPv4 address (mapped, compatible, NAT64, 6to4) are judged by that address.
    package init(bytes: [UInt8]) {
        switch bytes.count {
        case 4: self = Self.ofIPv4(bytes[...])
        case 16: self = Self.ofIPv6(bytes)
        default: self = .unusable
        }
    }

    /// Takes an address in text form, with or without brackets; `nil` when it is not one.
    package init?(text: String) {
        let bare = text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : text
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, bare, &bytes) == 1 {
            self.init(bytes: Array(bytes.prefix(4)))
        } else if inet_pton(AF_INET6, bare, &bytes) == 1 {
            self.init(bytes: bytes)
        } else {
            return nil
        }
    }

    /// Metadata services outside of 169.254.0.0/16: Azure, Alibaba Cloud, Oracle Cloud.
    private static let metadataIPv4: [[UInt8]] = [[168, 63, 129, 16], [100, 100, 100, 200], [192, 0, 0, 192]]
    /// The same in IPv6: AWS (fd00:ec2::/32) and Google Cloud (fd20:ce::/32).
    private static let metadataIPv6: [[UInt8]] = [[0xfd, 0, 0x0e, 0xc2], [0xfd, 0x20, 0, 0xce]]

    /// Takes four bytes.
    private static func ofIPv4(_ bytes: ArraySlice<UInt8>) -> AddressClass {
        guard let first = bytes.first, let second = bytes.dropFirst().first else { return .unusable }
        if metadataIPv4.contains(where: bytes.elementsEqual) { return .linkLocal }
        return switch (first, second) {
        case (127, _): .loopback
        case (169, 254): .linkLocal
        case (10, _), (172, 16...31), (192, 168), (100, 64...127), (198, 18...19): .private
        case (0, _), (224..., _): .unusable
        default: .public
        }
    }

    private static func ofIPv6(_ bytes: [UInt8]) -> AddressClass {
        if bytes.prefix(15).allSatisfy({ $0 == 0 }) { return bytes[15] == 1 ? .loopback : .unusable }
        if bytes.prefix(12).allSatisfy({ $0 == 0 }) { return ofIPv4(bytes[12...]) }
        if bytes.prefix(10).allSatisfy({ $0 == 0 }), bytes[10] == 0xff, bytes[11] == 0xff {
            return ofIPv4(bytes[12...])
        }
        if bytes.prefix(12).elementsEqual([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]) {
            return ofIPv4(bytes[12...])
        }
        // RFC 8215: which part of such an address is the IPv4 one is the network's own business.
        if bytes.starts(with: [0, 0x64, 0xff, 0x9b, 0, 1]) { return .unusable }
        if bytes[0] == 0x20, bytes[1] == 0x02 { return ofIPv4(bytes[2..<6]) }
        // Teredo (RFC 4380) carries the client's address inverted; nothing that serves images is there.
        if bytes.starts(with: [0x20, 0x01, 0, 0]) { return .unusable }
        if metadataIPv6.contains(where: bytes.starts) { return .linkLocal }
        switch (bytes[0], bytes[1]) {
        case (0xfe, 0x80...0xbf): return .linkLocal
        case (0xfe, 0xc0...0xff): return .private
        case (0xfc...0xfd, _): return .private
        case (0xff, _): return .unusable
        default: return .public
        }
    }
}

/// Which addresses a request may reach; checked for the address really dialled, after name resolution.
package enum AddressPolicy: Hashable, Sendable {
    /// Everything: for addresses an operator wrote into the settings.
    case any
    /// For addresses a registry at `from` sent us to: public ones, and those of the registry's own class, so
    /// that a registry inside a private network may use its neighbours and one outside may not use ours. A
    /// loopback registry may also use private addresses; link-local ones are only for a registry that is
    /// itself there.
    case reachable(from: AddressClass)

    package func allows(_ address: AddressClass) -> Bool {
        switch self {
        case .any: true
        case .reachable(let registry):
            switch address {
            case .public: true
            case .private: registry == .private || registry == .loopback
            case .loopback, .linkLocal: registry == address
            case .unusable: false
            }
        }
    }
}
