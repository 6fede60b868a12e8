/// What the kernel may hold for a peer beyond what is on its way.
///
/// What is there already is overtaken by nothing, so it should be gone soon; each refill costs a wake-up, so a path
/// that is through with more just as soon is given more.
struct UnsentLimit {
    private(set) var bytes = slowBytes
    private var counted = 0
    private var countedFrom: UInt64

    init(now: UInt64) {
        countedFrom = now
    }

    /// So many bytes more have left at `now` (nanoseconds). Returns whether `bytes` changed.
    ///
    /// Judged by much more than the kernel can hide, and with all pauses: who sends little needs no more.
    mutating func carried(_ count: Int, now: UInt64) -> Bool {
        counted += count
        guard counted >= Self.judgedBytes else { return false }
        let nanoseconds = max(now &- countedFrom, 1)
        let before = bytes
        // Between the two it stays as it is.
        if nanoseconds < Self.fastNanoseconds { bytes = Self.fastBytes }
        if nanoseconds > Self.slowNanoseconds { bytes = Self.slowBytes }
        counted = 0
        countedFrom = now
        return bytes != before
    }

    private static let slowBytes = 64 << 10
    /// 5 ms of a path of 200 MB/s.
    private static let fastBytes = 1 << 20
    private static let judgedBytes = 16 << 20
    /// For `judgedBytes`: 200 and 100 MB/s.
    private static let fastNanoseconds: UInt64 = 84_000_000
    private static let slowNanoseconds: UInt64 = 168_000_000
}
