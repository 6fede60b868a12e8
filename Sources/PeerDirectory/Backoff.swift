/// The pauses between attempts: doubling from the first to the longest, each at random between half of it and
/// the whole, so that nodes that failed together do not come back together.
struct Backoff {
    let firstMillis: UInt64
    let longestMillis: UInt64
    private var failures: UInt64 = 0

    init(firstMillis: UInt64, longestMillis: UInt64) {
        self.firstMillis = firstMillis
        self.longestMillis = longestMillis
    }

    mutating func succeeded() { failures = 0 }

    /// Counts a failure and says how long to wait, in milliseconds.
    mutating func failed(using generator: inout some RandomNumberGenerator) -> UInt64 {
        let doubled = firstMillis << min(failures, 20)
        failures += 1
        return Self.jittered(min(doubled, longestMillis), using: &generator)
    }

    /// Between half of a time and the whole.
    static func jittered(_ millis: UInt64, using generator: inout some RandomNumberGenerator) -> UInt64 {
        millis / 2 + UInt64.random(in: 0...(millis - millis / 2), using: &generator)
    }
}
