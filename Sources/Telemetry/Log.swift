import Glibc
import Logging
import Synchronization

/// The node's log: one line an event on standard error, and the last warnings and errors kept for `hawker status`.
package enum Log {
    /// Makes every `Logger` write in this form; call once, before the first logger is made. `level` is one of
    /// swift-log's names; any other word means `info`.
    package static func bootstrap(level name: String, format: LogFormat = .text) {
        set(level: name, format: format)
        LoggingSystem.bootstrap { label in LineLogHandler(label: label) }
    }

    /// From now on, for every `Logger`; as for `bootstrap`.
    package static func set(level name: String, format: LogFormat) {
        LineLogHandler.common.withLock { $0 = (Logger.Level(rawValue: name) ?? .info, format) }
    }

    /// Lines of level warning and above since the start, by level.
    package static var problemCounts: (warnings: UInt64, errors: UInt64) { RecentProblems.shared.counts }

    /// The most recent lines of level warning and above, oldest first, at most `recentCountMax`.
    package static var recentProblems: [String] { RecentProblems.shared.lines }

    package static let recentCountMax = 50
}

/// Writes each event as one `write(2)` to standard error, so that lines of several threads never mix.
struct LineLogHandler: LogHandler {
    let label: String
    var metadata: Logger.Metadata = [:]

    fileprivate static let common = Mutex((level: Logger.Level.info, format: LogFormat.text))
    private var ownLevel: Logger.Level?

    init(label: String) {
        self.label = label
    }

    var logLevel: Logger.Level {
        get { ownLevel ?? Self.common.withLock { $0.level } }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let line = LogLine(
            time: Timestamp.now(), level: event.level, label: label, message: "\(event.message)",
            fields: metadata.merging(event.metadata ?? [:]) { _, new in new })
        if event.level >= .warning { RecentProblems.shared.append(line.text, isError: event.level >= .error) }
        var written = line.written(as: Self.common.withLock { $0.format }) + "\n"
        written.withUTF8 { bytes in
            // A log that cannot be written has nowhere to say so.
            _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count)
        }
    }
}
