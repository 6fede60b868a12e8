import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("pieces checked as links of a chain")
struct ChainTests {
    /// A desk with a peer that offers all of four pieces, of which the first two were checked as links.
    private func desk(lying: Bool = false) throws -> (desk: Desk, holder: PeerName) {
        var desk = try Desk(pieces: 4)
        let holder = try peer("holder")
        desk.put(.peerConnected(holder))
        try desk.want()
        desk.offer(0..<4, from: holder, lying: lying)
        #expect(desk.exchange.mayGoByChain(desk.digest))
        let requests = desk.requests
        for request in requests.filter({ $0.piece < 2 }) { try desk.deliver(request, .linked) }
        return (desk, holder)
    }

    private func proven(_ desk: Desk, _ pieces: Range<Int>) throws -> ExchangeEvent {
        .piecesProven(
            blob: desk.digest,
            try pieces.map { (piece: try #require(desk.blob.layout.piece($0)), digest: desk.trueDigest($0)) })
    }

    private func isProving(_ desk: Desk, _ pieces: [Int]) -> Bool {
        desk.actions.contains(
            .provePieces(blob: desk.digest, pieces: pieces.compactMap { desk.blob.layout.piece($0) }))
    }

    private func bans(_ desk: Desk) -> [PeerName] {
        desk.actions.compactMap { if case .ban(let peer, .wrongBytes, _) = $0 { peer } else { nil } }
    }

    private func dropped(_ desk: Desk) -> [Int] {
        desk.actions.flatMap { if case .dropPieces(_, let pieces) = $0 { pieces.map(\.value) } else { [Int]() } }
    }

    @Test("are proven when somebody listens, and only then told")
    func heard() throws {
        var (desk, holder) = try desk()
        let listener = try peer("listener")
        desk.listen(listener)
        #expect(isProving(desk, [0, 1]))
        #expect(!desk.sent.contains { if case .pieceDigests = $0 { true } else { false } })
        #expect(!desk.exchange.mayGoByChain(desk.digest))
        desk.seen = []
        desk.pass(milliseconds: 100)
        #expect(!desk.seen.contains { if case .send(_, listener) = $0 { true } else { false } })
        desk.put(try proven(desk, 0..<2))
        let told = PeerMessage.PieceDigests(
            blob: desk.digest, author: holder, first: 0, digests: [desk.trueDigest(0), desk.trueDigest(1)])
        #expect(desk.actions.contains(.send(.pieceDigests(told), to: listener)))
    }

    @Test("that have another digest than their sender stood for go, and so does the sender")
    func forged() throws {
        var (desk, holder) = try desk(lying: true)
        let (listener, honest) = (try peer("listener"), try peer("honest"))
        desk.put(.peerConnected(honest))
        desk.offer(0..<4, from: honest)
        desk.listen(listener)
        desk.put(try proven(desk, 0..<2))
        #expect(dropped(desk) == [0, 1])
        #expect(bans(desk) == [holder])
        #expect(desk.actions.contains(.send(.interest(blob: desk.digest), to: honest)), "the others are asked anew")
        #expect(!desk.sent.contains { if case .pieceDigests = $0 { true } else { false } })
        #expect(desk.exchange.mayGoByChain(desk.digest) == false, "somebody listens")
    }

    @Test("are proven before anybody is blamed for a whole that does not match")
    func blamed() throws {
        var (desk, holder) = try desk(lying: true)
        let honest = try peer("honest")
        desk.put(.peerConnected(honest))
        desk.offer(0..<4, from: honest)
        for piece in 2..<4 { try desk.read(piece..<piece + 1) }
        #expect(desk.actions.contains(.checkBlob(blob: desk.digest)))
        desk.put(.blobChecked(blob: desk.digest, matches: false))
        #expect(isProving(desk, [0, 1]) && desk.actions.count == 1)
        desk.put(try proven(desk, 0..<2))
        #expect(dropped(desk) == [0, 1])
        #expect(bans(desk) == [holder])
        desk.pass(milliseconds: 2_000)
        try desk.read(0..<2)
        #expect(desk.actions.contains(.checkBlob(blob: desk.digest)), "it goes on without the liar")
        desk.put(.blobChecked(blob: desk.digest, matches: true))
        #expect(desk.actions.contains(.completed(blob: desk.digest)))
        #expect(bans(desk).isEmpty)
    }

    @Test("when all of them are what they should be, those are blamed who told digests")
    func nobodyLied() throws {
        var (desk, holder) = try desk()
        for piece in 2..<4 { try desk.read(piece..<piece + 1) }
        desk.put(.blobChecked(blob: desk.digest, matches: false))
        desk.put(try proven(desk, 0..<2))
        #expect(dropped(desk) == [0, 1], "the pieces that are not this node's own word")
        #expect(desk.actions.contains { if case .ban(holder, .wrongDigests, _) = $0 { true } else { false } })
    }

    @Test("one that the registry brought meanwhile is proven, too: whose bytes are on disk is not known")
    func overtaken() throws {
        var desk = try Desk(pieces: 4)
        let holder = try peer("holder")
        desk.put(.peerConnected(holder))
        try desk.want()
        desk.offer(0..<4, from: holder)
        let request = try #require(desk.requests.first)
        let index = try #require(desk.blob.layout.piece(request.piece))
        let bytes = desk.blob.layout.byteCount(of: index)
        desk.put(
            .pieceArrived(.init(request: request.request, encoding: .identity, payloadBytes: bytes), from: holder))
        try desk.read(request.piece..<request.piece + 1)
        let listener = try peer("listener")
        desk.listen(listener)
        desk.put(.pieceChecked(request: request.request, from: holder, outcome: .linked))
        #expect(isProving(desk, [request.piece]))
        let lie = SimulatedContent.digest(of: SimulatedContent.lie(desk.blob, request.piece))
        desk.put(.piecesProven(blob: desk.digest, [(piece: index, digest: lie)]))
        #expect(dropped(desk) == [request.piece])
        #expect(bans(desk) == [holder])
    }

    @Test("a proof of one that was dropped meanwhile, and came again, is not gone by")
    func stale() throws {
        var (desk, _) = try desk()
        let listener = try peer("listener")
        desk.listen(listener)
        #expect(isProving(desk, [0, 1]))
        // The registry says otherwise of the first piece: what is on disk goes.
        let (first, second) = (try #require(desk.blob.layout.piece(0)), try #require(desk.blob.layout.piece(1)))
        let lie = SimulatedContent.digest(of: SimulatedContent.lie(desk.blob, 0))
        desk.put(.originPiece(blob: desk.digest, piece: first, digest: lie))
        #expect(dropped(desk) == [0])
        desk.put(.piecesProven(blob: desk.digest, [(first, lie), (second, desk.trueDigest(1))]))
        #expect(dropped(desk).isEmpty && bans(desk).isEmpty)
    }

    @Test("of a blob that is wanted already, another want only allows the registry")
    func allowed() throws {
        var desk = try Desk(pieces: 4)
        let holder = try peer("holder")
        desk.put(.peerConnected(holder))
        try desk.want(originAllowed: false)
        desk.offer(0..<2, from: holder)
        for request in desk.requests { try desk.deliver(request, .linked) }
        #expect(desk.fetches.isEmpty)
        try desk.want()
        #expect(!desk.fetches.isEmpty || desk.sent.contains { if case .grantRequest = $0 { true } else { false } })
        #expect(desk.exchange.mayGoByChain(desk.digest))
    }

    @Test("one that came after a proof began is proven as well before anybody is blamed")
    func lateBlame() throws {
        var desk = try Desk(pieces: 3)
        let (holder, listener) = (try peer("holder"), try peer("listener"))
        desk.put(.peerConnected(holder))
        try desk.want()
        desk.offer(0..<3, from: holder)
        let requests = desk.requests.sorted { $0.piece < $1.piece }
        for request in requests[..<2] { try desk.deliver(request, .linked) }
        let index = try #require(desk.blob.layout.piece(2))
        let bytes = desk.blob.layout.byteCount(of: index)
        desk.put(
            .pieceArrived(.init(request: requests[2].request, encoding: .identity, payloadBytes: bytes), from: holder))
        desk.listen(listener)
        #expect(isProving(desk, [0, 1]))
        desk.put(.pieceChecked(request: requests[2].request, from: holder, outcome: .linked))
        #expect(desk.actions.contains(.checkBlob(blob: desk.digest)))
        desk.put(.blobChecked(blob: desk.digest, matches: false))
        desk.put(try proven(desk, 0..<2))
        #expect(isProving(desk, [2]) && dropped(desk).isEmpty)
        let lie = SimulatedContent.digest(of: SimulatedContent.lie(desk.blob, 2))
        desk.put(.piecesProven(blob: desk.digest, [(piece: index, digest: lie)]))
        #expect(dropped(desk) == [2] && bans(desk) == [holder])
    }

    @Test("a long check of the whole is not what a want without a registry ends for")
    func patience() throws {
        var desk = try Desk(pieces: 4)
        let (liar, honest) = (try peer("liar"), try peer("honest"))
        desk.put(.peerConnected(liar))
        try desk.want(originAllowed: false)
        desk.offer(0..<4, from: liar, lying: true)
        for request in desk.requests { try desk.deliver(request, .linked) }
        desk.put(.peerConnected(honest))
        desk.offer(0..<4, from: honest)
        desk.pass(milliseconds: 60_000)
        desk.put(.blobChecked(blob: desk.digest, matches: false))
        desk.put(try proven(desk, 0..<4))
        #expect(bans(desk) == [liar])
        #expect(!desk.actions.contains { if case .failed = $0 { true } else { false } })
        #expect(desk.actions.contains(.send(.interest(blob: desk.digest), to: honest)), "it is asked anew")
        desk.offer(0..<4, from: honest)
        #expect(desk.requests.allSatisfy { $0.to == honest } && desk.requests.count == 4)
    }

    @Test("are not given to who asks before they are proven")
    func asked() throws {
        var (desk, _) = try desk()
        let stranger = try peer("stranger")
        desk.put(.peerConnected(stranger))
        desk.put(.message(.request(request: 1, blob: desk.digest, piece: 0), from: stranger))
        #expect(desk.sent.contains(.refuse(request: 1, reason: .busy, retryAfterMillis: 0)))
    }

    @Test("while the whole is checked nothing is dropped: what comes of that decides")
    func verifying() throws {
        var (desk, _) = try desk(lying: true)
        let listener = try peer("listener")
        desk.listen(listener)
        for piece in 2..<4 { try desk.read(piece..<piece + 1) }
        #expect(desk.actions.contains(.checkBlob(blob: desk.digest)))
        desk.put(try proven(desk, 0..<2))
        #expect(desk.actions.isEmpty, "they are not proven again and again")
        desk.put(.blobChecked(blob: desk.digest, matches: true))
        #expect(desk.actions.contains(.completed(blob: desk.digest)))
        #expect(desk.actions.contains(.loadDigests(blob: desk.digest)), "the listener is told true digests")
    }

    @Test("one that was on its way when somebody began to listen is proven, too")
    func late() throws {
        var desk = try Desk(pieces: 4)
        let (holder, listener) = (try peer("holder"), try peer("listener"))
        desk.put(.peerConnected(holder))
        try desk.want()
        desk.offer(0..<4, from: holder)
        let requests = desk.requests
        desk.listen(listener)
        #expect(!desk.actions.contains { if case .provePieces = $0 { true } else { false } })
        let request = try #require(requests.first)
        try desk.deliver(request, .linked)
        #expect(isProving(desk, [request.piece]))
    }

    @Test("of a whole blob that has such pieces the digests are made before anybody is told")
    func whole() throws {
        var desk = try Desk(pieces: 2)
        let (holder, listener) = (try peer("holder"), try peer("listener"))
        desk.put(.peerConnected(holder))
        try desk.want()
        desk.offer(0..<2, from: holder, lying: true)
        for request in desk.requests { try desk.deliver(request, .linked) }
        let chain = [desk.trueDigest(0), desk.digest]
        desk.put(.blobChecked(blob: desk.digest, matches: true, chain: chain))
        #expect(desk.actions.contains(.completed(blob: desk.digest)))
        desk.listen(listener)
        #expect(desk.actions.contains(.loadDigests(blob: desk.digest)) && desk.sent.isEmpty)
        let digests = [desk.trueDigest(0), desk.trueDigest(1)]
        desk.put(.digestsLoaded(blob: desk.digest, digests: digests, chain: chain))
        let told = PeerMessage.PieceDigests(
            blob: desk.digest, author: try peer("me"), first: 0, digests: digests, chain: chain)
        #expect(desk.sent.first == .pieceDigests(told))
    }

    @Test("are not what convicts a peer that tells their true digests")
    func noConviction() throws {
        var (desk, _) = try desk(lying: true)
        let honest = try peer("honest")
        desk.put(.peerConnected(honest))
        desk.offer(0..<4, from: honest)
        for piece in 2..<4 { try desk.read(piece..<piece + 1) }
        desk.put(.blobChecked(blob: desk.digest, matches: true))
        #expect(!desk.actions.contains { if case .ban(honest, _, _) = $0 { true } else { false } })
    }
}
