import Glibc
import Logging
import Synchronization

/// The node's log: one line an event on standard error, and the last warnings and errors kept for `hawker status`.
///
/// A line is `TIME LEVEL LABEL: message key=value …`, UTC. Bytes below 0x20, DEL and anything not ASCII in values
/// from outside are escaped, so that nobody can forge a line (the message itself is always a constant).
package enum Log {
    /// Makes every `Logger` write in this form; call once, before the first logger is made. `level` is one of
    /// swift-log's names; any other word means `info`.
    package static func bootstrap(level name: String) {
        setLevel(name)
        LoggingSystem.bootstrap { label in LineLogHandler(label: label) }
    }

    /// From now on, for every `Logger`; as for `bootstrap`.
    package static func setLevel(_ name: String) {
        LineLogHandler.commonLevel.withLock { $0 = Logger.Level(rawValue: name) ?? .info }
    }

    /// The most recent lines of level warning and above, oldest first, at most `recentCountMax`.
    package static var recentProblems: [String] { RecentProblems.shared.lines }

    package static let recentCountMax = 50
}

/// Writes each event as one `write(2)` to standard error, so that lines of several threads never mix.
struct LineLogHandler: LogHandler {
    let label: String
    var metadata: Logger.Metadata = [:]

    fileprivate static let commonLevel = Mutex(Logger.Level.info)
    private var ownLevel: Logger.Level?

    init(label: String) {
        self.label = label
    }

    var logLevel: Logger.Level {
        get { ownLevel ?? Self.commonLevel.withLock { $0 } }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = "\(Timestamp.now()) \(event.level) \(label): \(LogText.escaped("\(event.message)"))"
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            line += " \(key)=\(LogText.quotedIfNeeded("\(value)"))"
        }
        if event.level >= .warning { RecentProblems.shared.append(line) }
        line += "\n"
        line.withUTF8 { bytes in
            // A log that cannot be written has nowhere to say so.
            _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count)
        }
    }
}

/// Escaping of values in log lines.
package enum LogText {
    /// Control characters and everything outside ASCII as `\u{…}`.
    package static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 < 0x20 || $0 >= 0x7f }) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if scalar.value < 0x20 || scalar.value >= 0x7f {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The escaped text, in quotes when a reader could not see where it ends.
    package static func quotedIfNeeded(_ text: String) -> String {
        let safe = escaped(text)
        guard safe.isEmpty || safe.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) else { return safe }
        return "\"" + safe.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\\"") + "\""
    }
}

/// Wall-clock time for people to read; nothing is ever computed from it.
package enum Timestamp {
    /// Now, in UTC, as `2026-01-31T23:59:59.123Z`.
    package static func now() -> String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var parts = tm()
        gmtime_r(&time.tv_sec, &parts)
        let date = "\(parts.tm_year + 1900)-\(pad(parts.tm_mon + 1, 2))-\(pad(parts.tm_mday, 2))"
        let clock = "\(pad(parts.tm_hour, 2)):\(pad(parts.tm_min, 2)):\(pad(parts.tm_sec, 2))"
        return "\(date)T\(clock).\(pad(Int32(time.tv_nsec / 1_000_000), 3))Z"
    }

    /// Seconds since 1970 as `2026-01-31T23:59:59Z`.
    package static func of(_ seconds: Int64) -> String {
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        let date = "\(parts.tm_year + 1900)-\(pad(parts.tm_mon + 1, 2))-\(pad(parts.tm_mday, 2))"
        return "\(date)T\(pad(parts.tm_hour, 2)):\(pad(parts.tm_min, 2)):\(pad(parts.tm_sec, 2))Z"
    }

    private static func pad(_ number: Int32, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
