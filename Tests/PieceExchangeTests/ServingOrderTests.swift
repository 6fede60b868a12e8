import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("Whom a node serves first, and with what")
struct ServingOrderTests {
    /// A desk that sends one piece at a time, with peers that want its blob.
    private func desk(pieces: Int, peers names: [PeerName]) throws -> Desk {
        var limits = ExchangeLimits()
        limits.uploadsMin = 1
        limits.uploadsMax = 1
        var desk = try Desk(pieces: pieces, limits: limits)
        for name in names {
            desk.listen(name)
        }
        return desk
    }

    private func ask(_ desk: inout Desk, _ request: UInt32, _ piece: UInt32, _ name: PeerName) {
        desk.put(.message(.request(request: request, blob: desk.digest, piece: piece), from: name))
    }

    private func uploads(_ desk: Desk) -> [UInt32] {
        desk.actions.compactMap { if case .upload(_, _, let request, _) = $0 { request } else { nil } }
    }

    private func isSentElsewhere(_ request: UInt32, _ desk: Desk) -> Bool {
        desk.sent.contains(.refuse(request: request, reason: .elsewhere, retryAfterMillis: 0))
    }

    @Test("who has the blob whole gives each piece once before it gives any twice")
    func eachOnce() throws {
        let (a, b) = (try peer("a"), try peer("b"))
        var desk = try desk(pieces: 3, peers: [a, b])
        desk.put(.blobAvailable(blob: desk.digest, layout: desk.blob.layout))
        ask(&desk, 1, 0, a)
        #expect(uploads(desk) == [1])
        ask(&desk, 2, 0, b)
        #expect(isSentElsewhere(2, desk), "it was just given to a")
        ask(&desk, 3, 1, b)
        ask(&desk, 4, 1, a)
        desk.put(.uploadEnded(request: 1, to: a))
        #expect(uploads(desk) == [3], "b was given less")
        #expect(isSentElsewhere(4, desk), "it waited until b was served")
        ask(&desk, 5, 2, a)
        desk.put(.uploadEnded(request: 3, to: b))
        #expect(uploads(desk) == [5])
        desk.put(.uploadEnded(request: 5, to: a))
        ask(&desk, 6, 0, b)
        #expect(uploads(desk) == [6], "all were given once")
    }

    @Test("a piece that was given a while ago is given again to who still asks for it")
    func later() throws {
        let (a, b) = (try peer("a"), try peer("b"))
        var desk = try desk(pieces: 3, peers: [a, b])
        desk.put(.blobAvailable(blob: desk.digest, layout: desk.blob.layout))
        ask(&desk, 1, 0, a)
        desk.put(.uploadEnded(request: 1, to: a))
        desk.pass(milliseconds: UInt64(ExchangeLimits().elsewhereMillis))
        ask(&desk, 2, 0, b)
        #expect(uploads(desk) == [2])
    }

    @Test("one peer alone is given whatever it asks for")
    func alone() throws {
        let a = try peer("a")
        var desk = try desk(pieces: 3, peers: [a])
        desk.put(.blobAvailable(blob: desk.digest, layout: desk.blob.layout))
        for request in 1...2 as ClosedRange<UInt32> {
            ask(&desk, request, 0, a)
            #expect(uploads(desk) == [request])
            desk.put(.uploadEnded(request: request, to: a))
        }
    }

    @Test("a node that fetches gives a piece to two; the others get it from these")
    func handedOn() throws {
        let names = try ["a", "b", "c"].map(peer)
        var desk = try desk(pieces: 8, peers: names)
        try desk.want(held: [0])
        for (index, name) in names.enumerated() { ask(&desk, UInt32(index), 0, name) }
        let others = [1, 2] as [UInt32]
        desk.put(.uploadEnded(request: 0, to: names[0]))
        let second = try #require(uploads(desk).first)
        #expect(others.contains(second))
        #expect(others.filter { isSentElsewhere($0, desk) }.count == 1)
    }

    @Test("a node that fetches, and that many wait for, takes no request for what it gave to two")
    func crowded() throws {
        let names = try ["a", "b", "c"].map(peer)
        var desk = try desk(pieces: 16, peers: names)
        try desk.want(held: Array(0..<12))
        for (index, name) in names.prefix(2).enumerated() {
            ask(&desk, UInt32(index), 0, name)
            desk.put(.uploadEnded(request: UInt32(index), to: name))
        }
        let crowded = UInt32(ExchangeLimits().crowdedFrom)
        for piece in 1..<(1 + crowded) { ask(&desk, 10 + piece, piece, names[0]) }
        ask(&desk, 30, 0, names[2])
        #expect(!isSentElsewhere(30, desk), "one request is being served, one less than make a crowd wait")
        desk.put(.message(.cancel(request: 30), from: names[2]))
        ask(&desk, 31, 1 + crowded, names[0])
        ask(&desk, 32, 0, names[2])
        #expect(isSentElsewhere(32, desk))
        desk.pass(milliseconds: UInt64(ExchangeLimits().elsewhereMillis))
        ask(&desk, 33, 0, names[2])
        #expect(!isSentElsewhere(33, desk), "whom it was given to had time to hand it on")
    }

    @Test("of two peers that are being sent as little, the one further behind is next")
    func furthestBehind() throws {
        let (a, b, c) = (try peer("a"), try peer("b"), try peer("c"))
        var desk = try desk(pieces: 200, peers: [a, b, c])
        try desk.want(held: Array(0..<200 - 1))
        desk.offer(0..<150, from: a)
        desk.offer(0..<20, from: b)
        desk.offer(0..<150, from: c)
        ask(&desk, 1, 0, c)
        ask(&desk, 2, 160, a)
        ask(&desk, 3, 161, b)
        desk.put(.uploadEnded(request: 1, to: c))
        #expect(uploads(desk) == [3])
        desk.put(.message(.have(.init(blob: desk.digest, pieces: [161], held: 190)), from: b))
        ask(&desk, 4, 162, b)
        desk.put(.uploadEnded(request: 3, to: b))
        #expect(uploads(desk) == [2], "b says that it is ahead now")
    }

    @Test("a piece that was left to others is asked for elsewhere, or again after a while")
    func askedAgain() throws {
        let (a, b) = (try peer("a"), try peer("b"))
        var desk = try Desk(pieces: 1)
        desk.put(.peerConnected(a))
        desk.put(.peerConnected(b))
        try desk.want()
        desk.offer(0..<1, from: a)
        let first = try #require(desk.requests.first)
        let refusal = PeerMessage.refuse(request: first.request, reason: .elsewhere, retryAfterMillis: 0)
        desk.put(.message(refusal, from: a))
        #expect(desk.requests.isEmpty)
        desk.offer(0..<1, from: b)
        #expect(desk.requests.first?.to == b)
        let second = try #require(desk.requests.first)
        let other = PeerMessage.refuse(request: second.request, reason: .elsewhere, retryAfterMillis: 0)
        desk.put(.message(other, from: b))
        #expect(desk.requests.isEmpty)
        desk.pass(milliseconds: ExchangeLimits().elsewherePauseMillis)
        #expect(Desk.requests(in: desk.seen).count >= 1)
    }
}
