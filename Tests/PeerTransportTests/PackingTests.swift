import Testing

@testable import PeerTransport

private let mebi = 1 << 20

@Suite("how the next piece is packed")
struct PackingTests {
    /// As if so many pieces of 1 MiB had been packed at `level`, each in `millis` and to a part of itself.
    private func choice(
        processors: Int = 2, tried level: Int32 = 3, pieces: Int = 0, millis: UInt64 = 7, to part: Int = 1
    ) -> PackingChoice {
        var choice = PackingChoice(processors: processors)
        for _ in 0..<pieces {
            choice.tried(
                .init(level: level, bytes: mebi, packedBytes: mebi / part, nanoseconds: millis * 1_000_000), beside: 1)
        }
        return choice
    }

    @Test(
        "as well as leaves the path busy, and not at all where the path is faster than packing",
        arguments: [
            (nil, .zstd(level: 1)), (1e3, .zstd(level: 6)), (12e6, .zstd(level: 6)),
            (30e6, .zstd(level: 5)), (45e6, .zstd(level: 3)), (80e6, .zstd(level: 1)),
            (184e6, .zstd(level: 1)), (185e6, .none), (1e12, .none), (.infinity, .none),
        ] as [(Double?, Packing)])
    func pace(_ pace: Double?, expected: Packing) {
        var choice = choice()
        let packing = choice.next(pace: pace, share: 1)
        #expect(packing == expected)
    }

    @Test(
        "with more processors better, and each peer by its share of them",
        arguments: [
            (1, 1, 12e6, .zstd(level: 5)), (4, 1, 30e6, .zstd(level: 6)), (64, 1, 30e6, .zstd(level: 6)),
            (0, 1, 1e6, .zstd(level: 6)), (2, 0.5, 12e6, .zstd(level: 5)), (2, 0.25, 12e6, .zstd(level: 3)),
            (2, 0.1, 12e6, .zstd(level: 1)), (2, 0.01, 12e6, .none), (4, 1, 350e6, .zstd(level: 1)),
            (4, 1, 400e6, .none),
        ] as [(Int, Double, Double, Packing)])
    func share(processors: Int, share: Double, pace: Double, expected: Packing) {
        var choice = choice(processors: processors)
        let packing = choice.next(pace: pace, share: share)
        #expect(packing == expected)
    }

    @Test(
        "quicker where packing was slow of late, at whichever level, but for its own crowd",
        arguments: [
            (3, 7, 1, .zstd(level: 6)), (3, 14, 1, .zstd(level: 5)), (3, 30, 1, .zstd(level: 3)),
            (3, 60, 1, .zstd(level: 1)), (3, 200, 1, .none), (1, 20, 1, .zstd(level: 3)), (6, 100, 1, .zstd(level: 1)),
            (7, 1_000_000, 1, .zstd(level: 6)), (3, 14, 2, .zstd(level: 5)), (3, 14, 4, .zstd(level: 6)),
            (3, 14, 12, .zstd(level: 6)),
        ] as [(Int32, UInt64, Int, Packing)])
    func speed(level: Int32, millis: UInt64, beside: Int, expected: Packing) {
        // At the usual ratio, so that only the time is news.
        var choice = PackingChoice(processors: 2)
        for _ in 0..<200 {
            choice.tried(
                .init(level: level, bytes: mebi, packedBytes: mebi * 2 / 5, nanoseconds: millis * 1_000_000),
                beside: beside)
        }
        let packing = choice.next(pace: 12e6, share: 1)
        #expect(packing == expected)
    }

    @Test(
        "quicker where pieces get small, because it takes more of them to keep the path busy; not where they do not",
        arguments: [(1, .none), (2, .zstd(level: 6)), (3, .zstd(level: 5)), (4, .zstd(level: 3)), (8, .zstd(level: 1))]
            as [(Int, Packing)])
    func size(part: Int, expected: Packing) {
        var choice = choice(pieces: 200, to: part)
        let packing = choice.next(pace: 25e6, share: 1)
        #expect(packing == expected)
    }

    @Test("pieces that do not get smaller are not all tried, but again and again")
    func incompressible() {
        var choice = choice(pieces: 200, to: 1)
        let tries = (0..<100).count { _ in
            guard case .zstd(let level) = choice.next(pace: 12e6, share: 1) else { return false }
            choice.tried(.init(level: level, bytes: mebi, packedBytes: mebi, nanoseconds: 7_000_000), beside: 1)
            return true
        }
        #expect((5...80).contains(tries))
    }

    @Test("a machine that was once too slow to pack is tried again before long")
    func again() {
        var choice = choice(pieces: 200, millis: 1_000, to: 3)
        let first = choice.next(pace: 12e6, share: 1)
        #expect(first == .none)
        let plain = (1...).first { _ in choice.next(pace: 12e6, share: 1) != .none }
        #expect(plain.map { $0 < 200 } == true)
    }

    @Test("what the clock and the sizes of a piece may be at worst leaves a choice")
    func extremes() {
        for (bytes, packed, nanoseconds) in [(1, 0, 0), (0, 0, 0), (mebi, 1, 1), (1, .max, UInt64.max)] {
            var choice = PackingChoice(processors: 2)
            for _ in 0..<100 {
                choice.tried(.init(level: 1, bytes: bytes, packedBytes: packed, nanoseconds: nanoseconds), beside: .max)
            }
            for _ in 0..<1_000 { _ = choice.next(pace: 100e9, share: 1) }
            let packing = choice.next(pace: 12e6, share: 1)
            #expect(packing != .none)
        }
    }
}
