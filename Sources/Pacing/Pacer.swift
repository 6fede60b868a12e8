package import EventLoop

/// Keeps everybody who sends, or reads, one kind of bytes to a common rate, first come, first served.
///
///     open <--> shut: who comes waits in line, the timer lets the next ones through
///
/// Invariant: the timer runs exactly while somebody waits.
@LoopActor
package final class Pacer {
    /// All bytes ever counted, bound or not.
    package private(set) var countedBytes: UInt64 = 0
    /// How often somebody had to wait.
    package private(set) var waits: UInt64 = 0

    private var bucket: TokenBucket
    private var line: [@LoopActor () -> Void] = []
    private var next = 0
    private let timer = LoopTimer()

    /// `nil`: no bound.
    package init(bytesPerSecond: UInt64? = nil) {
        bucket = TokenBucket(bytesPerSecond: bytesPerSecond, now: Loop.nowNanoseconds)
    }

    package var bytesPerSecond: UInt64? { bucket.bytesPerSecond }

    package var isOpen: Bool { line.isEmpty && bucket.nanosecondsToWait(now: Loop.nowNanoseconds) == 0 }

    /// Also for those who wait already.
    package func setRate(_ bytesPerSecond: UInt64?) {
        bucket.setRate(bytesPerSecond, now: Loop.nowNanoseconds)
        if !line.isEmpty { advance() }
    }

    /// Bytes have passed, or are about to.
    package func count(_ bytes: Int) {
        countedBytes &+= UInt64(clamping: bytes)
        bucket.take(bytes, now: Loop.nowNanoseconds)
    }

    /// Calls `body`, which is expected to count what it sends: at once if it is open, else when those who came
    /// before have had their turn.
    package func whenOpen(_ body: @escaping @LoopActor () -> Void) {
        if isOpen { return body() }
        waits &+= 1
        line.append(body)
        if line.count - next == 1 { setTimer() }
    }

    /// Nobody waits any longer; for the end of whatever is paced.
    package func release() {
        bucket.setRate(nil, now: Loop.nowNanoseconds)
        advance()
    }

    private func advance() {
        while next < line.count, bucket.nanosecondsToWait(now: Loop.nowNanoseconds) == 0 {
            let body = line[next]
            next += 1
            body()
        }
        if next == line.count {
            line.removeAll()
            next = 0
            timer.stop()
        } else {
            if next > 1024 {
                line.removeFirst(next)
                next = 0
            }
            setTimer()
        }
    }

    private func setTimer() {
        let wait = bucket.nanosecondsToWait(now: Loop.nowNanoseconds)
        timer.start(after: wait / 1_000_000 + 1) { [weak self] in self?.advance() }
    }
}
