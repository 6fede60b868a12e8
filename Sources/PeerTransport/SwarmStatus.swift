package import EventLoop
package import OCIModel
import PieceExchange
package import PieceModel
package import TLS
package import Wire

/// Bytes of pieces in one direction: as they are, and as they travelled (smaller where zstd paid).
package struct PieceTraffic: Hashable, Sendable {
    package var pieces: Int64 = 0
    package var rawBytes: Int64 = 0
    package var wireBytes: Int64 = 0
    /// Of `rawBytes`, those of pieces that travelled compressed.
    package var compressedBytes: Int64 = 0

    package init() {}

    init(raw: Int, wire: Int) { count(raw: raw, wire: wire) }

    mutating func count(raw: Int, wire: Int) {
        pieces += 1
        rawBytes += Int64(raw)
        wireBytes += Int64(wire)
        if wire < raw { compressedBytes += Int64(raw) }
    }
}

/// Where a blob's bytes came from.
package struct DownloadSources: Hashable, Sendable {
    /// Pieces that matched, by the peer that sent them.
    package var peerBytes: [PeerName: Int64] = [:]
    /// Read from the registry.
    package var originBytes: Int64 = 0
    /// Already on disk when the download began.
    package var resumedBytes: Int64 = 0
}

/// What the swarm does at this moment.
package struct SwarmStatus: Sendable {
    package struct Peer: Sendable {
        package enum State: Hashable, Sendable {
            case connected(outbound: Bool)
            case disconnected
            /// Until `secondsLeft` have passed.
            case banned(BanCause, secondsLeft: Int)
        }

        package var name: PeerName
        /// `host:port` of the connection, or of the last one.
        package var address = ""
        /// As it said when it was greeted last.
        package var zone: Zone?
        /// Where this node dials it; none while it is known only because it dialled this node.
        package var endpoints: [PeerEndpoint] = []
        package var state = State.disconnected
        /// What it showed on the connection that is open; `nil` over plaintext, and when none is.
        package var certificate: Certificate?
        package var received = PieceTraffic()
        package var sent = PieceTraffic()
    }

    package struct Unreached: Sendable {
        package var endpoint: PeerEndpoint
        /// What became of the last dial, in a few words; empty when none has ended.
        package var reason: String
    }

    package struct Download: Sendable {
        package var blob: Digest
        package var bytes: Int64
        package var heldBytes: Int64
        package var readers: Int
        package var sources: DownloadSources
    }

    package var name: PeerName
    package var peers: [Peer]
    /// Endpoints whose owner is not known, because it was never reached.
    package var unreached: [Unreached]
    package var downloads: [Download]
    /// Since the start, over all peers.
    package var received: PieceTraffic
    package var sent: PieceTraffic
    /// Read from registries for blobs since the start.
    package var originBytes: Int64
}

/// Why a peer is not talked to for a while.
package enum BanCause: Hashable, Sendable {
    case wrongBytes
    case wrongDigests
    /// It broke a rule of the protocol.
    case protocolViolation

    init(_ reason: ExchangeAction.BanReason) {
        switch reason {
        case .wrongBytes: self = .wrongBytes
        case .wrongDigests: self = .wrongDigests
        case .protocolViolation: self = .protocolViolation
        }
    }
}

/// Why a connection to a peer ended.
package enum DisconnectCause: Equatable, Sendable {
    case closedByPeer(Goodbye?)
    case failed(LoopError)
    case violation(WireError)
    /// A frame that is right in itself but not allowed at that moment.
    case outOfTurn
    case noHello
    case silent
    /// It took what was sent no longer, or far slower than it asked for more.
    case stalled
    /// Its certificate expired, or is of an authority that is no longer trusted.
    case distrusted
    /// Closed by this node, for this reason.
    case closedHere(Goodbye)
}

/// What happens in the swarm that an operator may want to read in the log.
package enum SwarmEvent: Sendable {
    case peerConnected(PeerName, address: String, outbound: Bool)
    case peerDisconnected(PeerName, address: String, DisconnectCause)
    /// A connection ended before it was a peer's.
    case strangerDisconnected(address: String, DisconnectCause)
    case dialFailed(PeerEndpoint, LoopError)
    /// Somebody, who dialled or was dialled there, is no peer.
    case strangerRefused(address: String, PeerRefusal)
    case peerBanned(PeerName, BanCause, seconds: Int)
    case downloadStarted(Digest, bytes: Int64, resumedBytes: Int64)
    /// Of a blob of that registry (empty where nobody said), after so long.
    case downloadFinished(Digest, DownloadSources, registry: String, nanoseconds: UInt64)
    case downloadFailed(Digest, DownloadFailure)
    /// The blob as a whole did not match its digest; so many pieces are fetched again.
    case blobMismatched(Digest, piecesDropped: Int)
}
