import EventLoop

/// Whether a client takes a body at the least average rate; time that the source took does not count
/// against it.
struct SendingPace {
    private let graceNanoseconds: UInt64
    private let bytesPerSecond: Int64
    /// When the sending now under way began; `nil` while the source is waited for.
    private var since: UInt64?
    private var spent: UInt64 = 0

    init(limits: MirrorLimits, now: UInt64 = Loop.nowNanoseconds) {
        graceNanoseconds = limits.stallMillis * 1_000_000
        bytesPerSecond = limits.rateMinBytesPerSecond
        since = now
    }

    mutating func pause(_ now: UInt64) {
        spent = elapsed(now)
        since = nil
    }

    mutating func resume(_ now: UInt64) {
        spent = elapsed(now)
        since = now
    }

    func isKept(sent: Int64, _ now: UInt64) -> Bool {
        let elapsed = elapsed(now)
        guard elapsed > graceNanoseconds else { return true }
        return Double(sent) >= Double(bytesPerSecond) * Double(elapsed - graceNanoseconds) / 1e9
    }

    private func elapsed(_ now: UInt64) -> UInt64 {
        guard let since, now > since else { return spent }
        return spent + (now - since)
    }
}
