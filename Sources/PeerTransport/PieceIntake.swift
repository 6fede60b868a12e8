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
        case wrongBytes
        case storeFailed(String)
    }

    /// Unpacks, checks and stores the piece off the loop; `then` is never called inside this call.
    @LoopActor
    func run(into transfer: BlobTransfer, work: OffloadedWork, then: @escaping @LoopActor (Outcome) -> Void) {
        guard let partial = transfer.partial else {
            return Loop.enqueue { then(.storeFailed("the blob is not open")) }
        }
        transfer.beginWork()
        transfer.whenStorable {
            work.run {
                store(in: partial)
            } then: { outcome in
                PieceMemory.giveBack(payload)
                if case .stored(let bytes) = outcome { transfer.hold(piece, bytes: bytes) }
                then(outcome)
                transfer.endWork()
            }
        }
    }

    private func store(in partial: PartialBlob) -> Outcome {
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
        var bytes = payload
        if encoding == .zstd {
            let unpacked = payload.withUnsafeBytes { ZstdCodec.decompress($0, expectedBytes: expectedBytes) }
            guard let unpacked else { return nil }
            bytes = unpacked
        }
        return bytes.count == expectedBytes && SHA256Hasher.hash(bytes) == digest ? bytes : nil
    }
}
