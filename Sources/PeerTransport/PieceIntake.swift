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
        /// As what comes next in the blob; not compared with `digest`.
        case storedInOrder([UInt8])
        case wrongBytes
        case storeFailed(String)
    }

    /// Unpacks, checks and stores the piece off the loop, as what comes next in the blob if it `mayGoByOrder` and does;
    /// `then` is never called inside this call.
    @LoopActor
    func run(
        into transfer: BlobTransfer, work: OffloadedWork, mayGoByOrder: Bool,
        then: @escaping @LoopActor (Outcome) -> Void
    ) {
        guard let partial = transfer.partial else {
            return Loop.enqueue { then(.storeFailed("the blob is not open")) }
        }
        transfer.beginWork()
        let ended: @LoopActor (Outcome) -> Void = { outcome in
            PieceMemory.giveBack(payload)
            switch outcome {
            case .stored(let bytes), .storedInOrder(let bytes): transfer.hold(piece, bytes: bytes)
            case .wrongBytes, .storeFailed: break
            }
            then(outcome)
            transfer.endWork()
        }
        transfer.whenStorable {
            if mayGoByOrder, transfer.order.take(self, into: transfer, work, then: ended) { return }
            work.run {
                store(in: partial)
            } then: { outcome in
                ended(outcome)
                transfer.order.resume(transfer, work)
            }
        }
    }

    func store(in partial: PartialBlob) -> Outcome {
        guard let bytes = unpack(expectedBytes: partial.layout.byteCount(of: piece)) else {
            return .wrongBytes
        }
        do throws(StoreError) {
            try partial.store(piece, bytes: bytes, digest: digest, author: author)
            return .stored(bytes)
        } catch {
            return .storeFailed(error.description)
        }
    }

    /// The piece, if the payload is one of `expectedBytes` bytes and that digest.
    func unpack(expectedBytes: Int) -> [UInt8]? {
        guard let bytes = unpackUnchecked(expectedBytes: expectedBytes) else { return nil }
        return SHA256Hasher.hash(bytes) == digest ? bytes : nil
    }

    /// `expectedBytes` bytes of which nothing else is known.
    func unpackUnchecked(expectedBytes: Int) -> [UInt8]? {
        guard encoding == .zstd else { return payload.count == expectedBytes ? payload : nil }
        return payload.withUnsafeBytes { ZstdCodec.decompress($0, expectedBytes: expectedBytes) }
    }
}
