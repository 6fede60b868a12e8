package import PieceExchange
package import PieceModel

/// Everything that a frame between peers can say.
package enum PeerFrame: Equatable, Sendable {
    case hello(Hello)
    case goodbye(Goodbye)
    /// Any message but `piece`.
    case message(PeerMessage)
    /// A piece; `payload` is as it came, not yet unpacked or checked.
    case piece(PeerMessage.PieceHeader, payload: [UInt8])
    /// To be answered by `pong` at once.
    case ping
    case pong
}

/// The first frame of each side.
package struct Hello: Equatable, Sendable {
    package static let versionSpoken: UInt32 = 1

    package var version: UInt32
    package var node: PeerName
    /// Empty, or spelled like a node's name.
    package var cluster: String
    package var takesZstd: Bool
    package var zone: Zone?
    /// Piece requests that the receiver of this may have outstanding at its sender, at least 1.
    package var requestsMax: Int

    package init(
        version: UInt32 = versionSpoken,
        node: PeerName,
        cluster: String,
        zone: Zone? = nil,
        takesZstd: Bool,
        requestsMax: Int
    ) {
        self.version = version
        self.node = node
        self.cluster = cluster
        self.zone = zone
        self.takesZstd = takesZstd
        self.requestsMax = requestsMax
    }
}

/// Why a side closes the connection; `Protos/peer.proto` says when each is used.
package enum Goodbye: UInt32, Equatable, Sendable, CaseIterable {
    case unspecified = 0
    case stopping = 1
    case version = 2
    case notAPeer = 3
    case duplicate = 4
    case banned = 5
    case busy = 6
}

/// Frame types of `Protos/peer.proto`.
enum PeerFrameType: UInt8, CaseIterable {
    case hello = 1
    case goodbye = 2
    case interest = 3
    case uninterest = 4
    case holdings = 5
    case pieceDigests = 6
    case request = 7
    case piece = 8
    case refuse = 9
    case cancel = 10
    case have = 11
    case ping = 12
    case pong = 13
    case grantRequest = 14
    case grant = 15
    case grantRefused = 16
    case grantProgress = 17

    /// Whether the frame's stream is the number of a request; it is 0 otherwise.
    var belongsToRequest: Bool {
        switch self {
        case .request, .piece, .refuse, .cancel: true
        case .hello, .goodbye, .interest, .uninterest, .holdings, .pieceDigests, .have, .ping, .pong,
            .grantRequest, .grant, .grantRefused, .grantProgress:
            false
        }
    }
}

/// Limits of the protocol between peers.
package enum PeerLimits {
    package static let messageBytesMax = 64 << 10
    /// A piece, and what zstd may add to one that does not shrink.
    package static let payloadBytesMax = PieceLayout.pieceBytesMax + (64 << 10)
    /// Heap for unpacking one message: several times what the longest honest one takes.
    package static let unpackBudgetBytes = 384 << 10

    /// Before the other side's Hello came: nothing long is accepted from a stranger.
    package static let beforeHello = FrameLimits(messageBytesMax: 1024)
    package static let afterHello = FrameLimits(
        messageBytesMax: UInt32(messageBytesMax),
        payloadBytesMax: UInt32(payloadBytesMax),
        payloadType: PeerFrameType.piece.rawValue
    )
}
