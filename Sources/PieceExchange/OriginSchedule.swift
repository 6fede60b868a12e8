/// The registry as a source for one want: whether it may be asked, what is being read from it, and when next.
///
/// One fetch runs per blob. It reads a contiguous run of pieces from the front; pieces close behind
/// its cursor are left to it, those further on may come from peers meanwhile, and it is stopped where it
/// meets one of them. While it reads its last pieces the next fetch may begin, so that the registry is not idle for a
/// round trip between two: what is left then is the *tail*.
struct OriginSchedule: Sendable {
    enum Access: Equatable, Sendable {
        case allowed
        /// The reader may not use the registry for this blob.
        case forbidden
        /// The registry said no.
        case refused
        /// It failed too often in a row.
        case exhausted
    }

    var access: Access
    /// The pieces that the running fetch was asked for.
    private(set) var running: Range<Int>?
    /// What the fetch before the running one has still to report, until that has ended.
    private(set) var tail: Range<Int>?
    /// The piece that the running fetch reports next.
    private(set) var cursor = 0
    private(set) var hasDelivered = false
    /// The running fetch began beside the tail, and has brought nothing so far: that the tail fails then is the
    /// registry's failure as much as the running fetch's would be.
    private(set) var isBornOfTail = false
    private(set) var retryAt: Instant?
    /// When the running fetch began or last reported a piece.
    private(set) var progressAt = Instant(nanoseconds: 0)
    private var failures = 0

    init(access: Access) { self.access = access }

    var remaining: Range<Int>? {
        running.map { max(cursor, $0.lowerBound)..<max(cursor, $0.upperBound) }
    }

    var isReading: Bool { running != nil || tail != nil }

    /// Whether the piece is so close behind the cursor that the fetch has it before a peer would.
    func isAbout(toRead piece: Int, lead: Int) -> Bool {
        if let tail, tail.contains(piece) { return true }
        guard let remaining else { return false }
        return remaining.contains(piece) && piece - remaining.lowerBound < lead
    }

    func mayStart(_ now: Instant) -> Bool {
        access == .allowed && running == nil && (retryAt.map { $0 <= now } ?? true)
    }

    /// Whether the running fetch reads its last piece, or so many when the registry answers, and may do so beside the
    /// next.
    func mayHandOver(last pieces: Int) -> Bool {
        guard access == .allowed, tail == nil, let remaining else { return false }
        return remaining.count == 1 || hasDelivered && !remaining.isEmpty && remaining.count <= pieces
    }

    /// Starts a fetch; one that runs becomes the tail.
    mutating func start(_ run: Range<Int>, now: Instant) {
        isBornOfTail = remaining != nil
        if let remaining {
            precondition(tail == nil, "no more than two fetches of a blob run at once")
            tail = remaining
        }
        running = run
        cursor = run.lowerBound
        hasDelivered = false
        progressAt = now
        retryAt = nil
    }

    mutating func delivered(_ piece: Int, now: Instant) {
        failures = 0
        if let tail, tail.contains(piece) {
            self.tail = (piece + 1)..<tail.upperBound
            progressAt = now
        }
        guard let running, running.contains(piece) else { return }
        cursor = max(cursor, piece + 1)
        hasDelivered = true
        isBornOfTail = false
        progressAt = now
    }

    mutating func stop() {
        stopRunning()
        tail = nil
    }

    mutating func stopRunning() {
        running = nil
        isBornOfTail = false
    }

    mutating func stopTail() { tail = nil }

    /// The fetch ended without all it was asked for: waits before the next, or gives up after `attemptsMax`
    /// in a row.
    mutating func failed(now: Instant, attemptsMax: Int, random: inout SplitMix64) {
        stopRunning()
        failures += 1
        guard failures < attemptsMax else {
            access = .exhausted
            return
        }
        let ceiling = 200 << min(failures - 1, 5)
        retryAt = now.adding(milliseconds: UInt64(ceiling / 2 + random.below(ceiling / 2 + 1)))
    }
}
