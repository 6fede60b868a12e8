/// A bound on bytes a second, as a pure state machine: bytes and time in, a time to wait out.
///
/// The bucket fills at the rate and holds a tenth of a second's worth. Whoever finds it open takes what it needs,
/// even more than there is, and then it stays shut until the debt is paid. So for any stretch of time
///
///     bytes taken  <=  rate × time + burst + the largest single take
///
/// and, while somebody always waits, no less than rate × time minus the burst. The arithmetic is whole numbers:
/// nothing is lost to rounding, however often it is asked.
///
/// Invariant: `level` is at most the burst; it is counted in bytes times 10⁹, so that a nanosecond adds `rate`.
package struct TokenBucket: Sendable {
    /// `nil`: no bound, always open.
    package private(set) var bytesPerSecond: UInt64?
    private var level: Int128 = 0
    private var lastNanoseconds: UInt64

    /// A petabyte a second: with it no product of rate and time leaves the arithmetic's range.
    private static let rateMax: UInt64 = 1 << 50
    private static let burstPart: Int128 = 10
    private static let second: Int128 = 1_000_000_000

    /// Full. A rate of 0 would never open: it counts as 1. Monotonic nanoseconds.
    package init(bytesPerSecond rate: UInt64?, now: UInt64) {
        lastNanoseconds = now
        bytesPerSecond = Self.bounded(rate)
        level = burst
    }

    /// Most bytes that may pass at once after a pause.
    package var burstBytes: UInt64 { UInt64(clamping: burst / Self.second) }

    private var burst: Int128 { Int128(bytesPerSecond ?? 0) * Self.second / Self.burstPart }

    /// From now on; what was saved up or is owed stays, as far as the new burst holds it.
    package mutating func setRate(_ rate: UInt64?, now: UInt64) {
        fill(now)
        bytesPerSecond = Self.bounded(rate)
        level = bytesPerSecond == nil ? 0 : min(level, burst)
    }

    /// Takes bytes, whether there are as many or not.
    package mutating func take(_ bytes: Int, now: UInt64) {
        guard bytesPerSecond != nil else { return }
        fill(now)
        level -= Int128(max(bytes, 0)) * Self.second
    }

    /// 0 when it is open; else when it will be if nobody takes more, rounded up.
    package func nanosecondsToWait(now: UInt64) -> UInt64 {
        guard let rate = bytesPerSecond else { return 0 }
        let filled = level + elapsed(now) * Int128(rate)
        guard filled <= 0 else { return 0 }
        // One more than nothing, for it to be open.
        return UInt64(clamping: (1 - filled + Int128(rate) - 1) / Int128(rate))
    }

    private static func bounded(_ rate: UInt64?) -> UInt64? { rate.map { min(max($0, 1), rateMax) } }

    private mutating func fill(_ now: UInt64) {
        level = min(level + elapsed(now) * Int128(bytesPerSecond ?? 0), burst)
        lastNanoseconds = max(lastNanoseconds, now)
    }

    private func elapsed(_ now: UInt64) -> Int128 { now > lastNanoseconds ? Int128(now - lastNanoseconds) : 0 }
}
