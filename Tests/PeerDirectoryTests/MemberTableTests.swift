import PieceModel
import TestSupport
import Testing

@testable import PeerDirectory

@Suite("what a source's answers mean")
struct MemberTableTests {
    private static let second: UInt64 = 1_000_000_000

    private func table(_ countMax: Int = 10) -> MemberTable {
        MemberTable(graceNanoseconds: 3 * Self.second, countMax: countMax)
    }

    private func nodes(_ numbers: Int...) -> [PeerEndpoint] { numbers.map(Endpoints.node) }

    @Test("one answer without an endpoint takes nothing away; answers for as long as the grace do")
    func grace() {
        var table = table()
        table.heard(nodes(1, 2), isComplete: true, now: 0)
        table.heard(nodes(1), isComplete: true, now: 10 * Self.second)
        table.heard(nodes(1), isComplete: true, now: 13 * Self.second - 1)
        #expect(table.endpoints == nodes(1, 2))
        table.heard(nodes(1), isComplete: true, now: 13 * Self.second)
        #expect(table.endpoints == nodes(1))
    }

    @Test("one that is back within the grace starts anew")
    func back() {
        var table = table()
        table.heard(nodes(1), isComplete: true, now: 0)
        table.heard([], isComplete: true, now: 1)
        table.heard(nodes(1), isComplete: true, now: 2 * Self.second)
        table.heard([], isComplete: true, now: 4 * Self.second)
        table.heard([], isComplete: true, now: 6 * Self.second)
        #expect(table.endpoints == nodes(1))
        table.heard([], isComplete: true, now: 7 * Self.second)
        #expect(table.endpoints.isEmpty)
    }

    @Test("an incomplete answer adds, and takes nothing away however long")
    func incomplete() {
        var table = table()
        table.heard(nodes(1), isComplete: true, now: 0)
        for time in 1...100 { table.heard(nodes(2), isComplete: false, now: UInt64(time) * Self.second) }
        #expect(table.endpoints == nodes(1, 2))
    }

    @Test("beyond the bound the known stay, and those that are missing make room")
    func bound() {
        var table = table(2)
        table.heard(nodes(1, 2, 3), isComplete: true, now: 0)
        #expect(table.endpoints == nodes(1, 2))
        table.heard(nodes(2, 3), isComplete: true, now: Self.second)
        #expect(table.endpoints == nodes(2, 3))
    }

    @Test("a clock that steps back forgets nobody")
    func clock() {
        var table = table()
        table.heard(nodes(1), isComplete: true, now: 100 * Self.second)
        table.heard([], isComplete: true, now: 50 * Self.second)
        table.heard([], isComplete: true, now: 10 * Self.second)
        #expect(table.endpoints == nodes(1))
    }

    @Test("for any answers: bounded, and gone only after the grace", arguments: UInt64(0)..<50)
    func model(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var table = table(6)
        var lastSeen: [PeerEndpoint: UInt64] = [:]
        var now: UInt64 = 0
        for _ in 0..<200 {
            now += UInt64.random(in: 0...Self.second, using: &generator)
            let answer = (1...9).filter { _ in Bool.random(using: &generator) }.map(Endpoints.node)
            let before = table.endpoints
            table.heard(answer, isComplete: Bool.random(using: &generator), now: now)
            for endpoint in answer { lastSeen[endpoint] = now }
            #expect(table.count <= 6, "seed \(seed)")
            #expect(Set(table.endpoints).isSubset(of: Set(before + answer)), "seed \(seed)")
            for endpoint in before where !table.endpoints.contains(endpoint) {
                let wasForgotten = now - lastSeen[endpoint, default: 0] >= 3 * Self.second
                #expect(wasForgotten || table.count == 6, "seed \(seed)")
            }
        }
    }

    @Test("pauses double up to the longest, and are never the same for long")
    func backoff() {
        var generator = SeededGenerator(seed: 1)
        var backoff = Backoff(firstMillis: 100, longestMillis: 1_000)
        let pauses = (0..<100).map { _ in backoff.failed(using: &generator) }
        for (pause, longest) in zip(pauses, [100, 200, 400, 800] + Array(repeating: 1_000, count: 96)) {
            #expect((UInt64(longest) / 2...UInt64(longest)).contains(pause))
        }
        #expect(Set(pauses.suffix(50)).count > 10)
        backoff.succeeded()
        #expect(backoff.failed(using: &generator) <= 100)
    }
}
