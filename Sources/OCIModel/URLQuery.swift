/// The query of a URL, in characters that may stand there as they are (RFC 3986 §3.4), without its `?`.
///
/// Holds nothing that could end a header's line or a URL in angle brackets, so it may be passed on as it is.
package struct URLQuery: Hashable, Sendable {
    package let text: String

    package static let bytesMax = 4 << 10
    package static let empty = URLQuery(known: "")

    /// `nil` for other characters, and for a percent sign without two hexadecimal digits behind it.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count <= Self.bytesMax else { return nil }
        var escaped = 0
        for byte in text.utf8 {
            if escaped > 0 {
                guard Self.hexValue(byte) != nil else { return nil }
                escaped -= 1
            } else if byte == UInt8(ascii: "%") {
                escaped = 2
            } else if !Self.mayStand(byte) {
                return nil
            }
        }
        guard escaped == 0 else { return nil }
        self.text = String(text)
    }

    private init(known text: String) { self.text = text }

    package var isEmpty: Bool { text.isEmpty }

    /// The parts whose decoded name is kept, in their order and as they were written.
    package func keeping(_ isKept: (String) -> Bool) -> URLQuery {
        let kept = text.split(separator: "&").filter { part in
            Self.decoded(part.prefix { $0 != "=" }).map(isKept) ?? false
        }
        return URLQuery(known: kept.joined(separator: "&"))
    }

    /// The parts of both, these first.
    package func joined(with other: URLQuery) -> URLQuery {
        URLQuery(known: [text, other.text].filter { !$0.isEmpty }.joined(separator: "&"))
    }

    /// The decoded values of every part of that name; `nil` when some part of the query cannot be decoded.
    package static func values(of name: String, in query: String?) -> [String]? {
        var values: [String] = []
        for pair in (query ?? "").utf8.split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            guard let own = decoded(Substring(pair[..<equals])) else { return nil }
            guard own == name else { continue }
            guard let value = decoded(Substring(pair[equals...].dropFirst())) else { return nil }
            values.append(value)
        }
        return values
    }

    /// A part of a URL's path with its percent-escapes undone; `nil` for a broken escape or broken UTF-8.
    package static func decodedPath(_ path: Substring) -> String? { decoded(path, plusIsSpace: false) }

    /// Percent- and plus-decodes a part of a form-encoded query; `nil` for a broken escape or broken UTF-8.
    private static func decoded(_ text: Substring) -> String? { decoded(text, plusIsSpace: true) }

    private static func decoded(_ text: Substring, plusIsSpace: Bool) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(plusIsSpace ? 0x20 : byte)
            case UInt8(ascii: "%"):
                let digits = rest.prefix(2)
                guard digits.count == 2, let high = hexValue(digits.first), let low = hexValue(digits.last) else {
                    return nil
                }
                bytes.append(high << 4 | low)
                rest = rest.dropFirst(2)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func mayStand(_ byte: UInt8) -> Bool {
        ASCII.isAlphanumeric(byte) || "-._~!$&'()*+,;=:@/?".utf8.contains(byte)
    }

    private static func hexValue(_ byte: UInt8?) -> UInt8? {
        guard let byte else { return nil }
        return switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}

extension URLQuery: CustomStringConvertible {
    package var description: String { text }
}
