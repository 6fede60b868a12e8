import OCIModel

/// Which bytes of a blob a request gets.
enum RangeSelection: Equatable, Sendable {
    /// 200.
    case whole
    /// 206.
    case part(ByteRange)
    /// 416.
    case unsatisfiable

    /// Evaluates `Range` (RFC 9110 §14) for a blob of `bytes` bytes.
    ///
    /// A single range is honoured. Several ranges, other units and malformed values are ignored, which
    /// makes the whole blob. A last position before the first is malformed by the RFC, but 416 to the
    /// distribution conformance suite, which is followed. An empty blob ignores the field: clients that
    /// send `bytes=0-` with every request would otherwise fail on it.
    init(_ values: [String], bytes: Int64) {
        self = .whole
        guard values.count == 1, let value = values.first, bytes > 0 else { return }
        let parts = value.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].lowercased() == "bytes" else { return }
        let ends = parts[1].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Self.position(ends[0]), let last = Self.position(ends[1]) else {
            return
        }
        switch (first, last) {
        case (nil, nil): return
        case (nil, let suffix?):
            let start = bytes - min(suffix, bytes)
            self = ByteRange(start: start, end: bytes).map(Self.part) ?? .unsatisfiable
        case (let first?, let last):
            let end = min(last ?? .max, bytes - 1) + 1
            self = ByteRange(start: first, end: end).map(Self.part) ?? .unsatisfiable
        }
    }

    /// `.some(nil)` for no digits, `nil` for anything but digits.
    ///
    /// Values beyond `Int64` are its maximum, which is past the end of any blob.
    private static func position(_ digits: Substring) -> Int64?? {
        guard digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return .some(digits.isEmpty ? nil : Int64(digits) ?? .max)
    }
}
