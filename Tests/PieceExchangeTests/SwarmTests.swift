import Foundation
import Testing

@testable import PieceExchange

@Suite("A simulated swarm")
struct SwarmTests {
    static let hostileSeeds: Range<UInt64> =
        0..<(ProcessInfo.processInfo.environment["HAWKER_ALL_TESTS"] == nil ? 300 : 2_000)
    static let honestSeeds: Range<UInt64> = 10_000..<10_100

    @Test(
        "ends every want, keeps its invariants and delivers no wrong byte, whoever lies, stalls or breaks off"
    )
    func hostile() {
        for seed in Self.hostileSeeds {
            var swarm = SimulatedSwarm(seed: seed)
            swarm.run()
            #expect(swarm.problems.isEmpty, "seed \(seed): \(swarm.problems)")
        }
    }

    @Test("among honest nodes it ends every want and bans nobody")
    func honest() {
        for seed in Self.honestSeeds {
            var swarm = SimulatedSwarm(seed: seed, liars: false)
            swarm.run()
            #expect(swarm.problems.isEmpty, "seed \(seed): \(swarm.problems)")
        }
    }

    @Test("runs the same way every time for one seed")
    func replay() {
        for seed in 0..<20 as Range<UInt64> {
            var first = SimulatedSwarm(seed: seed)
            var second = SimulatedSwarm(seed: seed)
            first.run()
            second.run()
            #expect(first.trace == second.trace && first.eventCount == second.eventCount, "seed \(seed)")
        }
    }
}
