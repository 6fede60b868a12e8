/// A non-empty run of bytes inside one blob, in bytes from its start; never negative, never past `Int64.max`.
package struct ByteRange: Hashable, Sendable {
    /// Offset of the first byte.
    package let start: Int64
    /// Offset one past the last byte; always greater than `start`.
    package let end: Int64

    /// `nil` unless `0 <= start < end`.
    package init?(start: Int64, end: Int64) {
        guard start >= 0, start < end else { return nil }
        self.start = start
        self.end = end
    }

    package var count: Int64 { end - start }
}

extension ByteRange: CustomStringConvertible {
    /// `first-last`, both inclusive, as HTTP's `Range` and `Content-Range` write it (RFC 9110 §14.1.2).
    package var description: String { "\(start)-\(end - 1)" }
}
