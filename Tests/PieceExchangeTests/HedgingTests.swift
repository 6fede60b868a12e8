import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("A piece that takes longer than is usual")
struct HedgingTests {
    private typealias Asked = (request: UInt32, piece: Int, to: PeerName)

    /// Two peers have all of 200 pieces; `a` brings none of the four it is asked for, `b` one each 10 ms. Two may be
    /// asked of both.
    private func run(deliveries: Int) throws -> (desk: Desk, stuck: [Asked], twice: [Asked]) {
        var limits = ExchangeLimits()
        limits.hedgedPerMille = 10
        var desk = try Desk(pieces: 200, limits: limits)
        let (a, b) = (try peer("a"), try peer("b"))
        desk.put(.peerConnected(a))
        desk.put(.peerConnected(b))
        try desk.want()
        desk.offer(0..<200, from: a)
        let stuck = desk.requests
        desk.offer(0..<200, from: b)
        var outstanding = desk.requests
        var twice: [Asked] = []
        for _ in 0..<deliveries {
            desk.now += 10_000_000
            try desk.deliver(outstanding.removeFirst())
            for asked in desk.requests {
                #expect(asked.to == b)
                if stuck.contains(where: { $0.piece == asked.piece }) { twice.append(asked) }
                outstanding.append(asked)
            }
        }
        return (desk, stuck, twice)
    }

    @Test("is asked of another peer long before the end, but of all pieces only a small share")
    func hedges() throws {
        let (desk, stuck, twice) = try run(deliveries: 80)
        #expect(stuck.count == 4)
        #expect(twice.map(\.piece) == stuck.prefix(2).map(\.piece))
        #expect(!desk.exchange.wants[0].isEndgame)
    }

    @Test("is asked of nobody else while too little is known of what is usual")
    func knowsTooLittle() throws {
        let (_, _, twice) = try run(deliveries: Pace.samplesMin - 1)
        #expect(twice.isEmpty)
    }

    @Test("is taken from whoever brings it first, and the other is told", arguments: [true, false])
    func firstCounts(isSecondFirst: Bool) throws {
        var (desk, stuck, twice) = try run(deliveries: 60)
        let second = try #require(twice.first)
        let (first, other) = isSecondFirst ? (second, stuck[0]) : (stuck[0], second)
        try desk.deliver(first)
        #expect(desk.sent.contains(.cancel(request: other.request)))
        try desk.deliver(other)
        #expect(desk.actions.contains(.discardPayload(request: other.request, from: other.to)))
    }

    @Test("is what takes longer than nine of ten did lately")
    func pace() {
        var pace = Pace()
        for sample in 1..<UInt64(Pace.samplesMin) { pace.add(nanoseconds: sample) }
        #expect(pace.ninetieth == nil)
        for sample in UInt64(Pace.samplesMin)...100 { pace.add(nanoseconds: sample) }
        // Of the last 64, 37 to 100, six took longer.
        #expect(pace.ninetieth == 94)
    }
}
