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

    /// As much as is needed of it; `.follows` when it is stored.
    private func storeNext(_ number: Int, bytes: [UInt8]? = nil) throws -> PartialBlob.Following {
        let piece = try piece(number)
        let bytes = bytes ?? sample.bytes(of: piece)
        let following = try partial.follow(piece, bytes: bytes, prefix: sample.prefixDigests[number])
        if following == .follows {
            try partial.storeFollowing(piece, bytes: bytes, digest: forged, author: author)
        }
        return following
    }

    @Test("they make the blob, whose pieces' digests nobody has then compared")
    func whole() throws {
        for number in 0..<sample.layout.pieceCount { #expect(try storeNext(number) == .follows) }
        #expect(try partial.finish())
        #expect(try store.contents(sample.digest) == sample.bytes)
        #expect(store.pieceDigests(sample.digest) == nil)
        #expect(store.prefixDigests(sample.digest) == sample.prefixDigests)
        #expect(try store.computePieceDigests(sample.digest) == sample.pieceDigests)
        #expect(store.pieceDigests(sample.digest) == sample.pieceDigests)
    }

    @Test("one with other bytes is not stored, and those before it count all the same")
    func wrongBytes() throws {
        #expect(try storeNext(0) == .follows)
        #expect(try storeNext(1) == .follows)
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
        #expect(try storeNext(0) == .follows)
        #expect(try storeNext(3) == .notNext)
        #expect(partial.hashedPieces == 2)
        #expect(try storeNext(2) == .follows, "piece 1 is hashed on the way")
        try partial.store(piece(3), sample.bytes(of: piece(3)))
        for number in 4..<sample.layout.pieceCount { try partial.store(piece(number), sample.bytes(of: piece(number))) }
        #expect(try partial.finish())
        #expect(store.pieceDigests(sample.digest) == nil && store.prefixDigests(sample.digest) == sample.prefixDigests)
    }

    @Test("once they are proven they are held by their own digests")
    func proven() throws {
        try partial.store(piece(1), sample.bytes(of: piece(1)))
        #expect(try storeNext(0) == .follows)
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

    @Test("one that comes by another way before it is stored is what counts")
    func overtaken() throws {
        let first = try piece(0)
        #expect(try partial.follow(first, bytes: sample.bytes(of: first), prefix: sample.prefixDigests[0]) == .follows)
        var other = sample.bytes(of: first)
        other[3] ^= 1
        try partial.store(first, other)
        for piece in sample.layout.pieces.dropFirst() { try partial.store(piece, sample.bytes(of: piece)) }
        #expect(throws: StoreError.self, "a piece is on its way") { try partial.finish() }
        try partial.storeFollowing(first, bytes: sample.bytes(of: first), digest: forged, author: author)
        #expect(try !partial.finish(), "the file has other bytes than were hashed first")
    }

    @Test("after a restart, one whose digest was forged is fetched again")
    func resumed() throws {
        #expect(try storeNext(0) == .follows)
        try partial.store(piece(1), sample.bytes(of: piece(1)))
        partial.abandon()
        let again = try store.beginPartial(sample.digest, layout: sample.layout)
        #expect(again.held().map(\.piece.value) == [1])
        try again.storeAll(sample)
        #expect(try again.finish())
    }

    @Test("one that was dropped is nobody's to prove")
    func dropped() throws {
        for number in 0..<3 { #expect(try storeNext(number) == .follows) }
        partial.drop([try piece(1)])
        #expect(try partial.prove(as: author).map(\.piece.value) == [0, 2])
        #expect(try storeNext(1) == .follows, "what is before it is read again")
        for number in 3..<sample.layout.pieceCount {
            try partial.store(piece(number), sample.bytes(of: piece(number)))
        }
        #expect(try partial.finish())
    }
}
