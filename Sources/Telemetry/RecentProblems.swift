import Synchronization

/// The last warnings and errors of this process; any thread.
final class RecentProblems: Sendable {
    static let shared = RecentProblems()

    private let kept = Mutex<[String]>([])

    func append(_ line: String) {
        kept.withLock { lines in
            if lines.count >= Log.recentCountMax { lines.removeFirst() }
            lines.append(line)
        }
    }

    var lines: [String] { kept.withLock { $0 } }
}
