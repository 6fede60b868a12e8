import Testing

@testable import PeerTransport

@Suite("what the kernel may hold for a peer")
struct UnsentLimitTests {
    /// Sends pieces of 1 MiB, one in each `nanoseconds`; the limit after each.
    private func limits(
        _ limit: inout UnsentLimit, from start: UInt64, every nanoseconds: UInt64, pieces: Int
    ) -> [Int] {
        (1...pieces).map { number in
            let before = limit.bytes
            let isNews = limit.carried(1 << 20, now: start + UInt64(number) * nanoseconds)
            #expect(isNews == (limit.bytes != before))
            return limit.bytes
        }
    }

    @Test("grows on a path that is found fast, and shrinks when it no longer is")
    func follows() {
        var limit = UnsentLimit(now: 1_000)
        let slow = limit.bytes
        #expect(limits(&limit, from: 1_000, every: 80_000_000, pieces: 100).allSatisfy { $0 == slow })
        let start: UInt64 = 1_000 + 100 * 80_000_000
        let fast = limits(&limit, from: start, every: 2_000_000, pieces: 100)
        #expect(fast.last.map { $0 > slow } == true)
        let later = limits(&limit, from: start + 200_000_000, every: 80_000_000, pieces: 100)
        #expect(later.last == slow)
    }

    @Test("a few pieces that the kernel took at once prove nothing")
    func takenAtOnce() {
        var limit = UnsentLimit(now: 0)
        let slow = limit.bytes
        #expect(limits(&limit, from: 0, every: 1, pieces: 4).allSatisfy { $0 == slow })
        // A pause counts.
        #expect(limits(&limit, from: 1_000_000_000, every: 1, pieces: 20).allSatisfy { $0 == slow })
    }
}
