import Hashing
import OCIModel
import Testing

@testable import ContentStore

private func digest(_ number: UInt8) -> Digest { SHA256Hasher.hash([number]) }

@Suite("The ledger")
struct LedgerTests {
    private func ledger(quota: Int64, _ sizes: [Int64]) -> Ledger {
        var ledger = Ledger(quotaBytes: quota)
        for (index, size) in sizes.enumerated() {
            ledger.found(digest(UInt8(index)), .init(bytes: size, order: UInt64(index), lastUsed: 0))
        }
        return ledger
    }

    @Test("excess is what must go before the bytes fit")
    func excess() {
        let ledger = ledger(quota: 100, [30, 40])
        for (bytes, excess) in [(0, 0), (30, 0), (31, 1), (100, 70), (1 << 44, 1 << 44 - 30)]
            as [(Int64, Int64)]
        {
            #expect(ledger.excess(for: bytes) == excess)
        }
        #expect(self.ledger(quota: 50, [30, 40]).excess(for: 0) == 20)
        #expect(self.ledger(quota: -5, []).excess(for: 1) == 1)
    }

    @Test("the least recently used go first, pinned and spared ones never, and only if it is enough")
    func victims() {
        var full = ledger(quota: 100, [10, 20, 30, 40])
        full.touch(digest(0), now: 0)
        let isPinned = full.setPinned(digest(1), true)
        #expect(isPinned)
        let cases: [(bytes: Int64, spared: Digest?, victims: [UInt8]?, usedAfter: Int64)] = [
            (0, nil, [], 100), (1, nil, [2], 70), (30, nil, [2], 70), (71, nil, [2, 3, 0], 20),
            (31, digest(2), [3], 60), (81, nil, nil, 100), (51, digest(2), nil, 100),
        ]
        for (bytes, spared, expected, usedAfter) in cases {
            var copy = full
            let victims = copy.takeVictims(bytes: bytes, sparing: spared)
            #expect(victims?.map(\.digest) == expected?.map(digest))
            #expect(copy.usedBytes == usedAfter)
            copy.checkInvariants()
        }
    }

    @Test("the disk gets back only what nobody else has a name for")
    func sharedVictims() {
        var full = ledger(quota: 100, [10, 20, 30, 40])
        for number: UInt8 in [0, 2] { full.setShared(digest(number), true) }
        #expect(full.sharedBytes == 40)
        let cases: [(bytes: Int64, diskBytes: Int64, victims: [UInt8]?)] = [
            (0, 1, [1]), (0, 21, [1, 3]), (0, 61, nil), (25, 1, [1, 0]), (10, 0, [0]),
            (31, 1, [1, 0, 2]), (-5, 20, [1]),
        ]
        for (bytes, diskBytes, expected) in cases {
            var copy = full
            let victims = copy.takeVictims(bytes: bytes, diskBytes: diskBytes, sparing: nil)
            #expect(victims?.map(\.digest) == expected?.map(digest), "\(bytes) and \(diskBytes)")
            copy.checkInvariants()
        }
    }

    @Test("a blob that could not be removed is put back")
    func restore() throws {
        var ledger = ledger(quota: 100, [10, 20])
        let taken = ledger.takeVictims(bytes: 15, sparing: nil)
        let victims = try #require(taken)
        #expect(ledger.usedBytes == 0)
        for victim in victims { ledger.restore(victim) }
        #expect(ledger.usedBytes == 30 && ledger.committed.count == 2)
        ledger.checkInvariants()
    }

    @Test("a random walk keeps the invariants and the quota")
    func walk() {
        var generator = SystemRandomNumberGenerator()
        let seed = UInt64.random(in: .min ... .max, using: &generator)
        var state = seed
        func roll(_ below: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % below
        }
        var ledger = Ledger(quotaBytes: 1000)
        for _ in 0..<5000 {
            let blob = digest(UInt8(roll(20)))
            let isFree = ledger.committed[blob] == nil && ledger.open[blob] == nil && ledger.idle[blob] == nil
            switch roll(8) {
            case 0 where isFree:
                let bytes = Int64(roll(300)) + 1
                _ = ledger.takeVictims(bytes: ledger.excess(for: bytes), sparing: blob)
                if ledger.reserve(bytes) { ledger.opened(blob, bytes: bytes) }
            case 1: ledger.park(blob, now: 0)
            case 2: ledger.resume(blob)
            case 3: ledger.commitOpen(blob, now: 0)
            case 4: ledger.discarded(blob)
            case 5: ledger.forget(blob)
            case 6: _ = ledger.setPinned(blob, roll(4) == 0)
            default: ledger.touch(blob, now: 0)
            }
            ledger.checkInvariants()
            #expect(ledger.usedBytes + ledger.reservedBytes <= 1000, "seed \(seed)")
        }
    }
}
