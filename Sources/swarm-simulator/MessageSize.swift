import OCIModel
import PieceExchange
import PieceModel

/// Bytes that messages take on the wire: the header of `Protos/peer.proto` and the protobuf encoding.
enum MessageSize {
    private static let header = 16
    private static let blob = 2 + Digest.byteCount

    static func bytes(of message: PeerMessage) -> Int {
        switch message {
        case .interest, .uninterest: header + blob
        case .intent: header + blob + 2
        case .holdings(_, let held):
            header + blob + (held.map { number(UInt64($0.blobBytes)) + field($0.bits.count) + 2 } ?? 0)
        case .pieceDigests(let run):
            header + blob + field(run.author.text.utf8.count) + number(UInt64(run.first))
                + field(run.digests.count * Digest.byteCount) + field(run.chain.count * Digest.byteCount)
        case .have(let have):
            header + blob + number(UInt64(have.held)) + field(have.pieces.reduce(0) { $0 + varint(UInt64($1)) })
                + field(have.digests.count * Digest.byteCount) + field(have.authorOf.count)
                + have.authors.reduce(0) { $0 + field($1.text.utf8.count) }
        case .request(_, _, let piece): header + blob + number(UInt64(piece))
        case .piece: header + 2
        case .refuse(_, _, let hint): header + 2 + number(UInt64(hint))
        case .cancel: header
        case .grantRequest(let request):
            header + blob + number(UInt64(request.blobBytes)) + (request.isRetry ? 2 : 0)
                + request.wanted.reduce(0) { $0 + run($1) }
        case .grant(_, let pieces): header + blob + run(pieces)
        case .grantRefused(_, let millis): header + blob + number(UInt64(millis))
        case .grantProgress(let progress):
            header + blob + number(UInt64(progress.blobBytes)) + run(progress.pieces)
                + number(UInt64(progress.read)) + (progress.isOver ? 2 : 0)
        }
    }

    private static func run(_ run: PeerMessage.PieceRun) -> Int {
        2 + number(UInt64(run.first)) + number(UInt64(run.count))
    }

    private static func varint(_ value: UInt64) -> Int { max(1, (64 - value.leadingZeroBitCount + 6) / 7) }

    private static func number(_ value: UInt64) -> Int { value == 0 ? 0 : 1 + varint(value) }

    private static func field(_ count: Int) -> Int { count == 0 ? 0 : 1 + varint(UInt64(count)) + count }
}
