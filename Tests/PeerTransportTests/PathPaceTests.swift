import EventLoop
import Testing

@testable import PeerTransport

@Suite("how fast the path to a peer is")
struct PathPaceTests {
    private func path(
        acked: UInt64 = 1 << 20, _ rate: UInt64, isSenderLimited: Bool = false, held: UInt64 = 0
    ) -> TCPPath {
        TCPPath(ackedBytes: acked, bytesPerSecond: rate, isSenderLimited: isSenderLimited, heldMicros: held)
    }

    private func isNear(_ pace: Double?, _ expected: Double) -> Bool {
        pace.map { abs($0 - expected) < expected / 50 } ?? false
    }

    @Test("is not told by a few bytes, or before the kernel has measured it")
    func unknown() {
        var pace = PathPace()
        let few = pace.observe(path(acked: 100_000, 50_000_000), now: 5)
        let unmeasured = pace.observe(path(0), now: 6)
        #expect(few == nil && unmeasured == nil)
        let told = pace.observe(path(9_000), now: 7)
        #expect(isNear(told, 9_000))
    }

    @Test("is what the kernel measured, soon when that changes")
    func measured() {
        var pace = PathPace()
        let first = pace.observe(path(12_000_000), now: 0)
        #expect(isNear(first, 12e6))
        for rate in [1_200_000_000, 3_000_000] as [UInt64] {
            var last: Double?
            for _ in 0..<20 { last = pace.observe(path(rate), now: 1) }
            #expect(isNear(last, Double(rate)))
        }
    }

    @Test("is raised slowly by bursts that were too short to measure it")
    func bursts() throws {
        var pace = PathPace()
        _ = pace.observe(path(12_000_000), now: 0)
        var paces: [Double] = []
        for _ in 0..<200 {
            let raised = pace.observe(path(1_000_000_000, isSenderLimited: true), now: 1)
            paces.append(try #require(raised))
        }
        #expect(paces[9] < 24e6)
        #expect(isNear(paces.last, 1e9))
    }

    @Test(
        "is what the peer reads, where it mostly keeps the path waiting and reads little",
        arguments: [
            (5, 0.9, 1_000, 5e6),
            // A path that is slower still.
            (5, 0.9, 3, 3e6),
            // Now and then is nothing on purpose, and so much is read by one that is busy.
            (5, 0.4, 1_000, 1e9), (60, 0.9, 1_000, 1e9),
        ] as [(UInt64, Double, UInt64, Double)])
    func held(megabytes: UInt64, part: Double, measured: UInt64, expected: Double) {
        var pace = PathPace()
        var last: Double?
        for millis in stride(from: 0 as UInt64, through: 2_000, by: 10) {
            let held = UInt64(Double(millis) * part * 1_000)
            let path = path(acked: megabytes * 1_000 * millis, measured * 1_000_000, held: held)
            last = pace.observe(path, now: 77 + millis * 1_000_000)
        }
        #expect(isNear(last, expected))
    }
}
