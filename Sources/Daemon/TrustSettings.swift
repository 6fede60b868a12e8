package import EventLoop
import PieceModel

/// How nodes know each other: `peers.tls`, `peers.insecure_plaintext` and `peers.allow`.
package struct TrustSettings: Equatable, Sendable {
    /// Files in PEM: this node's certificate, its key, and the authorities whose certificates it takes.
    package var certificate: String?
    package var key: String?
    package var authorities: [String] = []
    package var insecurePlaintext = false
    package var allowed: [AllowedRange] = []

    /// One entry of `peers.allow`; without a port, that of `peers.listen` is meant.
    package struct AllowedRange: Equatable, Sendable {
        package var addresses: AddressRange
        package var port: UInt16?

        /// Reads `ADDRESS/BITS` and `ADDRESS/BITS:PORT`, an IPv6 range with a port as `[ADDRESS/BITS]:PORT`.
        package init?(_ text: String) {
            var range = text[...]
            var port: Substring?
            if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
                range = text[text.index(after: text.startIndex)..<end]
                guard text[end...].hasPrefix("]:") else { return nil }
                port = text[end...].dropFirst(2)
            } else if let colon = text.firstIndex(of: ":"), text.lastIndex(of: ":") == colon {
                range = text[..<colon]
                port = text[text.index(after: colon)...]
            }
            guard let addresses = AddressRange(String(range)) else { return nil }
            self.addresses = addresses
            if let port {
                guard let number = UInt16(port), number > 0 else { return nil }
                self.port = number
            }
        }
    }

    /// Whether any file is named.
    package var isTLS: Bool { certificate != nil || key != nil || !authorities.isEmpty }
}

extension Settings {
    /// Whether nodes talk in plaintext over something that is more than this host.
    package var isPlaintextOnNetwork: Bool { peersListen != nil && !trust.isTLS && !isPeerPortLocal }

    private var isPeerPortLocal: Bool {
        Self.isLoopback(peersListen?.host ?? "") && peersAdvertise.map { Self.isLoopback($0.host) } ?? true
    }

    private static func isLoopback(_ host: String) -> Bool {
        guard let loopback = AddressRange("127.0.0.0/8") else { return false }
        return host == "localhost" || host == "::1" || loopback.contains(host)
    }

    /// Why these settings cannot be, as far as nodes' trust goes; with the key that is meant.
    var trustProblem: String? {
        if trust.isTLS {
            let missing = [
                ("certificate", trust.certificate == nil), ("key", trust.key == nil),
                ("authorities", trust.authorities.isEmpty),
            ].first(where: \.1)
            if let (key, _) = missing { return "peers.tls also needs \(key): `hawker cert` makes all that a cluster needs" }
            if peersListen == nil { return "peers.tls needs peers.listen: peers ask each other" }
            if trust.insecurePlaintext { return "peers.insecure_plaintext does not go with peers.tls: leave one out" }
        }
        if isPlaintextOnNetwork, !trust.insecurePlaintext {
            return "peers.listen or peers.advertise is more than loopback, so peers.tls is needed: `hawker cert` makes "
                + "the certificates; on a network that only the nodes can reach, peers.insecure_plaintext = true"
        }
        return nil
    }
}
