import Hashing
import OCIModel
import PieceModel
import Testing

@testable import ContentStore

@Suite("The piece journal")
struct JournalTests {
    private let blob = SHA256Hasher.hash([1])
    private let entry = Journal.Entry(digest: SHA256Hasher.hash([2]), author: author)

    @Test(
        "a header tells its layout, and no other blob's",
        arguments: [1, 65_536, 1 << 30, 1 << 38] as [Int64]
    )
    func header(size: Int64) throws {
        let layout = try #require(PieceLayout(blobBytes: size))
        let header = Journal.header(blob, layout)
        #expect(header.count == Journal.headerBytes)
        #expect(Journal.layout(ofHeader: header, digest: blob) == layout)
        #expect(Journal.layout(ofHeader: header, digest: entry.digest) == nil)
    }

    @Test("a slot tells its entry, for its own piece and blob only")
    func slot() throws {
        let layout = try #require(PieceLayout(blobBytes: 1 << 20))
        let names = try ["a", String(repeating: "x", count: 64)].map { try #require(PeerName($0)) }
        for name in names {
            for piece in layout.pieces {
                let entry = Journal.Entry(digest: self.entry.digest, author: name)
                let slot = Journal.slot(piece, entry, blob: blob)
                #expect(slot.count == Journal.slotBytes)
                for other in layout.pieces {
                    let read = Journal.entry(inSlot: slot[...], of: other, blob: blob)
                    #expect(read == (other == piece ? entry : nil))
                }
                #expect(Journal.entry(inSlot: slot[...], of: piece, blob: entry.digest) == nil)
            }
        }
    }

    @Test("a header or slot with any bit changed, or cut anywhere, is damaged")
    func damage() throws {
        let layout = try #require(PieceLayout(blobBytes: 1 << 20))
        let piece = try #require(layout.piece(3))
        let header = Journal.header(blob, layout)
        let slot = Journal.slot(piece, entry, blob: blob)
        for bit in 0..<header.count * 8 {
            var bytes = header
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(Journal.layout(ofHeader: bytes, digest: blob) == nil)
        }
        for bit in 0..<slot.count * 8 {
            var bytes = slot
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(Journal.entry(inSlot: bytes[...], of: piece, blob: blob) == nil)
        }
        for count in 0..<slot.count {
            #expect(Journal.entry(inSlot: slot[..<count], of: piece, blob: blob) == nil)
            let torn = slot[..<count] + [UInt8](repeating: 0, count: slot.count - count)
            #expect(Journal.entry(inSlot: torn, of: piece, blob: blob) == nil)
        }
        #expect(Journal.entry(inSlot: Journal.emptySlot[...], of: piece, blob: blob) == nil)
        for count in 0..<header.count {
            #expect(Journal.layout(ofHeader: Array(header[..<count]), digest: blob) == nil)
        }
    }
}
