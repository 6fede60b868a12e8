import EventLoop
import Testing

@testable import PeerTransport

/// One after another: there is one such memory in a process.
@LoopActor
@Suite("memory for pieces", .serialized)
struct PieceMemoryTests {
    private func array(_ bytes: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: bytes) { _, count in count = 0 }
    }

    @Test("what is given back is used again for a piece of about that size, and empty")
    func again() {
        PieceMemory.isUsed = false
        PieceMemory.isUsed = true
        PieceMemory.giveBack([UInt8](repeating: 7, count: 1 << 20))
        #expect(PieceMemory.take(64 << 10).capacity == 0, "too large to be kept for so little")
        let again = PieceMemory.take(1 << 20)
        #expect(again.isEmpty && again.capacity >= 1 << 20)
        #expect(PieceMemory.take(1 << 20).capacity == 0, "it is taken")
    }

    @Test("the spares are bounded, and go when nothing is on its way")
    func bounded() {
        PieceMemory.isUsed = false
        PieceMemory.isUsed = true
        for _ in 0..<100 { PieceMemory.giveBack(array(1 << 20)) }
        var kept = 0
        while PieceMemory.take(1 << 20).capacity > 0 { kept += 1 }
        #expect((1...16).contains(kept))
        PieceMemory.giveBack(array(1 << 20))
        PieceMemory.isUsed = false
        PieceMemory.giveBack(array(1 << 20))
        #expect(PieceMemory.take(1 << 20).capacity == 0)
    }
}
