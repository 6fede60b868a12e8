/// When a failed request to a registry is tried again: full jitter, so that a cluster does not come back in
/// step.
struct RetryPolicy: Sendable {
    var retriesMax = 3
    var baseMillis: UInt64 = 200
    var delayMillisMax: UInt64 = 10_000
    /// A registry that wants us away for longer is left alone: the caller has others to ask.
    var retryAfterMillisMax: UInt64 = 10_000

    /// How long to wait before retry number `retry` (0 is the first); `nil` when there shall be none.
    func delayMillis(
        retry: Int,
        after error: OriginError,
        using random: inout some RandomNumberGenerator
    ) -> UInt64? {
        guard retry < retriesMax, error.isTransient else { return nil }
        let ceiling = min(delayMillisMax, baseMillis << UInt64(min(retry, 16)))
        let jitter = UInt64.random(in: 0...ceiling, using: &random)
        guard let asked = error.retryAfterMillis else { return jitter }
        return asked <= retryAfterMillisMax ? asked + jitter : nil
    }
}

/// Keeps retries to a tenth of the requests, so that a failing registry is not hit four times as hard as a
/// sound one.
struct RetryBudget {
    private static let tenthsMax = 200
    private var tenths = tenthsMax

    mutating func countRequest() {
        tenths = min(Self.tenthsMax, tenths + 1)
    }

    /// Whether a retry may be made now.
    mutating func takeRetry() -> Bool {
        guard tenths >= 10 else { return false }
        tenths -= 10
        return true
    }
}

/// `Retry-After` (RFC 9110 §10.2.3): seconds or a date.
enum RetryAfter {
    /// `nowSeconds` is Unix time; a date in the past means now.
    static func millis(_ text: String?, nowSeconds: Int64) -> UInt64? {
        guard let text else { return nil }
        if let seconds = Decimal.parse(text) { return UInt64(min(seconds, 1 << 32)) * 1000 }
        guard let date = unixSeconds(text) else { return nil }
        return UInt64(max(0, min(date - nowSeconds, 1 << 32))) * 1000
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`; the two obsolete forms are not read.
    private static func unixSeconds(_ text: String) -> Int64? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[5] == "GMT", let day = Decimal.parse(parts[1]), (1...31).contains(day),
            let month = months.firstIndex(of: String(parts[2])), let year = Decimal.parse(parts[3]),
            (1970...9999).contains(year)
        else { return nil }
        let clock = parts[4].split(separator: ":").compactMap { Decimal.parse($0) }
        guard clock.count == 3, clock[0] < 24, clock[1] < 60, clock[2] <= 60 else { return nil }
        return days(year, Int64(month) + 1, day) * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2]
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Days since 1970 of a Gregorian date, counting years from March so that the leap day is a year's last.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
    }
}
