import CPeerProto
import OCIModel
package import PieceExchange
import PieceModel
import ProtobufCodec

/// Turns peer messages into frames and back.
///
/// What it writes it also reads; what it reads it has checked field by field, so that no value outside the
/// protocol's limits gets past it.
package enum PeerCodec {
    package static func encode(_ hello: Hello) -> [UInt8] {
        frame(.hello, PeerSchemas.hello) { message, arena in
            message.version = hello.version
            message.node = arena.text(hello.node.text)
            message.cluster = arena.text(hello.cluster)
            message.zone = arena.text(hello.zone?.text ?? "")
            message.features = hello.takesZstd ? featureZstd : 0
            message.requests_max = UInt32(clamping: hello.requestsMax)
        }
    }

    package static func encode(_ goodbye: Goodbye) -> [UInt8] {
        frame(.goodbye, PeerSchemas.goodbye) { message, _ in
            message.reason = .init(rawValue: goodbye.rawValue)
        }
    }

    package static func encodePing() -> [UInt8] { frame(.ping, PeerSchemas.ping) { _, _ in } }

    package static func encodePong() -> [UInt8] { frame(.pong, PeerSchemas.pong) { _, _ in } }

    /// The frame of a message; for `piece` its head only: `payloadBytes` raw bytes have to follow.
    ///
    /// Keeps to the protocol's limits if the message does: digests and piece numbers within the counts of
    /// `PeerMessage.PieceDigests` and of `PeerMessage.haveCountMax`, bit fields of a `PieceLayout`.
    package static func encode(_ message: PeerMessage) -> [UInt8] {
        switch message {
        case .interest(let blob):
            frame(.interest, PeerSchemas.interest) { $0.blob = $1.digest(blob) }
        case .intent(let blob):
            frame(.interest, PeerSchemas.interest) { message, arena in
                message.blob = arena.digest(blob)
                message.silent = 1
            }
        case .uninterest(let blob):
            frame(.uninterest, PeerSchemas.uninterest) { $0.blob = $1.digest(blob) }
        case .holdings(let blob, let held):
            encode(blob: blob, held)
        case .pieceDigests(let run):
            encode(run)
        case .have(let have):
            encode(have)
        case .request(let request, let blob, let piece):
            frame(.request, stream: request, PeerSchemas.request) { message, arena in
                message.blob = arena.digest(blob)
                message.piece = piece
            }
        case .piece(let header):
            frame(.piece, stream: header.request, payloadBytes: header.payloadBytes, PeerSchemas.piece) {
                message,
                _ in
                message.encoding = .init(rawValue: UInt32(header.encoding.rawValue))
            }
        case .refuse(let request, let reason, let retryAfterMillis):
            frame(.refuse, stream: request, PeerSchemas.refuse) { message, _ in
                message.reason = .init(rawValue: UInt32(reason.rawValue))
                message.retry_after_millis = retryAfterMillis
            }
        case .cancel(let request):
            frame(.cancel, stream: request, PeerSchemas.cancel) { _, _ in }
        case .grantRequest, .grant, .grantRefused, .grantProgress: encodeGrants(message)
        }
    }

    private static func encode(blob: Digest, _ held: PeerMessage.Holdings?) -> [UInt8] {
        frame(.holdings, PeerSchemas.holdings) { message, arena in
            message.blob = arena.digest(blob)
            guard let held else { return }
            message.blob_bytes = UInt64(clamping: held.blobBytes)
            message.complete = held.complete ? 1 : 0
            message.bits = arena.bytes(held.bits)
            message.is_public = held.isPublic ? 1 : 0
        }
    }

    private static func encode(_ have: PeerMessage.Have) -> [UInt8] {
        frame(.have, PeerSchemas.have) { message, arena in
            message.blob = arena.digest(have.blob)
            message.n_pieces = have.pieces.count
            message.pieces = arena.array(have.pieces)
            message.held = have.held
            guard !have.digests.isEmpty else { return }
            message.digests = arena.bytes(have.digests.flatMap { $0.bytes })
            message.n_authors = have.authors.count
            message.authors = arena.array(have.authors.map { Optional(arena.text($0.text)) })
            message.n_author_of = have.authorOf.count
            message.author_of = arena.array(have.authorOf)
        }
    }

    private static func encode(_ run: PeerMessage.PieceDigests) -> [UInt8] {
        frame(.pieceDigests, PeerSchemas.pieceDigests) { message, arena in
            message.blob = arena.digest(run.blob)
            message.author = arena.text(run.author.text)
            message.first = run.first
            message.digests = arena.bytes(run.digests.flatMap { $0.bytes })
            message.chain = arena.bytes(run.chain.flatMap { $0.bytes })
        }
    }

    static func frame<Message>(
        _ type: PeerFrameType,
        stream: UInt32 = 0,
        payloadBytes: Int = 0,
        _ schema: ProtobufSchema<Message>,
        _ fill: (inout Message, ProtobufArena) -> Void
    ) -> [UInt8] {
        Frame(type: type.rawValue, stream: stream, message: schema.encode(fill)).head(
            payloadBytes: payloadBytes
        )
    }
}

extension PeerCodec {
    static let featureZstd: UInt32 = 1
}

enum PeerSchemas {
    static let hello = ProtobufSchema(hawker__peer__hello__init)
    static let goodbye = ProtobufSchema(hawker__peer__goodbye__init)
    static let interest = ProtobufSchema(hawker__peer__interest__init)
    static let uninterest = ProtobufSchema(hawker__peer__uninterest__init)
    static let holdings = ProtobufSchema(hawker__peer__holdings__init)
    static let pieceDigests = ProtobufSchema(hawker__peer__piece_digests__init)
    static let have = ProtobufSchema(hawker__peer__have__init)
    static let request = ProtobufSchema(hawker__peer__request__init)
    static let piece = ProtobufSchema(hawker__peer__piece__init)
    static let refuse = ProtobufSchema(hawker__peer__refuse__init)
    static let cancel = ProtobufSchema(hawker__peer__cancel__init)
    static let grantRequest = ProtobufSchema(hawker__peer__grant_request__init)
    static let grant = ProtobufSchema(hawker__peer__grant__init)
    static let grantRefused = ProtobufSchema(hawker__peer__grant_refused__init)
    static let grantProgress = ProtobufSchema(hawker__peer__grant_progress__init)
    static let ping = ProtobufSchema(hawker__peer__ping__init)
    static let pong = ProtobufSchema(hawker__peer__pong__init)
}

extension ProtobufArena {
    func digest(_ digest: Digest) -> ProtobufCBinaryData { bytes(digest.bytes) }
}
