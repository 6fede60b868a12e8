import Hashing
import OCIModel
import PieceModel
import TestSupport

/// A blob made for a test.
struct Blob: Sendable {
    let bytes: [UInt8]
    let digest: Digest
    let layout: PieceLayout

    init(_ bytes: [UInt8]) {
        guard let layout = PieceLayout(blobBytes: Int64(bytes.count)) else { preconditionFailure("no blob") }
        self.bytes = bytes
        self.layout = layout
        digest = SHA256Hasher.hash(bytes)
    }

    /// Bytes that do not compress, the same for the same seed.
    static func random(_ count: Int, seed: UInt64) -> Blob {
        var state = seed
        return Blob(
            [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                for offset in stride(from: 0, to: count, by: 8) {
                    state &+= 0x9E37_79B9_7F4A_7C15
                    var mixed = state
                    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
                    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
                    mixed ^= mixed >> 31
                    for index in offset..<min(offset + 8, count) {
                        buffer[index] = UInt8(truncatingIfNeeded: mixed)
                        mixed >>= 8
                    }
                }
                filled = count
            }
        )
    }

    /// Bytes that compress well.
    static func text(_ count: Int) -> Blob {
        let line = Array("a layer of files that say much the same again and again, line by line\n".utf8)
        return Blob((0..<count).map { line[$0 % line.count] ^ UInt8(truncatingIfNeeded: $0 / 65_536 % 2) })
    }

    var count: Int64 { layout.blobBytes }

    func bytes(of piece: PieceIndex) -> [UInt8] {
        Array(bytes[Int(layout.start(of: piece))..<Int(layout.end(of: piece))])
    }

    func digest(of piece: PieceIndex) -> Digest { SHA256Hasher.hash(bytes(of: piece)) }

    var chain: [Digest] { chainStates(ofPieces: layout.pieces.map(bytes(of:))) }

    var pieceDigests: [Digest] { layout.pieces.map(digest(of:)) }
}
