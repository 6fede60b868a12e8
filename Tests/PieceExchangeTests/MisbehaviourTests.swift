import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("Peers that misbehave")
struct MisbehaviourTests {
    @Test("wrong bytes ban the sender, each time for longer, and the piece comes from elsewhere")
    func wrongBytes() throws {
        var desk = try Desk(pieces: 2)
        let a = try peer("a")
        var bans: [UInt64] = []
        for _ in 0..<3 {
            desk.put(.peerConnected(a))
            try desk.want()
            desk.offer(0..<2, from: a)
            try desk.deliver(try #require(desk.requests.first), .wrongBytes)
            for case .ban(let name, .wrongBytes, let retry) in desk.actions {
                #expect(name == a)
                bans.append(retry.nanoseconds - desk.now)
            }
            #expect(desk.fetches == [0..<2], "the registry takes over at once")
            desk.put(.unwant(blob: desk.digest))
            desk.now += 86_400_000_000_000
        }
        #expect(bans == [60_000_000_000, 240_000_000_000, 960_000_000_000])
    }

    @Test("a banned peer that comes back too early is sent away again")
    func returns() throws {
        var desk = try Desk(pieces: 1)
        let a = try peer("a")
        desk.put(.peerConnected(a))
        desk.put(.message(.have(.init(blob: desk.digest, pieces: [], held: 1)), from: a))
        let ban = desk.actions
        #expect(ban.count == 1)
        desk.put(.message(.interest(blob: desk.digest), from: a))
        #expect(desk.actions.isEmpty)
        desk.put(.peerConnected(a))
        #expect(desk.actions == ban)
        let header = PeerMessage.PieceHeader(request: 5, encoding: .identity, payloadBytes: 1)
        desk.put(.pieceArrived(header, from: a))
        #expect(desk.actions == [.discardPayload(request: 5, from: a)])
    }

    /// Two pieces and their digests by two authors, marred.
    private static func news(_ blob: Digest, _ mar: (inout PeerMessage.Have) -> Void) -> PeerMessage.Have {
        var have = PeerMessage.Have(blob: blob, pieces: [0, 1], held: 2)
        have.digests = [blob, blob]
        have.authors = ["x", "y"].compactMap { PeerName($0) }
        have.authorOf = [0, 1]
        mar(&have)
        return have
    }

    static let nonsense: [(String, @Sendable (Digest, PeerName) -> PeerMessage)] = [
        ("no pieces", { blob, _ in .have(.init(blob: blob, pieces: [], held: 1)) }),
        ("a piece outside the blob", { blob, _ in .have(.init(blob: blob, pieces: [9], held: 1)) }),
        ("a digest too few", { blob, _ in .have(news(blob) { $0.digests.removeLast() }) }),
        ("an author too few", { blob, _ in .have(news(blob) { $0.authors = [] }) }),
        ("no word of who computed a digest", { blob, _ in .have(news(blob) { $0.authorOf = [0] }) }),
        (
            "too many pieces",
            { blob, _ in .have(.init(blob: blob, pieces: [UInt32](repeating: 0, count: 1025), held: 1)) }
        ),
        (
            "a negative size",
            { blob, _ in .holdings(blob: blob, held: .init(blobBytes: -1, complete: true, bits: [])) }
        ),
        (
            "a size beyond all",
            { blob, _ in .holdings(blob: blob, held: .init(blobBytes: .max, complete: false, bits: [])) }
        ),
        (
            "all and some",
            { blob, _ in .holdings(blob: blob, held: .init(blobBytes: 1, complete: true, bits: [1])) }
        ),
        (
            "no digests",
            { blob, name in .pieceDigests(.init(blob: blob, author: name, first: 0, digests: [])) }
        ),
        ("an answer to nothing", { _, _ in .refuse(request: 9, reason: .busy, retryAfterMillis: 1) }),
    ]

    @Test("what no honest node says bans at once", arguments: nonsense.indices)
    func protocolViolation(index: Int) throws {
        var desk = try Desk(pieces: 9)
        let a = try peer("a")
        desk.put(.peerConnected(a))
        try desk.want()
        desk.put(.message(Self.nonsense[index].1(desk.digest, a), from: a))
        let isBanned = desk.actions.contains {
            if case .ban(a, reason: .protocolViolation, _) = $0 { true } else { false }
        }
        #expect(isBanned, "\(Self.nonsense[index].0)")
    }

    @Test("a peer that holds another size of the blob is no source of it, and no more than that")
    func otherSize() throws {
        var desk = try Desk(pieces: 9)
        let a = try peer("a")
        desk.put(.peerConnected(a))
        try desk.want()
        let held = PeerMessage.Holdings(blobBytes: desk.blob.layout.blobBytes + 1, complete: true, bits: [])
        desk.put(.message(.holdings(blob: desk.digest, held: held), from: a))
        #expect(desk.actions == [.fetchFromOrigin(blob: desk.digest, pieces: 0..<4)])
        desk.put(.message(.have(.init(blob: desk.digest, pieces: [.max], held: 1)), from: a))
        #expect(desk.actions.isEmpty)
    }

    @Test("a piece that does not come in time is fetched elsewhere, and still welcome")
    func late() throws {
        var desk = try Desk(pieces: 1)
        let a = try peer("a")
        desk.put(.peerConnected(a))
        try desk.want()
        desk.offer(0..<1, from: a)
        let request = try #require(desk.requests.first)
        desk.pass(milliseconds: 5_000)
        #expect(desk.seen == [.fetchFromOrigin(blob: desk.digest, pieces: 0..<1)])
        try desk.deliver(request)
        #expect(desk.actions.contains(.stopOrigin(blob: desk.digest)))
        #expect(desk.actions.contains(.checkBlob(blob: desk.digest)))
    }

    @Test("a peer that stalls three times in a minute is left out for five")
    func benched() throws {
        var desk = try Desk(pieces: 3)
        let a = try peer("a")
        desk.put(.peerConnected(a))
        var asked = 0
        for _ in 0..<5 {
            try desk.want()
            desk.offer(0..<3, from: a)
            asked += desk.requests.isEmpty ? 0 : 1
            desk.pass(milliseconds: 5_000)
            desk.put(.unwant(blob: desk.digest))
            desk.pass(milliseconds: 6_000)
        }
        #expect(asked == 3)
        desk.pass(milliseconds: 300_000)
        try desk.want()
        desk.offer(0..<3, from: a)
        #expect(!desk.requests.isEmpty)
    }

    @Test("BUSY is kept: not before the hint, and the registry steps in when it goes on")
    func busy() throws {
        var desk = try Desk(pieces: 1)
        let a = try peer("a")
        desk.put(.peerConnected(a))
        try desk.want()
        desk.offer(0..<1, from: a)
        for round in 0..<3 {
            let request = try #require((desk.requests + Desk.requests(in: desk.seen)).last)
            desk.put(
                .message(.refuse(request: request.request, reason: .busy, retryAfterMillis: 300), from: a)
            )
            guard round < 2 else { break }
            #expect(desk.requests.isEmpty)
            desk.seen = []
            desk.pass(milliseconds: 299)
            #expect(desk.seen.isEmpty)
            desk.pass(milliseconds: 1)
            #expect(Desk.requests(in: desk.seen).count == 1)
        }
        #expect(desk.fetches == [0..<1])
    }

    @Test("forged digests with bytes to fit: nothing is committed, the author banned, the second try right")
    func forged() throws {
        var desk = try Desk(pieces: 3)
        let a = try peer("a")
        desk.put(.peerConnected(a))
        try desk.want()
        desk.offer(0..<3, from: a, lying: true)
        for request in desk.requests { try desk.deliver(request) }
        #expect(desk.actions.contains(.checkBlob(blob: desk.digest)))
        desk.put(.blobChecked(blob: desk.digest, matches: false))
        let isBanned = desk.actions.contains {
            if case .ban(a, reason: .wrongDigests, _) = $0 { true } else { false }
        }
        #expect(isBanned)
        #expect(desk.fetches == [0..<3])
        let dropped = desk.blob.layout.pieces.map { $0 }
        #expect(desk.actions.contains(.dropPieces(blob: desk.digest, pieces: dropped)))
        try desk.read(0..<3)
        desk.put(.blobChecked(blob: desk.digest, matches: true))
        #expect(desk.actions.contains(.completed(blob: desk.digest)))
    }

    @Test("a liar in another's name brings no ban on that other, nor on who told the truth")
    func framed() throws {
        var desk = try Desk(pieces: 4)
        let (honest, liar) = (try peer("honest"), try peer("liar"))
        desk.put(.peerConnected(honest))
        desk.put(.peerConnected(liar))
        try desk.want()
        desk.offer(0..<2, from: honest)
        var asked = desk.requests
        desk.offer(2..<4, from: liar, lying: true, author: honest)
        asked += desk.requests
        for request in asked { try desk.deliver(request) }
        desk.put(.blobChecked(blob: desk.digest, matches: false))
        var bans = desk.actions.filter { if case .ban = $0 { true } else { false } }
        #expect(desk.fetches == [0..<4])
        try desk.read(0..<4)
        desk.put(.blobChecked(blob: desk.digest, matches: true))
        bans += desk.actions.filter { if case .ban = $0 { true } else { false } }
        #expect(bans.isEmpty, "who passed it on may have been fooled")
    }

    @Test("a blob that does not match twice is given up")
    func twice() throws {
        var desk = try Desk(pieces: 2)
        try desk.want()
        for expected in [
            ExchangeAction.fetchFromOrigin(blob: desk.digest, pieces: 0..<2),
            .failed(blob: desk.digest, .wrongContent),
        ] {
            try desk.read(0..<2)
            desk.put(.blobChecked(blob: desk.digest, matches: false))
            #expect(desk.actions.contains(expected))
        }
    }

    @Test("whoever tells a digest first cannot keep the piece from coming")
    func blocked() throws {
        var desk = try Desk(pieces: 1)
        let (liar, honest) = (try peer("liar"), try peer("honest"))
        desk.put(.peerConnected(liar))
        desk.put(.peerConnected(honest))
        try desk.want(originAllowed: false)
        desk.offer(0..<1, from: liar, lying: true)
        let request = try #require(desk.requests.first)
        desk.offer(0..<1, from: honest)
        #expect(desk.requests.isEmpty)
        desk.put(
            .message(.refuse(request: request.request, reason: .notHeld, retryAfterMillis: 0), from: liar)
        )
        #expect(desk.actions.contains(.send(.interest(blob: desk.digest), to: honest)))
        desk.offer(0..<1, from: honest)
        #expect(desk.requests.first?.to == honest)
    }

    @Test("a peer that does not deliver cannot keep the others out by telling digests first")
    func benchedTeller() throws {
        var desk = try Desk(pieces: 8)
        let (liar, honest) = (try peer("liar"), try peer("honest"))
        desk.put(.peerConnected(liar))
        desk.put(.peerConnected(honest))
        try desk.want(originAllowed: false)
        desk.offer(0..<1, from: liar, lying: true)
        #expect(desk.requests.map(\.to) == [liar])
        desk.offer(1..<2, from: honest)
        try desk.deliver(try #require(desk.requests.first))
        desk.pass(milliseconds: ExchangeLimits().pieceDeadlineMillis)
        desk.offer(0..<8, from: liar, lying: true)
        desk.offer(2..<8, from: honest)
        #expect(Set(desk.requests.map(\.to)) == [honest] && desk.requests.contains { $0.piece >= 2 })
        desk.seen = []
        desk.pass(milliseconds: Standing.shortBenchMillis)
        #expect(desk.seen.contains(.send(.interest(blob: desk.digest), to: liar)), "it may tell again")
    }

    @Test("a peer that corrects itself is not asked for what it said before, even if its correction is not taken")
    func corrected() throws {
        var desk = try Desk(pieces: 1)
        let (liar, fooled, author) = (try peer("liar"), try peer("fooled"), try peer("author"))
        desk.put(.peerConnected(liar))
        desk.put(.peerConnected(fooled))
        try desk.want(originAllowed: false)
        desk.offer(0..<1, from: liar, lying: true, author: author)
        try desk.deliver(try #require(desk.requests.first))
        desk.put(.blobChecked(blob: desk.digest, matches: false))
        let other = SimulatedContent.digest(of: 12_345)
        let told = PeerMessage.PieceDigests(blob: desk.digest, author: fooled, first: 0, digests: [other])
        desk.put(.message(.pieceDigests(told), from: fooled))
        let held = PeerMessage.Holdings(blobBytes: desk.blob.layout.blobBytes, complete: true, bits: [])
        desk.put(.message(.holdings(blob: desk.digest, held: held), from: fooled))
        let request = try #require(desk.requests.first)
        desk.offer(0..<1, from: fooled, author: author)
        try desk.deliver(request, .wrongBytes)
        #expect(!desk.actions.contains { if case .ban = $0 { true } else { false } })
    }
}
