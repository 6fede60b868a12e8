import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("Whom a node deals with")
struct NeighbourTests {
    private func limits(neighbours: Int) -> ExchangeLimits {
        var limits = ExchangeLimits()
        limits.neighboursMax = neighbours
        return limits
    }

    /// Who was asked for the desk's blob by the last actions.
    private func asked(_ desk: Desk) -> Set<PeerName> { asked(desk.actions) }

    private func asked(_ actions: [ExchangeAction]) -> Set<PeerName> {
        Set(actions.compactMap { if case .send(.interest, let to) = $0 { to } else { nil } })
    }

    private func names(_ count: Int) throws -> [PeerName] { try (0..<count).map { try peer("p\($0)") } }

    @Test("a want asks no more peers than its bound, and all when there are fewer")
    func bounded() throws {
        for (count, expected) in [(3, 3), (6, 6), (7, 4), (20, 4)] {
            var desk = try Desk(pieces: 8, limits: limits(neighbours: 4))
            for name in try names(count) { desk.put(.peerConnected(name)) }
            try desk.want()
            #expect(asked(desk).count == expected)
        }
    }

    @Test("who has nothing and wants nothing makes room for others, until all were asked")
    func searches() throws {
        var desk = try Desk(pieces: 8, limits: limits(neighbours: 4))
        let all = try names(20)
        for name in all { desk.put(.peerConnected(name)) }
        try desk.want()
        #expect(denied(by: asked(desk), &desk) == Set(all))
    }

    @Test("who was passed over is asked again later, at longer and longer intervals")
    func asksAgain() throws {
        var desk = try Desk(pieces: 8, limits: limits(neighbours: 4))
        let all = try names(7)
        for name in all { desk.put(.peerConnected(name)) }
        try desk.want()
        let first = ExchangeLimits().passedMillis
        for pause in [first, 2 * first, 4 * first] {
            #expect(denied(by: asked(desk), &desk) == Set(all))
            desk.seen = []
            desk.pass(milliseconds: pause - 1)
            #expect(asked(desk.seen).isEmpty)
            desk.pass(milliseconds: 1)
        }
    }

    @Test("who was passed over is asked again also when so few are left that there is room for all")
    func asksAgainAmongFew() throws {
        var desk = try Desk(pieces: 8, limits: limits(neighbours: 4))
        let all = try names(7)
        for name in all { desk.put(.peerConnected(name)) }
        try desk.want()
        #expect(denied(by: asked(desk), &desk) == Set(all))
        desk.put(.peerDisconnected(all[0]))
        desk.seen = []
        desk.pass(milliseconds: ExchangeLimits().passedMillis)
        #expect(asked(desk.seen).count >= 2)
    }

    /// All who are asked hold nothing; returns who was asked, also in the place of others.
    private func denied(by first: Set<PeerName>, _ desk: inout Desk) -> Set<PeerName> {
        var open = first
        var seen = first
        while let next = open.min() {
            open.remove(next)
            desk.put(.message(.holdings(blob: desk.digest, held: nil), from: next))
            open.formUnion(asked(desk))
            seen.formUnion(asked(desk))
        }
        return seen
    }

    @Test("who has nothing but wants the blob too stays a neighbour")
    func stays() throws {
        var desk = try Desk(pieces: 8, limits: limits(neighbours: 1))
        for name in try names(3) { desk.put(.peerConnected(name)) }
        try desk.want()
        let first = try #require(asked(desk).first)
        desk.put(.message(.interest(blob: desk.digest), from: first))
        desk.put(.message(.holdings(blob: desk.digest, held: nil), from: first))
        #expect(asked(desk).isEmpty)
    }

    @Test("who asks for a blob that is wanted here is asked too, while there is room")
    func mutual() throws {
        var desk = try Desk(pieces: 8, limits: limits(neighbours: 4))
        let all = try names(20)
        for name in all { desk.put(.peerConnected(name)) }
        try desk.want()
        let strangers = Set(all).subtracting(asked(desk)).sorted()
        var answered = 0
        for stranger in strangers {
            desk.put(.message(.interest(blob: desk.digest), from: stranger))
            answered += asked(desk).count
        }
        #expect(answered == 2, "half as many as the bound")
    }

    @Test("a neighbour that leaves is replaced")
    func replaced() throws {
        var desk = try Desk(pieces: 8, limits: limits(neighbours: 2))
        for name in try names(6) { desk.put(.peerConnected(name)) }
        try desk.want()
        let first = try #require(asked(desk).first)
        desk.put(.peerDisconnected(first))
        #expect(asked(desk).count == 1 && !asked(desk).contains(first))
    }

    /// A desk that knows members it is not connected with, one of whom keeps the grants of its blob.
    private func deskWithMembers() throws -> (desk: Desk, keeper: PeerName) {
        var desk = try Desk(pieces: 8)
        desk.put(.members(Membership(try names(100))))
        desk.put(.peerConnected(try peer("neighbour")))
        try desk.want()
        desk.put(.message(.holdings(blob: desk.digest, held: nil), from: try peer("neighbour")))
        desk.pass(milliseconds: ExchangeLimits().grantDeferMillis)
        let keeper = desk.seen.compactMap { if case .connect(let name) = $0 { name } else { nil } }
        return (desk, try #require(keeper.first))
    }

    @Test("a member that keeps the grants is connected with, asked, and not made a neighbour")
    func errand() throws {
        var (desk, keeper) = try deskWithMembers()
        desk.put(.peerConnected(keeper))
        let asksGrant = desk.actions.contains {
            if case .send(.grantRequest, let to) = $0 { to == keeper } else { false }
        }
        #expect(asksGrant)
        #expect(asked(desk).isEmpty)
    }

    @Test("a member that cannot be reached is passed over at once")
    func unreachable() throws {
        var (desk, keeper) = try deskWithMembers()
        desk.put(.unreachable(keeper))
        let next = desk.actions.compactMap { if case .connect(let name) = $0 { name } else { nil } }
        #expect(next.count == 1 && next.first != keeper)
    }
}
