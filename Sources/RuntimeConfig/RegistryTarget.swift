/// One registry that containerd is to ask through the mirror: `HOST`, or `HOST=URL` when it is not at
/// `https://HOST`, or `*` for all that have no settings of their own.
package struct RegistryTarget: Hashable, Sendable {
    /// As image names have it: `docker.io`, `registry:5000`.
    package let host: String
    /// Where the registry itself answers; scheme, host and port, no slash at the end.
    ///
    /// Empty for `*`.
    package let url: String
    /// Whether the user gave the URL.
    package let isExplicit: Bool

    /// Every registry that has no settings of its own.
    package static let all = RegistryTarget(host: "*", url: "", isExplicit: false)

    package var isAll: Bool { host == "*" }

    /// The words that name it to `apply`.
    package var option: String {
        isAll ? "--all-registries" : "--registry \(host)" + (isExplicit ? "=\(url)" : "")
    }

    private init(host: String, url: String, isExplicit: Bool) {
        self.host = host
        self.url = url
        self.isExplicit = isExplicit
    }

    package init?(_ text: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init
        )
        guard text != "*" else {
            self = .all
            return
        }
        guard let host = parts.first, Self.isHost(host) else { return nil }
        self.host = host
        guard parts.count == 2 else {
            url = Self.defaultURL(of: host)
            isExplicit = false
            return
        }
        guard let endpoint = Endpoint(parts[1]), endpoint.hasScheme, endpoint.path.isEmpty else { return nil }
        url = endpoint.url
        isExplicit = true
    }

    /// As it stands in a record: `HOST=URL`, whether or not the user gave the URL.
    static func recorded(_ text: String) -> RegistryTarget? {
        let host = text.prefix { $0 != "=" }
        if host == all.host { return all }
        guard let plain = RegistryTarget(String(host)), let given = RegistryTarget(text) else { return nil }
        return plain.url == given.url ? plain : given
    }

    /// Where containerd itself looks for a registry it knows only by name.
    static func defaultURL(of host: String) -> String {
        if host == "docker.io" { return "https://registry-1.docker.io" }
        return (Endpoint.isLoopback(host) ? "http://" : "https://") + host
    }

    /// The registry whose images containerd fetches from that host.
    static func host(ofAuthority authority: String) -> String {
        authority == "registry-1.docker.io" ? "docker.io" : authority
    }

    private static func isHost(_ text: String) -> Bool {
        guard !text.isEmpty, text.utf8.count <= 255, text != ".", text != ".." else { return false }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count > 1 {
            guard parts.count == 2 || text.hasPrefix("["), let port = parts.last, UInt16(port) != nil else {
                return false
            }
        }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
                UInt8(ascii: ":"),
                UInt8(ascii: "["), UInt8(ascii: "]"):
                true
            default: false
            }
        }
    }
}

/// A URL as containerd takes it for a mirror or host: without a scheme it is https, or http for this machine.
package struct Endpoint: Hashable, Sendable {
    package let scheme: String
    package let authority: String
    /// Empty, or with a slash at its front and none at its end.
    package let path: String
    let hasScheme: Bool

    package init?(_ text: String) {
        var rest = text[...]
        var scheme: String?
        for known in ["https", "http"] where text.lowercased().hasPrefix(known + "://") {
            scheme = known
            rest = text.dropFirst(known.count + 3)
        }
        guard !rest.contains("://") else { return nil }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        authority = rest[..<slash].lowercased()
        guard !authority.isEmpty,
            authority.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x27 }),
            !authority.contains(where: { "?#@\\".contains($0) })
        else { return nil }
        var path = String(rest[slash...])
        while path.hasSuffix("/") { path.removeLast() }
        guard path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !path.contains(where: { "?#\\".contains($0) })
        else {
            return nil
        }
        self.path = path
        hasScheme = scheme != nil
        self.scheme = scheme ?? (Self.isLoopback(authority) ? "http" : "https")
    }

    package var url: String { "\(scheme)://\(authority)\(path)" }

    static func isLoopback(_ authority: String) -> Bool {
        authority.hasPrefix("127.") || authority == "localhost" || authority.hasPrefix("localhost:")
            || authority.hasPrefix("[::1]")
    }

    /// Whether two texts name the same endpoint.
    static func same(_ left: String, _ right: String) -> Bool {
        guard let first = Endpoint(left), let second = Endpoint(right) else { return left == right }
        return first.url == second.url
    }
}
