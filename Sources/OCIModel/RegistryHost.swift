import Glibc

/// The name of a registry: a DNS name, an IPv4 or an IPv6 address, with an optional port.
///
/// Only spellings with one meaning exist as values. Names are lower case; an address is in its canonical
/// spelling; `localhost.`, `0x7f.1`, `a@b`, an IPv4-mapped IPv6 address or a zone are not hosts. Whether a
/// host may be dialled is not decided here: a resolver can still turn any name into any address.
package struct RegistryHost: Hashable, Sendable {
    /// The lower-case DNS name or the address; an IPv6 address is without brackets.
    package let name: String
    /// As written; a missing port means the scheme's own, and differs from that port written out.
    package let port: UInt16?
    package let isIPv6: Bool

    /// Longest accepted text: a DNS name of 253 characters and `:65535`.
    package static let textBytesMax = 259
    private static let labelBytesMax = 63

    /// Takes `host`, `host:port`, `[IPv6]` or `[IPv6]:port`; `nil` for anything else.
    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty, bytes.count <= Self.textBytesMax else { return nil }
        let hostBytes: ArraySlice<UInt8>
        let rest: ArraySlice<UInt8>
        if bytes.first == UInt8(ascii: "[") {
            guard let bracket = bytes.firstIndex(of: UInt8(ascii: "]")),
                let address = Self.canonicalIPv6(bytes[1..<bracket])
            else { return nil }
            name = address
            isIPv6 = true
            rest = bytes[(bracket + 1)...]
        } else {
            let colon = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.endIndex
            hostBytes = bytes[..<colon]
            guard let parsed = Self.canonicalName(hostBytes) else { return nil }
            name = parsed
            isIPv6 = false
            rest = bytes[colon...]
        }
        if rest.isEmpty {
            port = nil
        } else {
            guard rest.first == UInt8(ascii: ":"), let parsed = Self.port(rest.dropFirst()) else {
                return nil
            }
            port = parsed
        }
    }

    /// Takes `http://host[:port]` or `https://host[:port]`, with or without one final slash.
    ///
    /// This is how Dragonfly's `X-Dragonfly-Registry` header names a registry. The scheme is dropped: how a
    /// registry is reached is the node's own setting. User info, path, query and fragment are refused.
    package init?(url: some StringProtocol) {
        var authority: Substring
        if url.hasPrefix("https://") {
            authority = Substring(url.dropFirst("https://".count))
        } else if url.hasPrefix("http://") {
            authority = Substring(url.dropFirst("http://".count))
        } else {
            return nil
        }
        if authority.hasSuffix("/") { authority = authority.dropLast() }
        self.init(authority)
    }

    private init(known name: String) {
        self.name = name
        port = nil
        isIPv6 = false
    }

    /// Docker Hub under the name that image references use.
    package static let dockerHub = RegistryHost(known: "docker.io")

    /// The host that speaks the registry API for Docker Hub; `docker.io` itself does not.
    package static let dockerHubEndpoint = RegistryHost(known: "registry-1.docker.io")

    /// The name under which this registry is known to allow-lists and caches.
    ///
    /// `docker.io`, `index.docker.io` and `registry-1.docker.io` are one registry, spelled by image
    /// references, by old clients and by containerd's own requests.
    package var canonical: RegistryHost {
        guard port == nil else { return self }
        return name == "index.docker.io" || name == Self.dockerHubEndpoint.name ? .dockerHub : self
    }

    /// The host to which requests for this registry go.
    package var endpoint: RegistryHost {
        canonical == .dockerHub ? .dockerHubEndpoint : self
    }

    private static func port(_ digits: ArraySlice<UInt8>) -> UInt16? {
        guard let first = digits.first, first != UInt8(ascii: "0"), digits.count <= 5,
            digits.allSatisfy(ASCII.isDigit), let value = UInt16(String(decoding: digits, as: UTF8.self))
        else { return nil }
        return value
    }

    private static func canonicalName(_ bytes: ArraySlice<UInt8>) -> String? {
        guard !bytes.isEmpty, bytes.count <= 253 else { return nil }
        let labels = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        for label in labels {
            guard let first = label.first, let last = label.last, label.count <= labelBytesMax,
                first != UInt8(ascii: "-"), last != UInt8(ascii: "-"),
                label.allSatisfy({ ASCII.isAlphanumeric($0) || $0 == UInt8(ascii: "-") })
            else { return nil }
        }
        // Resolvers read a name whose last label is a number as an address, in octal, hexadecimal and short
        // forms too (inet_aton(3)): such a name is an address here only in its plain spelling.
        if let last = labels.last, isNumeric(last) {
            guard labels.count == 4, labels.allSatisfy(isPlainOctet) else { return nil }
        }
        return String(decoding: bytes.map(ASCII.lowercased), as: UTF8.self)
    }

    private static func isNumeric(_ label: ArraySlice<UInt8>) -> Bool {
        if label.allSatisfy(ASCII.isDigit) { return true }
        let isHexPrefixed = label.starts(with: Array("0x".utf8)) || label.starts(with: Array("0X".utf8))
        return isHexPrefixed && label.dropFirst(2).allSatisfy(ASCII.isHexDigit)
    }

    private static func isPlainOctet(_ label: ArraySlice<UInt8>) -> Bool {
        guard label.allSatisfy(ASCII.isDigit), label.count <= 3 else { return false }
        if label.count > 1, label.first == UInt8(ascii: "0") { return false }
        return UInt8(String(decoding: label, as: UTF8.self)) != nil
    }

    private static func canonicalIPv6(_ bytes: ArraySlice<UInt8>) -> String? {
        guard bytes.count <= 45, bytes.allSatisfy({ ASCII.isHexDigit($0) || $0 == UInt8(ascii: ":") }) else {
            return nil
        }
        var address = in6_addr()
        guard inet_pton(AF_INET6, String(decoding: bytes, as: UTF8.self), &address) == 1 else { return nil }
        let raw = withUnsafeBytes(of: &address) { Array($0) }
        // ::ffff:0:0/96 and the deprecated ::/96 are IPv4 addresses in disguise; `::1` and `::` are not.
        let isMapped = raw[..<10].allSatisfy { $0 == 0 } && raw[10] == 0xff && raw[11] == 0xff
        let isCompatible = raw[..<12].allSatisfy { $0 == 0 } && raw[12..<15].contains { $0 != 0 }
        guard !isMapped, !isCompatible else { return nil }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, &address, &text, socklen_t(text.count)) != nil else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension RegistryHost: CustomStringConvertible {
    /// `host[:port]`, IPv6 in brackets: what the `Host` header, `ns=` and image references carry.
    package var description: String {
        let host = isIPv6 ? "[\(name)]" : name
        return port.map { "\(host):\($0)" } ?? host
    }
}

/// Byte classes of the grammars in this module; bytes outside ASCII are in none of them.
enum ASCII {
    static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    static func isLower(_ byte: UInt8) -> Bool { byte >= 0x61 && byte <= 0x7a }
    static func isUpper(_ byte: UInt8) -> Bool { byte >= 0x41 && byte <= 0x5a }
    static func isAlphanumeric(_ byte: UInt8) -> Bool { isDigit(byte) || isLower(byte) || isUpper(byte) }
    static func isHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (byte >= 0x61 && byte <= 0x66) || (byte >= 0x41 && byte <= 0x46)
    }
    static func lowercased(_ byte: UInt8) -> UInt8 { isUpper(byte) ? byte | 0x20 : byte }
}
