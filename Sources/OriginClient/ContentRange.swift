import OCIModel

/// A `Content-Range` of a 206 (RFC 9110 §14.4), in bytes.
struct ContentRange: Equatable {
    let range: ByteRange
    /// `nil` when the registry wrote `*`.
    let total: Int64?

    /// Takes `bytes FIRST-LAST/TOTAL` or `bytes FIRST-LAST/*`; `nil` for anything else, the unsatisfied form
    /// included.
    init?(_ text: String) {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].lowercased() == "bytes" else { return nil }
        let sides = parts[1].split(separator: "/", omittingEmptySubsequences: false)
        guard sides.count == 2 else { return nil }
        let ends = sides[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Decimal.parse(ends[0]), let last = Decimal.parse(ends[1]),
            last < .max,
            let range = ByteRange(start: first, end: last + 1)
        else { return nil }
        self.range = range
        if sides[1] == "*" {
            total = nil
        } else {
            guard let total = Decimal.parse(sides[1]), total >= range.end else { return nil }
            self.total = total
        }
    }
}

/// HTTP's `1*DIGIT`: no sign, no blank, nothing beyond `Int64.max`.
enum Decimal {
    static func parse(_ text: some StringProtocol) -> Int64? {
        let isNumber = !text.isEmpty && text.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
        return isNumber ? Int64(text) : nil
    }
}
