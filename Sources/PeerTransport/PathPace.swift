import EventLoop

/// How fast the path to one peer takes what is sent there, by what the kernel saw of it.
struct PathPace {
    private var window: (path: TCPPath, began: UInt64)?
    private var held: Double?
    /// A mean of times, not of rates: what a burst is taken for is many times too high.
    private var secondsPerByte: Double?

    /// Bytes a second as they travel, of a connection that looks like `path` at `now` (nanoseconds); `nil` until enough
    /// came over to tell.
    mutating func observe(_ path: TCPPath, now: UInt64) -> Double? {
        let (seen, began) = window ?? (path, now)
        if now &- began >= Self.windowNanoseconds {
            held = Self.held(from: seen, to: path, nanoseconds: now &- began)
            window = (path, now)
        } else {
            window = (seen, began)
        }
        guard path.ackedBytes >= Self.provingBytes, path.bytesPerSecond > 0 else { return nil }
        let taken = 1 / min(Double(path.bytesPerSecond), held ?? .infinity)
        let newPart = path.isSenderLimited ? Self.doubtfulPart : Self.newPart
        let smoothed = secondsPerByte.map { $0 + (taken - $0) * newPart } ?? taken
        secondsPerByte = smoothed
        return 1 / smoothed
    }

    /// What the other side reads, where that is a rate it keeps to on purpose. One that is busy is the wrong reason to
    /// pack: it would have to unpack as well.
    private static func held(from old: TCPPath, to new: TCPPath, nanoseconds: UInt64) -> Double? {
        let (wasHeld, acked) = (new.heldMicros &- old.heldMicros, new.ackedBytes &- old.ackedBytes)
        let rate = Double(acked) * 1e9 / Double(nanoseconds)
        // One that reads nothing at all says nothing of a rate.
        return wasHeld > nanoseconds / 2_000 && rate > 0 && rate < heldBytesPerSecondMax ? rate : nil
    }

    /// Greetings say nothing of a path: they are small, and their acknowledgements may be held back. Nor do the first
    /// pieces where a queue on the way lets them through at once.
    private static let provingBytes: UInt64 = 256 << 10
    private static let newPart = 0.5
    private static let doubtfulPart = 1.0 / 16
    private static let windowNanoseconds: UInt64 = 250_000_000
    /// No peer is too busy to read as little as this.
    private static let heldBytesPerSecondMax: Double = 20_000_000
}
