package import PieceModel
package import TLS

/// Why somebody is no peer.
package enum PeerRefusal: Error, Hashable, Sendable {
    /// The handshake failed.
    case handshake(TLSError)
    /// Its address is none that peers may have.
    case address
    /// Its certificate says other addresses than the one it has.
    case elsewhere(certificate: String)
    /// It says a name that is not in its certificate.
    case name(PeerName, certificate: String)
    /// More handshakes are under way than may be, in all or with its host.
    case crowd
}

extension PeerRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .handshake(.notTLS): "what came is not TLS: does it speak plaintext?"
        case .handshake(let error): "\(error)"
        case .address: "its address is not in peers.allow"
        case .elsewhere(let certificate): "the certificate of \(certificate) is for other addresses"
        case .name(let name, let certificate): "it says that it is \(name), with the certificate of \(certificate)"
        case .crowd: "too many handshakes at once"
        }
    }
}

extension Certificate {
    /// Whether the node of that name may show this certificate: the name is a host in it, or it has the identity
    /// `spiffe://CLUSTER/NAME`. Spelled exactly so: nodes that differ in case only are two.
    package func names(_ node: PeerName, cluster: String) -> Bool {
        hosts.contains(node.text) || uris.contains("spiffe://\(cluster)/\(node.text)")
    }

    /// A certificate that lists addresses is good from these only.
    func isGood(from host: String) -> Bool { addresses.isEmpty || addresses.contains(host) }
}
