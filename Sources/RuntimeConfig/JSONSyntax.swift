/// A JSON value and where it stands.
///
/// RFC 8259 without its freedoms: a name twice in one object is refused, for readers differ on which counts.
indirect enum JSONSyntax {
    case string(String, span: Range<Int>)
    /// A number, `true`, `false` or `null`.
    case scalar(span: Range<Int>)
    case array([JSONSyntax], span: Range<Int>)
    case object([Member], span: Range<Int>)

    struct Member {
        let name: String
        /// Of the name's opening quote.
        let start: Int
        let value: JSONSyntax
    }

    var span: Range<Int> {
        switch self {
        case .string(_, let span), .scalar(let span), .array(_, let span), .object(_, let span): span
        }
    }

    /// Where reading stopped, in bytes.
    struct Fault: Error, Equatable {
        let offset: Int
        let message: String
    }

    static func parse(_ bytes: [UInt8]) throws(Fault) -> JSONSyntax {
        var reader = Reader(bytes: bytes)
        return try reader.document()
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        static let depthMax = 32

        init(bytes: [UInt8]) { self.bytes = bytes }

        mutating func document() throws(Fault) -> JSONSyntax {
            skipBlanks()
            let value = try value(depth: 0)
            skipBlanks()
            guard position == bytes.count else { throw fault("text after the end") }
            return value
        }

        private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

        private func fault(_ message: String) -> Fault { Fault(offset: position, message: message) }

        private mutating func skipBlanks() {
            while let byte = current, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
                position += 1
            }
        }

        private mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard current == UInt8(ascii: character) else { return false }
            position += 1
            return true
        }

        private mutating func value(depth: Int) throws(Fault) -> JSONSyntax {
            guard depth < Self.depthMax else { throw fault("nested too deeply") }
            let start = position
            switch current {
            case UInt8(ascii: "{"): return .object(try members(depth: depth), span: start..<position)
            case UInt8(ascii: "["): return .array(try elements(depth: depth), span: start..<position)
            case UInt8(ascii: "\""): return .string(try string(), span: start..<position)
            default:
                while let byte = current, Self.isScalar(byte) { position += 1 }
                guard Self.isKnown(bytes[start..<position]) else {
                    position = start
                    throw fault("not a value")
                }
                return .scalar(span: start..<position)
            }
        }

        private static func isScalar(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "E"),
                UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }

        private static func isKnown(_ bytes: ArraySlice<UInt8>) -> Bool {
            let text = String(decoding: bytes, as: UTF8.self)
            return ["true", "false", "null"].contains(text)
                || text.wholeMatch(of: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/) != nil
        }

        private mutating func members(depth: Int) throws(Fault) -> [Member] {
            position += 1
            var result: [Member] = []
            skipBlanks()
            if take("}") { return result }
            while true {
                skipBlanks()
                let start = position
                guard current == UInt8(ascii: "\"") else { throw fault("a name in double quotes is missing") }
                let name = try string()
                guard !result.contains(where: { $0.name == name }) else {
                    position = start
                    throw fault("\"\(name)\" stands twice")
                }
                skipBlanks()
                guard take(":") else { throw fault("a colon is missing") }
                skipBlanks()
                result.append(Member(name: name, start: start, value: try value(depth: depth + 1)))
                skipBlanks()
                if take("}") { return result }
                guard take(",") else { throw fault("a comma or } is missing") }
            }
        }

        private mutating func elements(depth: Int) throws(Fault) -> [JSONSyntax] {
            position += 1
            var result: [JSONSyntax] = []
            skipBlanks()
            if take("]") { return result }
            while true {
                skipBlanks()
                result.append(try value(depth: depth + 1))
                skipBlanks()
                if take("]") { return result }
                guard take(",") else { throw fault("a comma or ] is missing") }
            }
        }

        private mutating func string() throws(Fault) -> String {
            position += 1
            var result: [UInt8] = []
            while let byte = current {
                position += 1
                switch byte {
                case UInt8(ascii: "\""):
                    guard let text = String(validating: result, as: UTF8.self) else {
                        throw fault("not UTF-8")
                    }
                    return text
                case UInt8(ascii: "\\"): result += Array(String(try escape()).utf8)
                case 0..<0x20: throw fault("a control character in a string")
                default: result.append(byte)
                }
            }
            throw fault("a string has no end")
        }

        private mutating func escape() throws(Fault) -> Unicode.Scalar {
            guard let byte = current else { throw fault("a string has no end") }
            position += 1
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
            case UInt8(ascii: "b"): return "\u{08}"
            case UInt8(ascii: "f"): return "\u{0C}"
            case UInt8(ascii: "n"): return "\n"
            case UInt8(ascii: "r"): return "\r"
            case UInt8(ascii: "t"): return "\t"
            case UInt8(ascii: "u"):
                let first = try codeUnit()
                if let scalar = Unicode.Scalar(first) { return scalar }
                guard UTF16.isLeadSurrogate(first), take("\\"), take("u") else {
                    throw fault("half a character")
                }
                let second = try codeUnit()
                guard UTF16.isTrailSurrogate(second) else { throw fault("half a character") }
                return UTF16.decode(UTF16.EncodedScalar([first, second]))
            default: throw fault("an unknown escape")
            }
        }

        private mutating func codeUnit() throws(Fault) -> UInt16 {
            let digits = bytes[position..<min(position + 4, bytes.count)]
            let text = String(decoding: digits, as: UTF8.self)
            guard digits.count == 4, text.allSatisfy(\.isHexDigit), let unit = UInt16(text, radix: 16) else {
                throw fault("four hexadecimal digits are missing")
            }
            position += 4
            return unit
        }
    }
}
