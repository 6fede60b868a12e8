import OCIModel
import PieceModel

/// Blobs whose pieces are one number each: the truth is a function of blob and piece, a lie is any other
/// number.
struct SimulatedContent {
    struct Blob {
        let digest: Digest
        let layout: PieceLayout
        let number: UInt64
    }

    static func scramble(_ value: UInt64) -> UInt64 {
        var mixed = value &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    static func truth(_ blob: Blob, _ piece: Int) -> UInt64 { scramble(blob.number << 32 | UInt64(piece)) }

    static func lie(_ blob: Blob, _ piece: Int) -> UInt64 { truth(blob, piece) ^ 1 }

    static func digest(of content: UInt64) -> Digest {
        Digest(words: (scramble(content), scramble(content ^ 2), scramble(content ^ 4), content))
    }

    static func blob(_ number: UInt64, pieces: Int) -> Blob? {
        PieceLayout(blobBytes: Int64(pieces) * Int64(PieceLayout.pieceBytesMin) - 1).map {
            Blob(digest: Digest(words: (number, 7, 7, 7)), layout: $0, number: number)
        }
    }
}

/// The test's own chance, apart from the exchange's.
struct Dice: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = SimulatedContent.scramble(seed) }

    mutating func next() -> UInt64 {
        state &+= 1
        return SimulatedContent.scramble(state)
    }

    mutating func roll(_ sides: Int) -> Int { Int(next() % UInt64(max(1, sides))) }

    mutating func chance(percent: Int) -> Bool { roll(100) < percent }
}
