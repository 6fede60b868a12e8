import OCIModel
import PieceModel
import Testing

@testable import PieceExchange

@Suite("A node that is slow to read what it was granted, or to hand it on")
struct YieldingTests {
    /// A desk that reads the first eight pieces for the member that keeps the grants.
    private func readingDesk() throws -> (desk: Desk, other: PeerName) {
        var (desk, other) = try Desk.withDirectory(pieces: 64)
        desk.put(.message(.interest(blob: desk.digest), from: other))
        desk.put(.message(.holdings(blob: desk.digest, held: nil), from: other))
        desk.put(.message(.grant(blob: desk.digest, pieces: .init(first: 0, count: 8)), from: other))
        #expect(desk.fetches == [0..<8])
        desk.put(.message(.grantRefused(blob: desk.digest, retryAfterMillis: 5_000), from: other))
        return (desk, other)
    }

    private func isGivenBack(_ actions: [ExchangeAction], read: UInt32) -> Bool {
        actions.contains { action in
            guard case .send(.grantProgress(let progress), _) = action else { return false }
            return progress.isOver && progress.pieces.count == 8 && progress.read == read
        }
    }

    @Test("gives it back while the others read many pieces each, and asks again after a pause")
    func readsSlowly() throws {
        var (desk, other) = try readingDesk()
        desk.offer(20..<50, from: other)
        desk.pass(milliseconds: 300)
        #expect(desk.seen.contains(.stopOrigin(blob: desk.digest)))
        #expect(isGivenBack(desk.seen, read: 0))
        desk.seen = []
        desk.pass(milliseconds: 1_500)
        #expect(!desk.seen.contains { if case .send(.grantRequest, _) = $0 { true } else { false } })
        desk.pass(milliseconds: 1_000)
        #expect(desk.seen.contains { if case .send(.grantRequest, _) = $0 { true } else { false } })
    }

    @Test("keeps it when it hears all the news at once and then reads on")
    func wasCutOff() throws {
        var (desk, other) = try readingDesk()
        desk.offer(20..<50, from: other)
        desk.pass(milliseconds: 100)
        try desk.read(0..<1)
        desk.pass(milliseconds: 500)
        #expect(!desk.seen.contains(.stopOrigin(blob: desk.digest)))
    }

    @Test("keeps it while nobody else gets on either")
    func slowForAll() throws {
        var (desk, other) = try readingDesk()
        desk.offer(20..<30, from: other)
        desk.pass(milliseconds: 3_000)
        #expect(!desk.seen.contains(.stopOrigin(blob: desk.digest)))
        #expect(!isGivenBack(desk.seen, read: 0))
    }

    @Test("gives it back while what it read waits behind others to be sent", arguments: [true, false])
    func givesSlowly(isServed: Bool) throws {
        var (desk, other) = try readingDesk()
        try desk.read(0..<6)
        for piece in 0..<UInt32(6) {
            desk.put(.message(.request(request: piece, blob: desk.digest, piece: piece), from: other))
        }
        let slots = desk.exchange.uploads.running
        #expect(slots < 6)
        if isServed { for piece in 0..<UInt32(6) { desk.put(.uploadEnded(request: piece, to: other)) } }
        desk.pass(milliseconds: 2_500)
        #expect(desk.seen.contains(.stopOrigin(blob: desk.digest)) == !isServed)
        #expect(isGivenBack(desk.seen, read: 6) == !isServed)
    }
}
