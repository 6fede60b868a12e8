import Synchronization

/// The last warnings and errors of this process, and how many there were; any thread.
final class RecentProblems: Sendable {
    static let shared = RecentProblems()

    private struct Kept {
        var lines: [String] = []
        var counts: (warnings: UInt64, errors: UInt64) = (0, 0)
    }

    private let kept = Mutex(Kept())

    func append(_ line: String, isError: Bool) {
        kept.withLock { kept in
            if kept.lines.count >= Log.recentCountMax { kept.lines.removeFirst() }
            kept.lines.append(line)
            if isError { kept.counts.errors += 1 } else { kept.counts.warnings += 1 }
        }
    }

    var lines: [String] { kept.withLock { $0.lines } }
    var counts: (warnings: UInt64, errors: UInt64) { kept.withLock { $0.counts } }
}
