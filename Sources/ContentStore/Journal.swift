import Hashing
import OCIModel
import PieceModel

/// The bytes of a partial blob's journal: which pieces are in the data file, and whose word says so.
///
/// A header and one slot per piece, so that a piece's slot is found, overwritten and cleared without reading
/// the rest, and a torn write damages that one slot. Integers are little-endian. A check is the first 8 bytes
/// of the SHA-256 of the blob's digest and all bytes before the check.
///
///     header, 64 bytes                          slot, 112 bytes; all zero for a piece that is not there
///      0  magic "HWKJRNL1"                       0  piece number      u32
///      8  digest of the blob    32 bytes         4  length of author  u8
///     40  size of the blob      u64              5  zero              3 bytes
///     48  size of a piece       u32              8  digest of piece   32 bytes
///     52  zero                  u32             40  author, zero-padded  64 bytes
///     56  check                 8 bytes        104  check             8 bytes
///
/// A slot does not prove that the data is there: neither file is synced before the blob is whole. Whoever
/// resumes hashes each piece again.
enum Journal {
    struct Entry: Equatable {
        var digest: Digest
        var author: PeerName
    }

    static let headerBytes = 64
    static let slotBytes = 112
    private static let magic = Array("HWKJRNL1".utf8)

    static func slotOffset(_ piece: PieceIndex) -> Int64 {
        Int64(headerBytes) + Int64(piece.value) * Int64(slotBytes)
    }

    static let emptySlot = [UInt8](repeating: 0, count: slotBytes)

    static func header(_ digest: Digest, _ layout: PieceLayout) -> [UInt8] {
        var bytes = magic
        bytes += digest.bytes
        append(UInt64(layout.blobBytes), count: 8, to: &bytes)
        append(UInt64(layout.pieceBytes), count: 4, to: &bytes)
        append(0, count: 4, to: &bytes)
        bytes += check(digest, bytes[...])
        return bytes
    }

    /// The layout that a header of that blob's journal tells; `nil` when it is damaged, of another blob or of
    /// a version that cuts blobs differently.
    static func layout(ofHeader bytes: [UInt8], digest: Digest) -> PieceLayout? {
        guard bytes.count == headerBytes else { return nil }
        let size = bytes[40..<48].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard let blobBytes = Int64(exactly: size), let layout = PieceLayout(blobBytes: blobBytes),
            bytes == header(digest, layout)
        else { return nil }
        return layout
    }

    static func slot(_ piece: PieceIndex, _ entry: Entry, blob: Digest) -> [UInt8] {
        let author = Array(entry.author.text.utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(slotBytes)
        append(UInt64(piece.value), count: 4, to: &bytes)
        bytes += [UInt8(author.count), 0, 0, 0]
        bytes += entry.digest.bytes
        bytes += author
        bytes += repeatElement(0, count: PeerName.byteCountMax - author.count)
        bytes += check(blob, bytes[...])
        return bytes
    }

    /// The entry in the slot of `piece`; `nil` when it is empty or damaged.
    static func entry(inSlot bytes: ArraySlice<UInt8>, of piece: PieceIndex, blob: Digest) -> Entry? {
        guard bytes.count == slotBytes else { return nil }
        let fields = Array(bytes)
        guard Int(fields[4]) <= PeerName.byteCountMax, let digest = Digest(bytes: Array(fields[8..<40])),
            let author = PeerName(String(decoding: fields[40..<40 + Int(fields[4])], as: UTF8.self))
        else { return nil }
        let entry = Entry(digest: digest, author: author)
        return fields == slot(piece, entry, blob: blob) ? entry : nil
    }

    private static func append(_ value: UInt64, count: UInt64, to bytes: inout [UInt8]) {
        for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
    }

    private static func check(_ blob: Digest, _ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        SHA256Hasher.hash(blob.bytes + bytes).bytes.prefix(8)
    }
}
