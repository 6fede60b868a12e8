import Compression
import ContentStore
import EventLoop
import Hashing
import OCIModel
import PieceExchange
import PieceModel

/// A piece from a peer on its way to the disk. The exchange bounds how many there are at once.
struct PieceIntake: Sendable {
    var payload: [UInt8]
    var encoding: PeerMessage.PieceEncoding
    var piece: PieceIndex
    var digest: Digest
    var author: PeerName

    enum Outcome: Sendable {
        case stored([UInt8])
        /// As a link of the blob's chain; not compared with `digest`.
        case linked([UInt8])
        case wrongBytes
        case storeFailed(String)
    }

    /// Unpacks, checks and stores the piece off the loop, as a link of the chain if there is one and it is; `then` is
    /// never called inside this call.
    @LoopActor
    func run(
        into transfer: BlobTransfer, work: OffloadedWork, chain: BlobChain?,
        then: @escaping @LoopActor (Outcome) -> Void
    ) {
        guard let partial = transfer.partial else {
            return Loop.enqueue { then(.storeFailed("the blob is not open")) }
        }
        transfer.beginWork()
        transfer.whenStorable {
            work.run {
                store(in: partial, chain)
            } then: { outcome in
                PieceMemory.giveBack(payload)
                switch outcome {
                case .stored(let bytes), .linked(let bytes): transfer.hold(piece, bytes: bytes)
                case .wrongBytes, .storeFailed: break
                }
                then(outcome)
                transfer.endWork()
            }
        }
    }

    private func store(in partial: PartialBlob, _ chain: BlobChain?) -> Outcome {
        guard let bytes = unpacked(expectedBytes: partial.layout.byteCount(of: piece)) else { return .wrongBytes }
        do throws(StoreError) {
            var isLink: Bool?
            if let chain, partial.follow(chain) {
                switch try partial.link(piece, bytes: bytes, digest: digest, author: author) {
                case .linked: return .linked(bytes)
                case .differs: isLink = false
                case .held: break
                }
            }
            guard SHA256Hasher.hash(bytes) == digest else { return .wrongBytes }
            // Here the chain and the digest contradict each other.
            if isLink == false { partial.unfollow() }
            try partial.store(piece, bytes: bytes, digest: digest, author: author)
            return .stored(bytes)
        } catch {
            return .storeFailed(error.description)
        }
    }

    /// `expectedBytes` bytes of which nothing else is known.
    private func unpacked(expectedBytes: Int) -> [UInt8]? {
        guard encoding == .zstd else { return payload.count == expectedBytes ? payload : nil }
        return payload.withUnsafeBytes { ZstdCodec.decompress($0, expectedBytes: expectedBytes) }
    }
}
