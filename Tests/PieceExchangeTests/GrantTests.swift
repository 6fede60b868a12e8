import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("Who reads what from the registry")
struct GrantTests {
    private let limits = ExchangeLimits()

    private func time(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    private func book(pieces: Int) throws -> GrantBook {
        GrantBook(layout: try #require(SimulatedContent.blob(1, pieces: pieces)).layout, now: time(0))
    }

    private func ask(
        _ book: inout GrantBook,
        _ name: String,
        _ wanted: [Range<Int>],
        isRetry: Bool = false,
        at milliseconds: UInt64 = 0
    ) throws -> Range<Int>? {
        let answer = book.request(
            wanted,
            isRetry: isRetry,
            by: try peer(name),
            limits: limits,
            now: time(milliseconds)
        )
        if case .granted(let pieces) = answer { return pieces }
        return nil
    }

    private func finish(
        _ book: inout GrantBook,
        _ pieces: Range<Int>,
        _ name: String,
        at moment: UInt64
    ) throws {
        let holder = try peer(name)
        book.report(pieces, read: pieces.count, isOver: true, by: holder, limits: limits, now: time(moment))
    }

    @Test("takers that come together read different pieces, none twice, and all of them in the end")
    func scatter() throws {
        var book = try book(pieces: 512)
        var seen = Bits(capacity: 512)
        var shares: [String: Int] = [:]
        var moment: UInt64 = 0
        while !seen.isFull, moment < 10_000 {
            moment += 10
            for name in ["a", "b", "c", "d"] {
                guard let pieces = try ask(&book, name, [0..<512], at: moment) else { continue }
                for piece in pieces {
                    let isNew = seen.insert(piece)
                    #expect(isNew)
                }
                shares[name, default: 0] += pieces.count
                try finish(&book, pieces, name, at: moment)
            }
        }
        #expect(seen.isFull)
        #expect(shares.values.allSatisfy { (120...136).contains($0) }, "\(shares)")
    }

    @Test("one taker alone is granted twice as much each time")
    func alone() throws {
        var book = try book(pieces: 640)
        var sizes: [Int] = []
        while let pieces = try ask(&book, "a", [0..<640]) {
            sizes.append(pieces.count)
            try finish(&book, pieces, "a", at: 0)
        }
        #expect(sizes == [10, 20, 40, 80, 160, 320, 10])
    }

    @Test("what a holder that left was reading is granted anew at once; that of a silent one after a while")
    func lostHolder() throws {
        var book = try book(pieces: 4)
        let answer1 = try ask(&book, "a", [0..<4])
        #expect(answer1 == 0..<4)
        let answer2 = try ask(&book, "b", [0..<4])
        #expect(answer2 == nil)
        book.lose(try peer("a"))
        let answer3 = try ask(&book, "b", [0..<4])
        #expect(answer3 == 0..<4)
        book.report(0..<4, read: 2, isOver: false, by: try peer("b"), limits: limits, now: time(4_000))
        let answer4 = try ask(&book, "c", [0..<4], at: 8_999)
        #expect(answer4 == nil)
        let answer5 = try ask(&book, "c", [0..<4], at: 9_001)
        #expect(answer5 == 2..<4, "the others are read")
    }

    @Test("pieces that were read are left to their reader to hand on, but not when it fails to")
    func retry() throws {
        var book = try book(pieces: 4)
        let answer6 = try ask(&book, "a", [0..<4])
        #expect(answer6 == 0..<4)
        try finish(&book, 0..<4, "a", at: 0)
        let answer7 = try ask(&book, "b", [1..<2], isRetry: true, at: 4_000)
        #expect(answer7 == nil)
        let answer8 = try ask(&book, "b", [1..<2], at: 6_000)
        #expect(answer8 == nil)
        let answer9 = try ask(&book, "b", [1..<2], isRetry: true, at: 6_000)
        #expect(answer9 == 1..<2)
    }

    @Test("what is read without a grant of this book counts as granted")
    func takenOver() throws {
        var book = try book(pieces: 8)
        book.report(2..<6, read: 1, isOver: false, by: try peer("a"), limits: limits, now: time(0))
        let answer10 = try ask(&book, "b", [0..<8])
        #expect(answer10 == 0..<2)
        let answer11 = try ask(&book, "b", [2..<8])
        #expect(answer11 == 6..<8)
    }

    // MARK: The taker

    @Test("pieces that nobody offers are asked of the keeper of grants; only those granted are read")
    func asks() throws {
        var (desk, directory) = try Desk.withDirectory(pieces: 8)
        let blob = desk.digest
        desk.put(.message(.holdings(blob: blob, held: nil), from: directory))
        let bytes = desk.blob.layout.blobBytes
        let request = PeerMessage.GrantRequest(
            blob: blob,
            blobBytes: bytes,
            wanted: [.init(first: 0, count: 8)],
            isRetry: false
        )
        #expect(desk.actions == [.send(.grantRequest(request), to: directory)])
        desk.put(.message(.grant(blob: blob, pieces: .init(first: 2, count: 2)), from: directory))
        #expect(desk.fetches == [2..<4])
        desk.put(.message(.grantRefused(blob: blob, retryAfterMillis: 100_000), from: directory))
        try desk.read(2..<4)
        desk.put(.originEnded(blob: blob, failure: nil))
        let progress = PeerMessage.GrantProgress(
            blob: blob,
            blobBytes: bytes,
            pieces: .init(first: 2, count: 2),
            read: 2,
            isOver: true
        )
        #expect(desk.sent.contains(.grantProgress(progress)))
        #expect(desk.fetches.isEmpty)
    }

    @Test("a member that does not answer costs one deadline", arguments: [true, false])
    func deadDirectory(isConnected: Bool) throws {
        var (desk, directory) = try Desk.withDirectory(pieces: 8)
        desk.put(.message(.holdings(blob: desk.digest, held: nil), from: directory))
        #expect(desk.fetches.isEmpty)
        if isConnected {
            desk.pass(milliseconds: limits.grantAnswerMillis)
            desk.actions = desk.seen
        } else {
            desk.put(.peerDisconnected(directory))
        }
        #expect(!desk.fetches.isEmpty)
    }

    @Test("a member that refuses for ever is passed over")
    func refusing() throws {
        var (desk, directory) = try Desk.withDirectory(pieces: 8)
        desk.put(.message(.holdings(blob: desk.digest, held: nil), from: directory))
        for _ in 0..<200 where desk.fetches.isEmpty {
            desk.put(.message(.grantRefused(blob: desk.digest, retryAfterMillis: 100), from: directory))
            desk.seen = desk.actions
            desk.pass(milliseconds: 200)
            desk.actions = desk.seen
        }
        #expect(!desk.fetches.isEmpty)
        #expect(desk.now <= (limits.grantPatienceMillis + 1_000) * 1_000_000)
    }

    @Test("out of patience while the registry is silent, a node waits until it may ask again, and does not go round")
    func silentRegistry() throws {
        var (desk, directory) = try Desk.withDirectory(pieces: 8)
        desk.put(.message(.holdings(blob: desk.digest, held: nil), from: directory))
        desk.put(.message(.grant(blob: desk.digest, pieces: .init(first: 0, count: 2)), from: directory))
        #expect(desk.fetches == [0..<2])
        while desk.now < (limits.grantPatienceMillis + 5_000) * 1_000_000 {
            desk.put(.message(.grantRefused(blob: desk.digest, retryAfterMillis: 1_000), from: directory))
            desk.pass(milliseconds: 1_500)
        }
    }

    @Test("who reads from the registry goes on asking when others come who would be asked to read before it")
    func readerGoesOn() throws {
        var few = ExchangeLimits()
        few.grantAskersMax = 1
        var desk = try Desk(pieces: 8, limits: few)
        let peers = try "abcdefgh".map { try peer(String($0)) }
        for name in peers { desk.put(.peerConnected(name)) }
        try desk.want()
        for name in peers { desk.put(.message(.holdings(blob: desk.digest, held: nil), from: name)) }
        let directory = desk.exchange.directory(of: 0)
        desk.put(.message(.grant(blob: desk.digest, pieces: .init(first: 0, count: 2)), from: directory))
        #expect(desk.fetches == [0..<2])
        desk.put(.message(.grantRefused(blob: desk.digest, retryAfterMillis: 100), from: directory))
        for name in peers { desk.put(.message(.interest(blob: desk.digest), from: name)) }
        desk.pass(milliseconds: 200)
        #expect(desk.seen.contains { if case .send(.grantRequest, directory) = $0 { true } else { false } })
    }

    @Test("nodes that do not hear the keeper of grants begin to read in different places, a lone one at the start")
    func scattered() throws {
        let directory = try Desk.withDirectory(pieces: 64).directory
        for hasCompany in [true, false] {
            let starts = try (0..<16 as Range<UInt64>).map { seed in
                var desk = try Desk(pieces: 64, seed: seed)
                desk.put(.peerConnected(directory))
                try desk.want()
                desk.put(.message(.holdings(blob: desk.digest, held: nil), from: directory))
                if hasCompany { desk.put(.message(.interest(blob: desk.digest), from: directory)) }
                desk.pass(milliseconds: limits.grantAnswerMillis)
                desk.actions = desk.seen
                return try #require(desk.fetches.first).lowerBound
            }
            #expect(hasCompany ? Set(starts).count > 8 : Set(starts) == [0], "\(starts)")
        }
    }

    @Test("an answer that comes behind pieces is waited for as long as these come")
    func busyDirectory() throws {
        var (desk, directory) = try Desk.withDirectory(pieces: 8)
        desk.offer(0..<4, from: directory)
        var rest = desk.requests
        #expect(rest.count == 4)
        desk.put(.message(.grantRefused(blob: desk.digest, retryAfterMillis: 20), from: directory))
        desk.pass(milliseconds: 100)
        while !rest.isEmpty {
            desk.pass(milliseconds: limits.grantAnswerMillis - 500)
            try desk.deliver(rest.removeFirst())
        }
        #expect(!desk.seen.contains { if case .fetchFromOrigin = $0 { true } else { false } })
        desk.seen = []
        desk.pass(milliseconds: limits.grantAnswerMillis)
        #expect(desk.seen.contains { if case .fetchFromOrigin = $0 { true } else { false } }, "it is not waited for")
    }
}
