import Hashing
import OCIModel
import PieceModel
import Testing

@testable import ContentStore

@Suite("pieces that are links of a chain")
struct ChainTests {
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

    private func chain(_ states: [Digest]? = nil) throws -> BlobChain {
        try #require(BlobChain(states ?? sample.chainStates, of: sample.digest, sample.layout))
    }

    private func link(_ number: Int, bytes: [UInt8]? = nil) throws -> PartialBlob.Linking {
        let piece = try piece(number)
        return try partial.link(piece, bytes: bytes ?? sample.bytes(of: piece), digest: forged, author: author)
    }

    private func storeRest(from number: Int = 0) throws {
        for piece in sample.layout.pieces.dropFirst(number) { try partial.store(piece, sample.bytes(of: piece)) }
    }

    private func wrong(_ number: Int) throws -> [UInt8] {
        var bytes = sample.bytes(of: try piece(number))
        bytes[7] ^= 1
        return bytes
    }

    @Test("make the blob in any order, and its pieces' digests nobody has then compared", arguments: 1...6)
    func whole(step: Int) throws {
        #expect(partial.follow(try chain()))
        let count = sample.layout.pieceCount
        #expect(count == 11, "a prime number, so that each step comes by all of them")
        for turn in 0..<count { #expect(try link(turn * step % count) == .linked) }
        #expect(partial.held().isEmpty, "none is compared")
        #expect(try partial.finish())
        #expect(try store.contents(sample.digest) == sample.bytes)
        #expect(store.pieceDigests(sample.digest) == nil)
        #expect(store.chainStates(sample.digest) == sample.chainStates)
        #expect(try store.computePieceDigests(sample.digest) == sample.pieceDigests)
        #expect(store.pieceDigests(sample.digest) == sample.pieceDigests)
    }

    @Test("need a chain of one state for each piece that leads to the blob's digest")
    func chains() throws {
        let states = sample.chainStates
        #expect(BlobChain(Array(states.dropLast()), of: sample.digest, sample.layout) == nil)
        #expect(BlobChain(states + [sample.digest], of: sample.digest, sample.layout) == nil)
        #expect(BlobChain(states.dropLast() + [forged], of: sample.digest, sample.layout) == nil)
        #expect(try link(0) == .differs, "none is gone by yet")
    }

    @Test("one with other bytes is not stored, and the chain holds all the same")
    func wrongBytes() throws {
        #expect(partial.follow(try chain()))
        for number in [0, 3, sample.layout.pieceCount - 1] {
            #expect(try link(number, bytes: try wrong(number)) == .differs)
        }
        #expect(try partial.prove(Array(sample.layout.pieces)).isEmpty)
        for number in 0..<sample.layout.pieceCount { #expect(try link(number) == .linked) }
        #expect(try partial.finish())
    }

    @Test("one that came by its own digest is a link like others, and what is here is not looked at again")
    func mixed() throws {
        try partial.store(piece(0), sample.bytes(of: piece(0)))
        try partial.store(piece(4), sample.bytes(of: piece(4)))
        #expect(partial.follow(try chain()))
        #expect(try link(4) == .held)
        #expect(try link(2) == .linked)
        try storeRest()
        #expect(partial.held().map(\.piece.value) == (0..<sample.layout.pieceCount).filter { $0 != 2 })
        #expect(try partial.finish())
        #expect(try store.contents(sample.digest) == sample.bytes)
    }

    @Test("bytes of the right length stored under a wrong digest are found by the chain, too")
    func wrongWhole() throws {
        #expect(partial.follow(try chain()))
        #expect(try link(1) == .linked)
        try partial.store(piece(2), try wrong(2))
        try storeRest()
        #expect(try !partial.finish())
        partial.drop([try piece(2)])
        try partial.store(piece(2), sample.bytes(of: piece(2)))
        #expect(try partial.finish())
        #expect(try store.contents(sample.digest) == sample.bytes)
    }

    @Test("a false chain is found where it leaves the truth, and the whole is hashed instead")
    func falseChain() throws {
        var states = sample.chainStates
        states[2] = forged
        #expect(partial.follow(try chain(states)))
        #expect(try link(1) == .linked)
        #expect(try link(2) == .differs && link(3) == .differs)
        partial.unfollow()
        #expect(!partial.follow(try chain()), "no other is gone by")
        try storeRest()
        #expect(try partial.finish())
        #expect(store.chainStates(sample.digest) == sample.chainStates)
    }

    @Test("bytes to fit a false chain are found when all is there")
    func forgedBytes() throws {
        // What a liar would have: other bytes in the third piece, and states that fit them up to the fourth.
        let other = try wrong(2)
        var hash = SHA256Chain(after: sample.chainStates[1], byteCount: sample.layout.start(of: try piece(2)))
        other.withUnsafeBytes { hash.update($0) }
        var states = sample.chainStates
        states[2] = hash.state
        #expect(partial.follow(try chain(states)))
        #expect(try link(2, bytes: other) == .linked)
        try storeRest()
        #expect(try !partial.finish())
        let proven = try partial.prove([try piece(2), try piece(3)]).filter { $0.piece.value != 3 }
        #expect(proven.map(\.piece.value) == [2] && proven.map(\.digest) == [SHA256Hasher.hash(other)])
        partial.drop([try piece(2)])
        try storeRest(from: 2)
        #expect(try partial.finish())
        #expect(try store.contents(sample.digest) == sample.bytes)
    }

    @Test("a chain that does not lead through what was hashed before is not gone by")
    func otherBeginning() throws {
        try partial.store(piece(0), sample.bytes(of: piece(0)))
        try partial.store(piece(1), sample.bytes(of: piece(1)))
        var states = sample.chainStates
        states[0] = forged
        #expect(!partial.follow(try chain(states)))
        try storeRest()
        #expect(try partial.finish())
    }

    @Test("are proven by the digest that they were stored under, and only by that")
    func proven() throws {
        #expect(partial.follow(try chain()))
        #expect(try link(0) == .linked)
        let first = try piece(1)
        #expect(
            try partial.link(first, bytes: sample.bytes(of: first), digest: sample.pieceDigests[1], author: author)
                == .linked)
        let both = [try piece(0), try piece(1)]
        #expect(try partial.prove(both).map(\.digest) == Array(sample.pieceDigests[..<2]))
        #expect(partial.held().map(\.piece.value) == [1])
        partial.drop([try piece(0)])
        #expect(try partial.prove(both).map(\.piece.value) == [1])
        try storeRest()
        #expect(try partial.finish())
        #expect(store.pieceDigests(sample.digest) == sample.pieceDigests)
    }

    @Test("after a restart, one whose digest was forged is fetched again")
    func resumed() throws {
        #expect(partial.follow(try chain()))
        #expect(try link(0) == .linked)
        try partial.store(piece(1), sample.bytes(of: piece(1)))
        partial.abandon()
        let again = try store.beginPartial(sample.digest, layout: sample.layout)
        #expect(again.held().map(\.piece.value) == [1])
        try again.storeAll(sample)
        #expect(try again.finish())
    }

    @Test("one that was dropped has to be a link again", arguments: [true, false])
    func dropped(isLinkedAgain: Bool) throws {
        #expect(partial.follow(try chain()))
        for number in 0..<sample.layout.pieceCount { #expect(try link(number) == .linked) }
        #expect(try partial.matches())
        partial.drop([try piece(1)])
        if isLinkedAgain {
            #expect(try link(1) == .linked)
        } else {
            try partial.store(piece(1), try wrong(1))
            #expect(try !partial.finish(), "other bytes are in its place")
            partial.drop([try piece(1)])
            try partial.store(piece(1), sample.bytes(of: piece(1)))
        }
        #expect(try partial.finish())
        #expect(try store.contents(sample.digest) == sample.bytes)
    }
}
