/// Lets through one of many lines that say the same: strangers decide how often there is a reason for one.
struct LogLimiter {
    private static let pauseNanoseconds: UInt64 = 60_000_000_000
    private static let keysMax = 256

    private var said: [String: UInt64] = [:]

    /// Whether the line of `key` is to be written at `now` (nanoseconds).
    mutating func admits(_ key: String, now: UInt64) -> Bool {
        said = said.filter { now &- $0.value < Self.pauseNanoseconds }
        guard said[key] == nil, said.count < Self.keysMax else { return false }
        said[key] = now
        return true
    }
}
