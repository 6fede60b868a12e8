import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("Where pieces come from")
struct SourceTests {
    @Test("of two peers that have a piece, the one that brought its last one sooner is asked")
    func soonest() throws {
        for quick in ["a", "b"] {
            var limits = ExchangeLimits()
            limits.requestedBytesMax = 2 * PieceLayout.pieceBytesMin
            var desk = try Desk(pieces: 12, limits: limits)
            let names = try ["a", "b"].map(peer)
            for name in names { desk.put(.peerConnected(name)) }
            try desk.want()
            var open: [(request: UInt32, piece: Int, to: PeerName)] = []
            for (piece, name) in names.enumerated() {
                desk.offer(piece..<(piece + 1), from: name)
                open += desk.requests
            }
            for name in names { desk.offer(2..<12, from: name) }
            open.sort { left, right in left.to.text == quick && right.to.text != quick }
            #expect(open.count == 2)
            for (request, pause) in zip(open, [100, 300] as [UInt64]) {
                desk.pass(milliseconds: pause)
                try desk.deliver(request)
            }
            #expect(desk.requests.map(\.to.text) == [quick])
        }
    }

    @Test("a node alone reads the whole blob from the registry at once, in one fetch")
    func alone() throws {
        var desk = try Desk(pieces: 9)
        try desk.want()
        #expect(desk.actions == [.fetchFromOrigin(blob: desk.digest, pieces: 0..<9)])
        try desk.read(0..<9)
        #expect(desk.actions.contains(.checkBlob(blob: desk.digest)))
        desk.put(.blobChecked(blob: desk.digest, matches: true))
        #expect(desk.actions == [.completed(blob: desk.digest)])
        #expect(desk.exchange.nextDeadline == nil)
    }

    @Test("a resumed blob is read in its gaps only, from the reader on")
    func resumed() throws {
        var desk = try Desk(pieces: 8)
        try desk.want(held: [0, 3, 4])
        #expect(desk.fetches == [1..<3])
        let index = try #require(desk.blob.layout.piece(6))
        try desk.read(1..<3)
        #expect(desk.actions.contains(.stopOrigin(blob: desk.digest)) || desk.fetches.isEmpty)
        desk.put(.originEnded(blob: desk.digest, failure: nil))
        #expect(desk.fetches == [5..<8])
        desk.put(.readerMoved(blob: desk.digest, to: index))
        #expect(desk.fetches.isEmpty)
    }

    @Test("the registry waits for what peers say, but only so long")
    func probe() throws {
        var desk = try Desk(pieces: 4)
        desk.put(.peerConnected(try peer("a")))
        try desk.want()
        #expect(desk.actions == [.send(.interest(blob: desk.digest), to: try peer("a"))])
        desk.pass(milliseconds: ExchangeLimits().probeMillis - 1)
        #expect(desk.seen.isEmpty)
        desk.pass(milliseconds: 1)
        #expect(desk.seen == [.fetchFromOrigin(blob: desk.digest, pieces: 0..<4)])
    }

    @Test("what a peer has is never read from the registry")
    func joiner() throws {
        var desk = try Desk(pieces: 40)
        let a = try peer("a")
        desk.put(.peerConnected(a))
        try desk.want()
        desk.offer(0..<40, from: a)
        var outstanding = desk.requests
        #expect(outstanding.count == 4)
        var order: [Int] = []
        while let next = outstanding.first {
            outstanding.removeFirst()
            order.append(next.piece)
            try desk.deliver(next)
            #expect(desk.fetches.isEmpty)
            outstanding += desk.requests
        }
        #expect(Set(order) == Set(0..<40))
        #expect(Array(order.prefix(4)) == [0, 1, 2, 3], "the reader's window comes in order")
    }

    /// The pieces in the order in which they were asked of `a`, until `count` are there.
    private func order(_ desk: inout Desk, of count: Int) throws -> [Int] {
        var outstanding = desk.requests
        var order: [Int] = []
        while let next = outstanding.first, order.count < count {
            outstanding.removeFirst()
            order.append(next.piece)
            try desk.deliver(next)
            outstanding += desk.requests
        }
        return order
    }

    @Test("the only node to fetch a blob takes it in order; one among others anywhere beyond the reader's window")
    func inOrder() throws {
        for isAlone in [true, false] {
            var desk = try Desk(pieces: 300)
            let (a, b) = (try peer("a"), try peer("b"))
            for name in [a, b] { desk.put(.peerConnected(name)) }
            try desk.want()
            if !isAlone { desk.put(.message(.interest(blob: desk.digest), from: b)) }
            desk.offer(0..<300, from: a)
            let order = try order(&desk, of: 300)
            #expect(Set(order) == Set(0..<300))
            #expect((order == Array(0..<300)) == isAlone)
        }
    }

    @Test("several peers are asked at once, each for other pieces")
    func several() throws {
        var desk = try Desk(pieces: 12)
        let names = [try peer("a"), try peer("b"), try peer("c")]
        for name in names { desk.put(.peerConnected(name)) }
        try desk.want()
        var asked: [(request: UInt32, piece: Int, to: PeerName)] = []
        for name in names {
            desk.offer(0..<12, from: name)
            asked += desk.requests
        }
        #expect(Set(asked.map(\.to)) == Set(names))
        #expect(Set(asked.map(\.piece)).count == asked.count)
        #expect(asked.count == 12)
    }

    @Test("beyond the window the rarest piece goes first")
    func rarest() throws {
        var limits = ExchangeLimits()
        limits.windowPieces = 0
        var desk = try Desk(pieces: 30, limits: limits)
        let (a, b) = (try peer("a"), try peer("b"))
        desk.put(.peerConnected(a))
        desk.put(.peerConnected(b))
        try desk.want()
        desk.offer(1..<30, from: b)
        let busy = desk.requests
        desk.offer(0..<30, from: a)
        #expect(busy.count == 4)
        #expect(desk.requests.first?.piece == 0, "only one peer has piece 0")
    }

    @Test("a fetch stops where it meets pieces from peers, and goes on after them")
    func meeting() throws {
        var desk = try Desk(pieces: 200)
        let a = try peer("a")
        try desk.want()
        #expect(desk.fetches == [0..<200])
        desk.listen(a)
        desk.put(.message(.holdings(blob: desk.digest, held: nil), from: a))
        desk.offer(100..<104, from: a)
        for request in desk.requests { try desk.deliver(request) }
        try desk.read(0..<99)
        #expect(!desk.actions.contains(.stopOrigin(blob: desk.digest)))
        try desk.read(99..<100)
        #expect(desk.actions.contains(.stopOrigin(blob: desk.digest)))
        #expect(desk.fetches == [104..<200])
    }

    @Test("a registry that breaks off is tried again after a pause that grows, and not for ever")
    func transient() throws {
        var desk = try Desk(pieces: 3)
        try desk.want()
        var fetches = 0
        for _ in 0..<10 {
            desk.put(.originEnded(blob: desk.digest, failure: .transient))
            if desk.actions.contains(.failed(blob: desk.digest, .sourcesExhausted)) { break }
            #expect(desk.fetches.isEmpty, "not at once")
            desk.seen = []
            desk.pass(milliseconds: 8_000)
            fetches += desk.seen.count
        }
        #expect(fetches == 4)
        #expect(desk.actions == [.failed(blob: desk.digest, .sourcesExhausted)])
    }

    @Test(
        "a want without any source fails at once, with the reason",
        arguments: [(false, ExchangeAction.WantFailure.noSource), (true, .originRefused)]
    )
    func hopeless(originAllowed: Bool, reason: ExchangeAction.WantFailure) throws {
        var desk = try Desk(pieces: 3)
        try desk.want(originAllowed: originAllowed)
        if originAllowed { desk.put(.originEnded(blob: desk.digest, failure: .permanent)) }
        #expect(desk.actions == [.failed(blob: desk.digest, reason)])
        #expect(desk.exchange.nextDeadline == nil)
    }

    @Test("a silent registry fetch is given up")
    func silence() throws {
        var desk = try Desk(pieces: 3)
        try desk.want()
        desk.pass(milliseconds: 61_000)
        #expect(desk.seen.first == .stopOrigin(blob: desk.digest))
        #expect(desk.seen.last == .fetchFromOrigin(blob: desk.digest, pieces: 0..<3))
    }

    @Test("a disk that fails ends the want", arguments: [true, false])
    func disk(fromOrigin: Bool) throws {
        var desk = try Desk(pieces: 2)
        let a = try peer("a")
        desk.put(.peerConnected(a))
        try desk.want()
        if fromOrigin {
            desk.put(.storeFailed(blob: desk.digest))
        } else {
            desk.offer(0..<2, from: a)
            try desk.deliver(try #require(desk.requests.first), .storeFailed)
        }
        #expect(desk.actions.contains(.failed(blob: desk.digest, .storeFailed)))
    }

    @Test("nobody reads on after the last reader left")
    func unwanted() throws {
        var desk = try Desk(pieces: 60)
        let a = try peer("a")
        desk.put(.peerConnected(a))
        try desk.want()
        desk.offer(50..<52, from: a)
        desk.put(.unwant(blob: desk.digest))
        #expect(desk.sent.filter { if case .cancel = $0 { true } else { false } }.count == 2)
        #expect(desk.sent.contains(.uninterest(blob: desk.digest)))
        #expect(desk.actions.contains(.stopOrigin(blob: desk.digest)))
    }
}
