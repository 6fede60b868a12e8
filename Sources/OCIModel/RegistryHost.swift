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
        var text = String(text)
        guard let host = text.withUTF8({ Self.parsed($0[...]) }) else { return nil }
        self = host
    }

    private typealias Bytes = Slice<UnsafeBufferPointer<UInt8>>

    private init(name: String, port: UInt16?, isIPv6: Bool) {
        self.name = name
        self.port = port
        self.isIPv6 = isIPv6
    }

    private static func parsed(_ bytes: Bytes) -> RegistryHost? {
        guard let first = bytes.first, bytes.count <= textBytesMax else { return nil }
        let isIPv6 = first == UInt8(ascii: "[")
        let name: String?
        let rest: Bytes
        if isIPv6 {
            guard let bracket = bytes.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            name = canonicalIPv6(bytes[..<bracket].dropFirst())
            rest = bytes[bracket...].dropFirst()
        } else {
            let colon = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.endIndex
            name = canonicalName(bytes[..<colon])
            rest = bytes[colon...]
        }
        guard let name else { return nil }
        if rest.isEmpty { return RegistryHost(name: name, port: nil, isIPv6: isIPv6) }
        guard rest.first == UInt8(ascii: ":"), let port = port(rest.dropFirst()) else { return nil }
        return RegistryHost(name: name, port: port, isIPv6: isIPv6)
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

    private init(known name: String) { self.init(name: name, port: nil, isIPv6: false) }

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

    private static func port(_ digits: Bytes) -> UInt16? {
        guard let first = digits.first, first != UInt8(ascii: "0"), digits.count <= 5 else { return nil }
        return number(digits).flatMap { UInt16(exactly: $0) }
    }

    /// Of at most five digits.
    private static func number(_ digits: Bytes) -> Int? {
        var value = 0
        for byte in digits {
            guard ASCII.isDigit(byte) else { return nil }
            value = value * 10 + Int(byte - 0x30)
        }
        return value
    }

    private static func canonicalName(_ bytes: Bytes) -> String? {
        guard !bytes.isEmpty, bytes.count <= 253 else { return nil }
        var (labels, octets) = (0, 0)
        var last = bytes
        var rest: Bytes? = bytes
        while let some = rest {
            let dot = some.firstIndex(of: UInt8(ascii: "."))
            last = some[..<(dot ?? some.endIndex)]
            guard isLabel(last) else { return nil }
            labels += 1
            if isPlainOctet(last) { octets += 1 }
            rest = dot.map { some[$0...].dropFirst() }
        }
        // Resolvers read a name whose last label is a number as an address, in octal, hexadecimal and short
        // forms too (inet_aton(3)): such a name is an address here only in its plain spelling.
        if isNumeric(last) {
            guard labels == 4, octets == 4 else { return nil }
        }
        return String(unsafeUninitializedCapacity: bytes.count) { name in
            name.initialize(fromContentsOf: bytes.lazy.map(ASCII.lowercased))
        }
    }

    private static func isLabel(_ label: Bytes) -> Bool {
        guard let first = label.first, let last = label.last, label.count <= labelBytesMax else { return false }
        return first != UInt8(ascii: "-") && last != UInt8(ascii: "-")
            && label.allSatisfy { ASCII.isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }

    private static func isNumeric(_ label: Bytes) -> Bool {
        if label.allSatisfy(ASCII.isDigit) { return true }
        let isHexPrefixed = label.starts(with: "0x".utf8) || label.starts(with: "0X".utf8)
        return isHexPrefixed && label.dropFirst(2).allSatisfy(ASCII.isHexDigit)
    }

    private static func isPlainOctet(_ label: Bytes) -> Bool {
        guard label.count <= 3, label.count == 1 || label.first != UInt8(ascii: "0") else { return false }
        return number(label).map { $0 <= UInt8.max } ?? false
    }

    private static func canonicalIPv6(_ bytes: Bytes) -> String? {
        guard bytes.count <= 45, bytes.allSatisfy({ ASCII.isHexDigit($0) || $0 == UInt8(ascii: ":") }) else {
            return nil
        }
        var address = in6_addr()
        let text = String(decoding: bytes, as: UTF8.self)
        guard inet_pton(AF_INET6, text, &address) == 1 else { return nil }
        let raw = withUnsafeBytes(of: &address) { Array($0) }
        // ::ffff:0:0/96 and the deprecated ::/96 are IPv4 addresses in disguise; `::1` and `::` are not.
        let isMapped = raw[..<10].allSatisfy { $0 == 0 } && raw[10] == 0xff && raw[11] == 0xff
        let isCompatible = raw[..<12].allSatisfy { $0 == 0 } && raw[12..<15].contains { $0 != 0 }
        guard !isMapped, !isCompatible else { return nil }
        var canonical = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, &address, &canonical, socklen_t(canonical.count)) != nil else { return nil }
        return String(decoding: canonical.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
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
