import Hashing
import OCIModel
import PieceModel
import Testing

@testable import ContentStore

@Suite("pieces that come in order")
struct InOrderTests {
    private let folder: TemporaryFolder
    private let store: ContentStore
    private let sample: Sample
    private let partial: PartialBlob
    /// What a liar says of every piece.
    private let forged = SHA256Hasher.hash([1, 2, 3])

    init() throws {
        folder = try TemporaryFolder()
        store = try ContentStore.open(folder)
        sample = try Sample(700_000)
        partial = try store.beginPartial(sample.digest, layout: sample.layout)
    }

    private func piece(_ number: Int) throws -> PieceIndex { try #require(sample.layout.piece(number)) }

    private func storeNext(_ number: Int, bytes: [UInt8]? = nil) throws -> PartialBlob.Following {
        let piece = try piece(number)
        return try partial.storeNext(
            piece, bytes: bytes ?? sample.bytes(of: piece), prefix: sample.prefixDigests[number], digest: forged,
            author: author)
    }

    @Test("they make the blob, whose pieces' digests nobody has then compared")
    func whole() throws {
        for number in 0..<sample.layout.pieceCount { #expect(try storeNext(number) == .stored) }
        #expect(try partial.finish())
        #expect(try store.contents(sample.digest) == sample.bytes)
        #expect(store.pieceDigests(sample.digest) == nil)
        #expect(store.prefixDigests(sample.digest) == sample.prefixDigests)
        #expect(try store.computePieceDigests(sample.digest) == sample.pieceDigests)
        #expect(store.pieceDigests(sample.digest) == sample.pieceDigests)
    }

    @Test("one with other bytes is not stored, and those before it count all the same")
    func wrongBytes() throws {
        #expect(try storeNext(0) == .stored)
        #expect(try storeNext(1) == .stored)
        var wrong = sample.bytes(of: try piece(2))
        wrong[7] ^= 1
        #expect(try storeNext(2, bytes: wrong) == .differs)
        #expect(partial.held().map(\.piece.value) == [0, 1])
        for number in 2..<sample.layout.pieceCount { try partial.store(piece(number), sample.bytes(of: piece(number))) }
        #expect(try partial.finish())
        #expect(try store.contents(sample.digest) == sample.bytes)
    }

    @Test("one out of order has to come by its own digest, and then the next are in order again")
    func outOfOrder() throws {
        #expect(try storeNext(1) == .notNext)
        try partial.store(piece(1), sample.bytes(of: piece(1)))
        #expect(try storeNext(1) == .notNext, "it is there")
        #expect(partial.hashedPieces == 0)
        #expect(try storeNext(0) == .stored)
        #expect(try storeNext(2) == .notNext, "nobody has hashed piece 1 yet")
        try partial.store(piece(3), sample.bytes(of: piece(3)))
        #expect(partial.hashedPieces == 2)
        #expect(try storeNext(2) == .stored)
        for number in 4..<sample.layout.pieceCount { try partial.store(piece(number), sample.bytes(of: piece(number))) }
        #expect(try partial.finish())
        #expect(store.pieceDigests(sample.digest) == nil && store.prefixDigests(sample.digest) == sample.prefixDigests)
    }

    @Test("once they are proven they are held by their own digests")
    func proven() throws {
        try partial.store(piece(1), sample.bytes(of: piece(1)))
        #expect(try storeNext(0) == .stored)
        let name = try #require(PeerName("me"))
        let proven = try partial.prove(as: name)
        #expect(proven.map(\.piece.value) == [0] && proven.map(\.digest) == [sample.pieceDigests[0]])
        #expect(partial.held().map(\.digest) == Array(sample.pieceDigests[..<2]))
        #expect(partial.held().map(\.author) == [name, author])
        #expect(try partial.prove(as: name).isEmpty)
        for number in 2..<sample.layout.pieceCount { try partial.store(piece(number), sample.bytes(of: piece(number))) }
        #expect(try partial.finish())
        #expect(store.pieceDigests(sample.digest) == sample.pieceDigests)
    }

    @Test("after a restart, one whose digest was forged is fetched again")
    func resumed() throws {
        #expect(try storeNext(0) == .stored)
        try partial.store(piece(1), sample.bytes(of: piece(1)))
        partial.abandon()
        let again = try store.beginPartial(sample.digest, layout: sample.layout)
        #expect(again.held().map(\.piece.value) == [1])
        try again.storeAll(sample)
        #expect(try again.finish())
    }

    @Test("one that was dropped is nobody's to prove")
    func dropped() throws {
        for number in 0..<3 { #expect(try storeNext(number) == .stored) }
        partial.drop([try piece(1)])
        #expect(try partial.prove(as: author).map(\.piece.value) == [0, 2])
        #expect(try storeNext(1) == .notNext, "the hash begins anew")
        for number in [1] + Array(3..<sample.layout.pieceCount) {
            try partial.store(piece(number), sample.bytes(of: piece(number)))
        }
        #expect(try partial.finish())
    }
}
