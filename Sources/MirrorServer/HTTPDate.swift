import Glibc

/// The `Date` field's value (RFC 9110 §5.6.7), made anew at most once a second.
struct HTTPDate {
    private var second: time_t = -1
    private var text = ""

    /// The current wall-clock time.
    ///
    /// It informs the client; nothing here is timed by it.
    mutating func now() -> String {
        let current = time(nil)
        if current != second {
            second = current
            text = Self.text(current)
        }
        return text
    }

    /// Written out instead of `strftime`, whose day and month names follow the process's locale.
    static func text(_ seconds: time_t) -> String {
        var seconds = seconds
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil, days.indices.contains(Int(parts.tm_wday)),
            months.indices.contains(Int(parts.tm_mon))
        else { return "Thu, 01 Jan 1970 00:00:00 GMT" }
        let date = "\(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(Int(parts.tm_year) + 1900)"
        let clock = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
        return "\(days[Int(parts.tm_wday)]), \(date) \(clock) GMT"
    }

    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
