/// A proxy that dials on our behalf, and resolves the names: HTTP (CONNECT for https URLs) or SOCKS 5.
package struct TransferProxy: Hashable, Sendable {
    /// As libcurl takes it.
    let text: String

    /// Takes `http://host:port` and `socks5://host:port`, without user, path or query.
    package init?(_ text: String) {
        let isSOCKS = text.hasPrefix("socks5://")
        guard isSOCKS || text.hasPrefix("http://") else { return nil }
        let authority = text.dropFirst(isSOCKS ? "socks5://".count : "http://".count)
        let hasPort = authority.lastIndex(of: ":").map { !authority[$0...].contains("]") } ?? false
        guard hasPort, let url = TransferURL("http://\(authority)"), url.target == "/" else { return nil }
        // With `socks5h` the name goes to the proxy: a node behind one often cannot resolve it.
        self.text = "\(isSOCKS ? "socks5h" : "http")://\(url.host):\(url.port)"
    }

    /// Whether it may be asked to dial a host under a policy.
    ///
    /// Where a name leads is the proxy's to know and to forbid, so only addresses and names of the proxy's own
    /// machine are judged here.
    static func mayDial(_ host: String, _ policy: AddressPolicy) -> Bool {
        let name = host.hasSuffix(".") ? String(host.dropLast()) : host
        let isLocal = name == "localhost" || name.hasSuffix(".localhost")
        guard let address = isLocal ? .loopback : AddressClass(text: name) else { return true }
        return policy.allows(address)
    }
}
