import Compression
import ContentStore
import EventLoop
import Glibc
import OCIModel
import PieceExchange
import PieceModel

/// A piece made ready to be sent: as it lies in a file, or compressed.
enum PreparedPiece: Sendable {
    /// `owner` keeps the file open.
    case file(Int32, offset: Int64, bytes: Int, owner: any AnyObject & Sendable)
    case compressed([UInt8], rawBytes: Int)
    /// The store does not have it any more.
    case gone
}

/// Where an upload reads from.
enum PieceSource: Sendable {
    case arriving(PartialBlob)
    case stored(ContentStore, Digest)
}

extension PreparedPiece {
    /// Compressed only when that saves at least this part of the piece.
    private static let savedPartMin = 20

    /// Opens the file and, where that pays, compresses the piece; also what that took, if it was tried. Blocks on the
    /// disk.
    static func prepare(
        _ piece: PieceIndex,
        layout: PieceLayout,
        from source: PieceSource,
        packing: Packing
    ) -> (PreparedPiece, Packing.Attempt?) {
        let file: Int32
        let owner: any AnyObject & Sendable
        switch source {
        case .arriving(let partial):
            file = partial.file
            owner = partial
        case .stored(let store, let digest):
            // A blob that cannot be opened is as good as none to the peer that asks.
            guard let blob = try? store.openBlob(digest), blob.bytes == layout.blobBytes else {
                return (.gone, nil)
            }
            file = blob.descriptor
            owner = blob
            blob.noteSent(Int64(layout.byteCount(of: piece)))
        }
        let offset = layout.start(of: piece)
        let count = layout.byteCount(of: piece)
        let plain = PreparedPiece.file(file, offset: offset, bytes: count, owner: owner)
        guard case .zstd(let level) = packing else { return (plain, nil) }
        return withExtendedLifetime(owner) {
            guard let (packed, attempt) = compress(file, offset: offset, count: count, level: level) else {
                return (plain, nil)
            }
            let pays = packed.count < count - count / savedPartMin
            return (pays ? .compressed(packed, rawBytes: count) : plain, attempt)
        }
    }

    private static func compress(
        _ file: Int32, offset: Int64, count: Int, level: Int32
    ) -> ([UInt8], Packing.Attempt)? {
        let sampleBytes = min(count, ZstdCodec.sampleBytes)
        guard let sample = read(file, offset: offset, count: sampleBytes),
            sample.withUnsafeBytes({ ZstdCodec.isWorthTrying(sample: $0) }),
            let bytes = read(file, offset: offset, count: count)
        else { return nil }
        let began = Loop.nowNanoseconds
        guard let packed = bytes.withUnsafeBytes({ ZstdCodec.compress($0, level: level) }) else { return nil }
        let nanoseconds = Loop.nowNanoseconds &- began
        return (packed, .init(level: level, bytes: count, packedBytes: packed.count, nanoseconds: nanoseconds))
    }

    private static func read(_ file: Int32, offset: Int64, count: Int) -> [UInt8]? {
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                guard let base = buffer.baseAddress else { return }
                let got = pread(file, base + filled, count - filled, off_t(offset) + off_t(filled))
                if got < 0, errno == EINTR { continue }
                guard got > 0 else { return }
                filled += got
            }
        }
        return bytes.count == count ? bytes : nil
    }
}
