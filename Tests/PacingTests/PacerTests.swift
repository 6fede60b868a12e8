import EventLoop
import Pacing
import TestSupport
import Testing

@Suite("a pacer", .timeLimit(.minutes(1)))
@LoopActor
struct PacerTests {
    @Test("lets everybody through at once while there is no bound, and counts")
    func unbound() {
        let pacer = Pacer()
        var turns: [Int] = []
        for turn in 0..<5 {
            pacer.whenOpen {
                turns.append(turn)
                pacer.count(1 << 30)
            }
        }
        #expect(turns == Array(0..<5))
        #expect(pacer.countedBytes == 5 << 30)
        #expect(pacer.waits == 0)
    }

    @Test("serves in order, and whoever needs nothing holds nobody up")
    func order() async throws {
        let pacer = Pacer(bytesPerSecond: 1_000_000)
        var turns: [Int] = []
        pacer.count(110_000)
        for turn in 0..<6 {
            pacer.whenOpen {
                turns.append(turn)
                if turn % 2 == 0 { pacer.count(5_000) }
            }
        }
        #expect(turns.isEmpty && !pacer.isOpen)
        try await eventually("all had their turn") { turns.count == 6 }
        #expect(turns == Array(0..<6))
        #expect(pacer.countedBytes == 125_000)
        #expect(pacer.waits == 6)
    }

    @Test("a higher rate, or none, is for those who wait as well")
    func change() async throws {
        let pacer = Pacer(bytesPerSecond: 1)
        var turns: [Int] = []
        pacer.count(1 << 40)
        pacer.whenOpen { turns.append(1) }
        pacer.setRate(nil)
        #expect(turns == [1])
        pacer.setRate(1)
        pacer.count(1 << 40)
        for turn in 2...4 { pacer.whenOpen { turns.append(turn) } }
        pacer.release()
        #expect(turns == [1, 2, 3, 4])
    }

    @Test("one that comes while another has its turn waits behind it")
    func nested() {
        let pacer = Pacer(bytesPerSecond: 1)
        var turns: [Int] = []
        pacer.count(1 << 40)
        pacer.whenOpen {
            turns.append(1)
            pacer.whenOpen { turns.append(3) }
        }
        pacer.whenOpen { turns.append(2) }
        pacer.release()
        #expect(turns == [1, 2, 3])
    }
}
