import Dispatch
import Glibc
import Hashing
import OCIModel
import PieceModel
import Testing

@testable import ContentStore

@Suite("Partial blobs")
struct PartialBlobTests {
    @Test("pieces in any order make the blob", arguments: [1, 65_536, 65_537, 1_000_000])
    func anyOrder(count: Int) throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let sample = try Sample(count)
        for order in [
            Array(sample.layout.pieces), sample.layout.pieces.reversed(), sample.layout.pieces.shuffled(),
        ] {
            let partial = try store.beginPartial(sample.digest, layout: sample.layout)
            for piece in order {
                if partial.held().count < sample.layout.pieceCount {
                    #expect(throws: StoreError.self) { try partial.finish() }
                }
                try partial.store(piece, sample.bytes(of: piece))
                #expect(try partial.read(piece) == sample.bytes(of: piece))
            }
            #expect(try partial.finish())
            #expect(try partial.finish())
            #expect(try Disk.read(partial.file, count: count, at: 0) == sample.bytes)
            #expect(try store.contents(sample.digest) == sample.bytes)
            #expect(store.pieceDigests(sample.digest) == sample.pieceDigests)
            #expect(store.chainStates(sample.digest) == sample.chainStates)
            #expect(try folder.contentFiles().count == 1)
            #expect(store.usage.usedBytes == Int64(count) && store.usage.reservedBytes == 0)
            try store.check()
            #expect(try store.remove(sample.digest))
        }
    }

    @Test("many threads store at once, each piece twice")
    func threads() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let sample = try Sample(6_000_000)
        let partial = try store.beginPartial(sample.digest, layout: sample.layout)
        let pieces = (Array(sample.layout.pieces) + sample.layout.pieces).shuffled()
        let errors = Guarded(0)
        DispatchQueue.concurrentPerform(iterations: pieces.count) { index in
            do {
                try partial.store(pieces[index], sample.bytes(of: pieces[index]))
            } catch {
                errors.withLock { $0 += 1 }
            }
        }
        #expect(errors.withLock { $0 } == 0)
        #expect(try partial.finish())
        #expect(try store.contents(sample.digest) == sample.bytes)
    }

    @Test("a wrong piece is found at the end; dropped and stored right, the blob commits")
    func wrongPiece() throws {
        for wrong in [0, 1, 3] {
            let folder = try TemporaryFolder()
            let store = try ContentStore.open(folder)
            let sample = try Sample(200_000)
            let liar = try #require(PeerName("liar"))
            let partial = try store.beginPartial(sample.digest, layout: sample.layout)
            for piece in sample.layout.pieces {
                let isWrong = piece.value == wrong
                let bytes =
                    isWrong ? noise(sample.layout.byteCount(of: piece), seed: 99) : sample.bytes(of: piece)
                try partial.store(piece, bytes, author: isWrong ? liar : author)
            }
            #expect(try !partial.finish())
            #expect(try !partial.finish())
            #expect(store.blob(sample.digest) == nil)
            let blamed = partial.held().filter { $0.author == liar }.map(\.piece)
            #expect(blamed.map(\.value) == [wrong])
            partial.drop(blamed)
            #expect(throws: StoreError.piecesMissing(1)) { try partial.finish() }
            #expect(throws: StoreError.piecesMissing(1)) { try partial.read(blamed[0]) }
            try partial.store(blamed[0], sample.bytes(of: blamed[0]))
            #expect(try partial.finish())
            try store.check()
        }
    }

    @Test("what came in order is known to be right with its last piece, until one is dropped; what is wrong never is")
    func knownRight() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let sample = try Sample(200_000)
        let partial = try store.beginPartial(sample.digest, layout: sample.layout)
        func isKnownRight() -> Bool { partial.isKnownRight }
        for piece in sample.layout.pieces {
            #expect(isKnownRight() == false)
            try partial.store(piece, sample.bytes(of: piece))
        }
        #expect(isKnownRight())
        let last = try #require(sample.layout.piece(3))
        partial.drop([last])
        #expect(isKnownRight() == false)
        try partial.store(last, noise(sample.layout.byteCount(of: last), seed: 7))
        #expect(isKnownRight() == false)
        #expect(try !partial.finish())
        partial.drop([last])
        try partial.store(last, sample.bytes(of: last))
        #expect(try partial.finish())
    }

    @Test("a held piece is not overwritten, so what was hashed is what is committed")
    func secondCopy() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let sample = try Sample(200_000)
        let partial = try store.beginPartial(sample.digest, layout: sample.layout)
        try partial.storeAll(sample)
        let first = try #require(sample.layout.piece(0))
        try partial.store(first, noise(65_536, seed: 5))
        #expect(partial.held().map(\.digest) == sample.pieceDigests)
        #expect(try partial.finish())
        try partial.store(first, noise(65_536, seed: 6))
        partial.drop([first])
        #expect(partial.held().count == 4)
        try store.check()
    }

    @Test("an abandoned blob is resumed with its pieces, digests and authors, in this process and the next")
    func resume() throws {
        let folder = try TemporaryFolder()
        var store = try ContentStore.open(folder)
        let sample = try Sample(700_000)
        var expected: [Int] = []
        for round in 0..<5 {
            let partial = try store.beginPartial(sample.digest, layout: sample.layout)
            #expect(partial.held().map(\.piece.value) == expected)
            #expect(partial.held().allSatisfy { $0.digest == sample.pieceDigests[$0.piece.value] })
            #expect(partial.held().allSatisfy { $0.author == author })
            for piece in sample.layout.pieces where piece.value % 5 == round {
                try partial.store(piece, sample.bytes(of: piece))
                expected.append(piece.value)
            }
            expected.sort()
            if round == 4 {
                #expect(try partial.finish())
            } else {
                partial.abandon()
                #expect(throws: StoreError.closed) {
                    try partial.store(try #require(sample.layout.piece(10)), noise(44_640))
                }
                #expect(throws: StoreError.closed) { try partial.finish() }
                #expect(store.usage.usedBytes == 700_000 && store.usage.reservedBytes == 0)
            }
            if round % 2 == 0 {
                store.close()
                store = try ContentStore.open(folder)
            }
        }
        #expect(try store.contents(sample.digest) == sample.bytes)
        try store.check()
    }

    @Test("letting go of the last reference abandons")
    func lastReference() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let sample = try Sample(200_000)
        let piece = try #require(sample.layout.piece(2))
        try store.beginPartial(sample.digest, layout: sample.layout).store(piece, sample.bytes(of: piece))
        #expect(store.usage.reservedBytes == 0 && store.usage.usedBytes == 200_000)
        #expect(try store.beginPartial(sample.digest, layout: sample.layout).held().map(\.piece) == [piece])
    }

    @Test("dropped pieces stay dropped after a restart")
    func dropSurvives() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let sample = try Sample(200_000)
        let partial = try store.beginPartial(sample.digest, layout: sample.layout)
        try partial.storeAll(sample)
        partial.drop([try #require(sample.layout.piece(1))])
        partial.abandon()
        store.close()
        let next = try ContentStore.open(folder)
        let resumed = try next.beginPartial(sample.digest, layout: sample.layout)
        #expect(resumed.held().map(\.piece.value) == [0, 2, 3])
    }

    @Test("what was left with another layout is replaced")
    func otherLayout() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let sample = try Sample(200_000)
        let wrong = try #require(PieceLayout(blobBytes: 300_000))
        let partial = try store.beginPartial(sample.digest, layout: wrong)
        try partial.store(try #require(wrong.piece(0)), noise(65_536))
        partial.abandon()
        #expect(store.usage.usedBytes == 300_000)
        #expect(try store.commit(sample))
        #expect(store.usage.usedBytes == 200_000)
        #expect(try folder.contentFiles().count == 1)
        try store.check()
    }

    @Test("abandoned blobs are evicted like others")
    func idleEviction() throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder, quota: 400_000)
        let first = try Sample(200_000, seed: 1)
        let partial = try store.beginPartial(first.digest, layout: first.layout)
        try partial.store(
            try #require(first.layout.piece(0)),
            first.bytes(of: try #require(first.layout.piece(0)))
        )
        partial.abandon()
        let second = try Sample(300_000, seed: 2)
        #expect(try store.commit(second))
        #expect(store.usage.evictions == 1 && store.usage.usedBytes == 300_000)
        #expect(try folder.contentFiles().count == 1)
    }

    @Test(
        "a blob that came whole another way while it was fetched is one blob in the end",
        arguments: [true, false]
    )
    func twoWays(finishes: Bool) throws {
        let folder = try TemporaryFolder()
        let store = try ContentStore.open(folder)
        let sample = try Sample(200_000)
        let partial = try store.beginPartial(sample.digest, layout: sample.layout)
        try partial.storeAll(sample)
        try store.commitSmall(sample.digest, bytes: sample.bytes)
        if finishes { #expect(try partial.finish()) } else { partial.abandon() }
        #expect(store.usage.usedBytes == 200_000 && store.usage.reservedBytes == 0)
        #expect(try folder.contentFiles().count == 1)
        try store.check()
    }
}
