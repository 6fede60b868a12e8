import PieceModel
import Testing

@Suite("Pieces")
struct PieceModelTests {
    @Test(
        "the piece size follows the blob's size in powers of two",
        arguments: [
            (1, 64 << 10, 1), (64 << 10, 64 << 10, 1), ((64 << 10) + 1, 64 << 10, 2),
            (91_750_400, 64 << 10, 1400), (91_750_401, 128 << 10, 701),
            (1 << 28, 256 << 10, 1024), (734_003_201, 1 << 20, 701),
            (1 << 30, 1 << 20, 1 << 10), (1 << 38, 1 << 20, 1 << 18),
        ] as [(Int64, Int, Int)]
    )
    func sizes(blobBytes: Int64, pieceBytes: Int, pieceCount: Int) throws {
        let layout = try #require(PieceLayout(blobBytes: blobBytes))
        #expect(layout.pieceBytes == pieceBytes)
        #expect(layout.pieceCount == pieceCount)
    }

    @Test(
        "sizes outside 1...2^38 have no layout",
        arguments: [0, -1, Int64.min, (1 << 38) + 1, Int64.max] as [Int64]
    )
    func refused(blobBytes: Int64) {
        #expect(PieceLayout(blobBytes: blobBytes) == nil)
    }

    @Test("pieces cover the blob without gap or overlap")
    func cover() throws {
        for blobBytes in [1, 65_535, 65_536, 65_537, 200_000, 1 << 20, 99_999_999] as [Int64] {
            let layout = try #require(PieceLayout(blobBytes: blobBytes))
            var position: Int64 = 0
            for piece in layout.pieces {
                #expect(layout.start(of: piece) == position)
                #expect((1...layout.pieceBytes).contains(layout.byteCount(of: piece)))
                #expect(layout.piece(holding: position) == piece)
                position = layout.end(of: piece)
                #expect(layout.piece(holding: position - 1) == piece)
            }
            #expect(position == blobBytes)
            #expect(layout.piece(holding: blobBytes) == nil)
            #expect(layout.piece(holding: -1) == nil)
        }
    }

    @Test("a number is a piece only within the layout")
    func numbers() throws {
        let layout = try #require(PieceLayout(blobBytes: 200_000))
        #expect(layout.pieceCount == 4)
        #expect(layout.piece(3)?.value == 3)
        #expect(layout.piece(4) == nil && layout.piece(-1) == nil)
        #expect(layout.piece(UInt64.max) == nil && layout.piece(UInt32.max) == nil)
    }

    @Test("a set counts what goes in and out, and its bytes come back")
    func sets() throws {
        let layout = try #require(PieceLayout(blobBytes: 11 * 65_536))
        var set = PieceSet(layout: layout)
        #expect(set.isEmpty && set.bytes == [0, 0])
        for number in [0, 8, 10] { #expect(set.insert(try #require(layout.piece(number)))) }
        #expect(!set.insert(try #require(layout.piece(8))))
        #expect(set.count == 3 && set.bytes == [0b1, 0b101])
        #expect(PieceSet(layout: layout, bytes: set.bytes) == set)
        #expect(set.remove(try #require(layout.piece(8))))
        #expect(!set.remove(try #require(layout.piece(8))))
        #expect(set.count == 2)
        #expect(!set.contains(try #require(layout.piece(8))))
        let full = PieceSet.full(layout)
        #expect(full.isFull && full.bytes == [255, 0b111])
        #expect(PieceSet(layout: layout, bytes: full.bytes)?.isFull == true)
    }

    @Test(
        "a bit field of another length or with stray bits is refused",
        arguments: [[], [0], [0, 0, 0], [0, 0b1000], [255, 255]] as [[UInt8]]
    )
    func strayBits(bytes: [UInt8]) throws {
        let layout = try #require(PieceLayout(blobBytes: 11 * 65_536))
        #expect(PieceSet(layout: layout, bytes: bytes) == nil)
    }

    @Test("a set does not hold the pieces of a larger blob")
    func foreignPiece() throws {
        let small = try #require(PieceLayout(blobBytes: 1))
        let large = try #require(PieceLayout(blobBytes: 200_000))
        var set = PieceSet.full(small)
        #expect(!set.contains(try #require(large.piece(3))))
        #expect(!set.remove(try #require(large.piece(3))))
    }

    @Test(
        "names are letters, digits, dot, underscore and dash, 1 to 64 bytes",
        arguments: [
            ("a", true), ("node-1.zone_b", true), (String(repeating: "x", count: 64), true), ("-", true),
            ("", false), (String(repeating: "x", count: 65), false), ("a b", false), ("a/b", false),
            ("a\n", false),
            ("é", false), ("a:1", false), ("a\0", false),
        ]
    )
    func names(text: String, valid: Bool) {
        #expect((PeerName(text) != nil) == valid)
    }
}
