import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("What a node gives")
struct SharingTests {
    private func digests(_ desk: Desk, _ pieces: Range<Int>) throws -> PeerMessage {
        .pieceDigests(
            .init(
                blob: desk.digest,
                author: try peer("me"),
                first: UInt32(pieces.lowerBound),
                digests: pieces.map(desk.trueDigest)
            )
        )
    }

    @Test("a whole blob is announced once its digests are loaded: digests first, then holdings")
    func whole() throws {
        var desk = try Desk(pieces: 3)
        let a = try peer("a")
        desk.put(.blobAvailable(blob: desk.digest, layout: desk.blob.layout))
        desk.listen(a)
        #expect(desk.actions == [.loadDigests(blob: desk.digest)])
        desk.put(.digestsLoaded(blob: desk.digest, digests: (0..<3).map(desk.trueDigest)))
        let held = PeerMessage.Holdings(blobBytes: desk.blob.layout.blobBytes, complete: true, bits: [])
        #expect(desk.sent == [try digests(desk, 0..<3), .holdings(blob: desk.digest, held: held)])
    }

    @Test("digests that cannot be made leave the node without the blob")
    func unloadable() throws {
        var desk = try Desk(pieces: 3)
        let a = try peer("a")
        desk.put(.blobAvailable(blob: desk.digest, layout: desk.blob.layout))
        desk.listen(a)
        desk.put(.digestsLoaded(blob: desk.digest, digests: nil))
        #expect(desk.sent == [.holdings(blob: desk.digest, held: nil)])
    }

    @Test("pieces that come in are told in one batch after 50 ms, and the end of it as complete")
    func batches() throws {
        var desk = try Desk(pieces: 4)
        let a = try peer("a")
        desk.listen(a)
        #expect(desk.sent == [.holdings(blob: desk.digest, held: nil)])
        try desk.want()
        desk.put(.message(.holdings(blob: desk.digest, held: nil), from: a))
        try desk.read(0..<2)
        #expect(desk.sent.isEmpty)
        desk.pass(milliseconds: 50)
        let first = PeerMessage.Holdings(blobBytes: desk.blob.layout.blobBytes, complete: false, bits: [3])
        #expect(
            desk.seen == [
                .send(try digests(desk, 0..<2), to: a),
                .send(.holdings(blob: desk.digest, held: first), to: a),
            ]
        )
        try desk.read(2..<3)
        desk.seen = []
        desk.pass(milliseconds: 50)
        var news = PeerMessage.Have(blob: desk.digest, pieces: [2], held: 3)
        news.digests = [desk.trueDigest(2)]
        news.authors = [try peer("me")]
        news.authorOf = [0]
        #expect(desk.seen == [.send(.have(news), to: a)])
        try desk.read(3..<4)
        desk.put(.blobChecked(blob: desk.digest, matches: true))
        let all = PeerMessage.Holdings(blobBytes: desk.blob.layout.blobBytes, complete: true, bits: [])
        #expect(desk.sent.last == .holdings(blob: desk.digest, held: all))
    }

    @Test("a very large blob is announced in turns that do not flood the listener")
    func large() throws {
        let pieces = 100_000
        let layout = try #require(PieceLayout(blobBytes: Int64(pieces) << 20))
        var desk = try Desk(pieces: 1)
        let a = try peer("a")
        desk.put(.blobAvailable(blob: desk.digest, layout: layout))
        desk.listen(a)
        let digests = (0..<pieces).map { SimulatedContent.digest(of: UInt64($0)) }
        desk.put(.digestsLoaded(blob: desk.digest, digests: digests))
        #expect(desk.sent.count == 1 + 2 * 32)
        desk.pass(milliseconds: 200)
        let told = desk.seen.reduce(0) { sum, action in
            if case .send(.pieceDigests(let page), _) = action { sum + page.digests.count } else { sum }
        }
        #expect(told == pieces - 32 * 1024)
        let all = PeerMessage.Holdings(blobBytes: layout.blobBytes, complete: true, bits: [])
        #expect(desk.seen.last == .send(.holdings(blob: desk.digest, held: all), to: a))
        #expect(desk.exchange.nextDeadline == nil)
    }

    @Test("uploads keep to their slots, the least served peer is next, and a long wait is BUSY")
    func uploads() throws {
        var limits = ExchangeLimits()
        limits.uploadsMax = 3
        limits.uploadsPerPeerMax = 2
        var desk = try Desk(pieces: 60, limits: limits)
        let (a, b) = (try peer("a"), try peer("b"))
        desk.put(.blobAvailable(blob: desk.digest, layout: desk.blob.layout))
        desk.put(.peerConnected(a))
        desk.put(.peerConnected(b))
        var begun: [(PeerName, UInt32)] = []
        func ask(_ name: PeerName, _ request: UInt32) {
            desk.put(
                .message(.request(request: request, blob: desk.digest, piece: request), from: name)
            )
            for case .upload(_, _, let request, let to) in desk.actions { begun.append((to, request)) }
        }
        for request in 0..<6 as Range<UInt32> { ask(a, request) }
        #expect(begun.map(\.1) == [0, 1])
        for request in 10..<16 as Range<UInt32> { ask(b, request) }
        #expect(begun.map(\.1) == [0, 1, 10])
        desk.put(.uploadEnded(request: 0, to: a))
        #expect(desk.actions.contains { if case .upload(_, _, 11, b) = $0 { true } else { false } })
        desk.put(.message(.cancel(request: 12), from: b))
        desk.now += 3_000_000_000
        desk.put(.uploadEnded(request: 1, to: a))
        ask(a, 30)
        let refusals = desk.sent.compactMap { message -> UInt32? in
            if case .refuse(30, .busy, let hint) = message { hint } else { nil }
        }
        #expect(refusals.count == 1 && (50...2_000).contains(refusals[0]))
    }

    @Test("where each peer has room for all others fewer pieces leave at once", arguments: [(18, 8), (19, 12)])
    func amongFew(peers: Int, uploads: Int) throws {
        var desk = try Desk(pieces: 60)
        desk.put(.blobAvailable(blob: desk.digest, layout: desk.blob.layout))
        let names = try (0..<peers).map { try peer("p\($0)") }
        for name in names { desk.put(.peerConnected(name)) }
        var begun = 0
        for (number, name) in names.enumerated() {
            desk.put(.message(.request(request: 1, blob: desk.digest, piece: UInt32(number)), from: name))
            begun += desk.actions.count { if case .upload = $0 { true } else { false } }
        }
        #expect(begun == uploads)
    }

    @Test("a piece that is not held is refused, one that does not exist bans")
    func notHeld() throws {
        var desk = try Desk(pieces: 4)
        let a = try peer("a")
        desk.put(.peerConnected(a))
        desk.put(.message(.request(request: 1, blob: desk.digest, piece: 0), from: a))
        #expect(desk.sent == [.refuse(request: 1, reason: .notHeld, retryAfterMillis: 0)])
        try desk.want(held: [1])
        desk.put(.message(.request(request: 2, blob: desk.digest, piece: 0), from: a))
        #expect(desk.sent == [.refuse(request: 2, reason: .notHeld, retryAfterMillis: 0)])
        desk.put(.message(.request(request: 3, blob: desk.digest, piece: 1), from: a))
        #expect(desk.actions.contains { if case .upload(_, _, 3, a) = $0 { true } else { false } })
        desk.put(.message(.request(request: 4, blob: desk.digest, piece: 4), from: a))
        #expect(
            desk.actions.contains {
                if case .ban(a, reason: .protocolViolation, _) = $0 { true } else { false }
            }
        )
    }

    @Test("a blob that is removed is taken back from all who listen")
    func removed() throws {
        var desk = try Desk(pieces: 2)
        let a = try peer("a")
        desk.put(.blobAvailable(blob: desk.digest, layout: desk.blob.layout))
        desk.listen(a)
        desk.put(.digestsLoaded(blob: desk.digest, digests: (0..<2).map(desk.trueDigest)))
        desk.put(.blobRemoved(blob: desk.digest))
        #expect(desk.sent == [.holdings(blob: desk.digest, held: nil)])
        desk.put(.message(.request(request: 1, blob: desk.digest, piece: 0), from: a))
        #expect(desk.sent == [.refuse(request: 1, reason: .notHeld, retryAfterMillis: 0)])
    }

    @Test("in the end, a piece that one peer delays is asked of another too, and the loser is told")
    func endgame() throws {
        var desk = try Desk(pieces: 1)
        let (a, b) = (try peer("a"), try peer("b"))
        desk.put(.peerConnected(a))
        desk.put(.peerConnected(b))
        try desk.want()
        desk.offer(0..<1, from: a)
        let first = try #require(desk.requests.first)
        desk.offer(0..<1, from: b)
        desk.pass(milliseconds: 250)
        let second = try #require(Desk.requests(in: desk.seen).first)
        #expect(second.piece == 0 && second.to != first.to)
        try desk.deliver(second)
        #expect(desk.sent.contains(.cancel(request: first.request)))
        try desk.deliver(first)
        #expect(desk.actions == [.discardPayload(request: first.request, from: first.to)])
    }
}
