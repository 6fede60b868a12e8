package import PieceModel

/// A Redis server as the settings name it.
package struct RedisAddress: Hashable, Sendable {
    package let endpoint: PeerEndpoint
    /// Spoken to over TLS.
    package let isSecure: Bool

    private static let defaultPort: UInt16 = 6379

    /// Takes `host:port`, `redis://host:port`, and `rediss://host:port` for TLS; with a scheme the port may be missing.
    /// `nil` for anything else, such as a URL with a password in it.
    package init?(_ text: String) {
        let schemes = [("rediss://", true), ("redis://", false)]
        guard let (scheme, isSecure) = schemes.first(where: { text.hasPrefix($0.0) }) else {
            self.init(PeerEndpoint(text), isSecure: false)
            return
        }
        var rest = text.dropFirst(scheme.count)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        let isBare = rest.hasSuffix("]") || !rest.contains(":")
        self.init(PeerEndpoint(isBare ? "\(rest):\(Self.defaultPort)" : String(rest)), isSecure: isSecure)
    }

    private init?(_ endpoint: PeerEndpoint?, isSecure: Bool) {
        guard let endpoint else { return nil }
        (self.endpoint, self.isSecure) = (endpoint, isSecure)
    }
}

extension RedisAddress: CustomStringConvertible {
    package var description: String { isSecure ? "rediss://\(endpoint)" : "\(endpoint)" }
}
