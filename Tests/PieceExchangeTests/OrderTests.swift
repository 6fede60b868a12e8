import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("pieces stored in order")
struct OrderTests {
    /// A desk with a peer that has the whole blob of four pieces, of which the first two were stored in order.
    private func desk() throws -> Desk {
        var desk = try Desk(pieces: 4)
        let holder = try peer("holder")
        desk.put(.peerConnected(holder))
        try desk.want()
        desk.offer(0..<4, from: holder, lying: true)
        #expect(desk.exchange.mayGoByOrder(desk.digest))
        let requests = desk.requests
        for request in requests.filter({ $0.piece < 2 }) { try desk.deliver(request, .storedInOrder) }
        return desk
    }

    private func proven(_ desk: Desk, _ pieces: Range<Int>) throws -> ExchangeEvent {
        let name = try peer("me")
        let held = pieces.compactMap { piece in
            desk.blob.layout.piece(piece).map {
                ExchangeEvent.HeldPiece(piece: $0, digest: desk.trueDigest(piece), author: name)
            }
        }
        return .piecesProven(blob: desk.digest, held)
    }

    @Test("are proven when somebody listens, and only then told, by their true digests")
    func heard() throws {
        var desk = try desk()
        let listener = try peer("listener")
        desk.put(.peerConnected(listener))
        desk.put(.message(.interest(blob: desk.digest), from: listener))
        #expect(desk.actions.contains(.provePieces(blob: desk.digest)))
        #expect(!desk.sent.contains { if case .pieceDigests = $0 { true } else { false } })
        #expect(!desk.exchange.mayGoByOrder(desk.digest))
        desk.seen = []
        desk.pass(milliseconds: 100)
        #expect(!desk.seen.contains { if case .send(_, listener) = $0 { true } else { false } })
        desk.put(try proven(desk, 0..<2))
        let told = PeerMessage.PieceDigests(
            blob: desk.digest, author: try peer("me"), first: 0, digests: [desk.trueDigest(0), desk.trueDigest(1)])
        #expect(desk.actions.contains(.send(.pieceDigests(told), to: listener)))
    }

    @Test("one that was on its way when somebody began to listen is proven, too")
    func late() throws {
        var desk = try Desk(pieces: 4)
        let (holder, listener) = (try peer("holder"), try peer("listener"))
        desk.put(.peerConnected(holder))
        try desk.want()
        desk.offer(0..<4, from: holder)
        let requests = desk.requests
        desk.put(.peerConnected(listener))
        desk.put(.message(.interest(blob: desk.digest), from: listener))
        #expect(!desk.actions.contains(.provePieces(blob: desk.digest)))
        try desk.deliver(try #require(requests.first), .storedInOrder)
        #expect(desk.actions.contains(.provePieces(blob: desk.digest)))
    }

    @Test("of a whole blob that has such pieces the digests are made before anybody is told")
    func whole() throws {
        var desk = try Desk(pieces: 2)
        let (holder, listener) = (try peer("holder"), try peer("listener"))
        desk.put(.peerConnected(holder))
        try desk.want()
        desk.offer(0..<2, from: holder, lying: true)
        for request in desk.requests { try desk.deliver(request, .storedInOrder) }
        let prefixes = [desk.trueDigest(0), desk.digest]
        desk.put(.blobChecked(blob: desk.digest, matches: true, prefixes: prefixes))
        #expect(desk.actions.contains(.completed(blob: desk.digest)))
        desk.put(.peerConnected(listener))
        desk.put(.message(.interest(blob: desk.digest), from: listener))
        #expect(desk.actions.contains(.loadDigests(blob: desk.digest)) && desk.sent.isEmpty)
        let digests = [desk.trueDigest(0), desk.trueDigest(1)]
        desk.put(.digestsLoaded(blob: desk.digest, digests: digests, prefixes: prefixes))
        let told = PeerMessage.PieceDigests(
            blob: desk.digest, author: try peer("me"), first: 0, digests: digests, prefixes: prefixes)
        #expect(desk.sent.first == .pieceDigests(told))
    }

    @Test("are not what convicts a peer that tells their true digests")
    func noConviction() throws {
        var desk = try desk()
        let honest = try peer("honest")
        desk.put(.peerConnected(honest))
        desk.offer(0..<4, from: honest)
        for piece in 2..<4 { try desk.read(piece..<piece + 1) }
        desk.put(.blobChecked(blob: desk.digest, matches: true))
        #expect(!desk.actions.contains { if case .ban(honest, _, _) = $0 { true } else { false } })
    }
}
