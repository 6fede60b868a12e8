/// A JSON document as RFC 8259 has it, without the freedoms that let two readers disagree.
///
/// Refused: duplicate names, invalid UTF-8, lone surrogates, a byte-order mark, anything after the value,
/// deep nesting, and more values than any manifest needs (each costs more memory than its bytes show).
enum StrictJSON: Equatable {
    case null
    case bool(Bool)
    /// As written: a reader that needs an integer does not get a rounded one.
    case number(String)
    case string(String)
    case array([StrictJSON])
    case object(StrictJSONObject)

    static let depthMax = 16
    static let valuesMax = 100_000

    /// `nil` when the bytes are not exactly one acceptable document.
    static func parse(_ bytes: some Collection<UInt8>) -> StrictJSON? {
        var reader = StrictJSONReader(bytes: Array(bytes))
        return reader.document()
    }

    var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    var array: [StrictJSON]? {
        if case .array(let values) = self { values } else { nil }
    }

    var object: StrictJSONObject? {
        if case .object(let members) = self { members } else { nil }
    }

    /// `nil` for a fraction, an exponent, or a value outside `Int64`.
    var integer: Int64? {
        if case .number(let digits) = self { Int64(digits) } else { nil }
    }
}

struct StrictJSONObject: Equatable {
    fileprivate(set) var members: [[UInt8]: StrictJSON] = [:]

    subscript(name: String) -> StrictJSON? { members[Array(name.utf8)] }

    /// Whether a name is there that differs from `name` and that Go's encoding/json still takes for it.
    ///
    /// containerd decodes with case folding (`foldName`: ASCII case, U+017F as `s`, U+212A as `k`), so such a
    /// document says one thing to it and another to a reader that compares bytes.
    func hasLookalike(of name: String) -> Bool {
        let exact = Array(name.utf8)
        let folded = exact.map(ASCII.lowercased)
        return members.keys.contains { $0 != exact && Self.folded($0) == folded }
    }

    private static func folded(_ name: [UInt8]) -> [UInt8] {
        let text = String(decoding: name, as: UTF8.self).unicodeScalars.flatMap { scalar -> [UInt8] in
            switch scalar.value {
            case 0x17f: [UInt8(ascii: "s")]
            case 0x212a: [UInt8(ascii: "k")]
            default: Array(String(scalar).utf8).map(ASCII.lowercased)
            }
        }
        return text
    }
}

/// Recursive descent over the bytes; the depth cap bounds the stack, every function moves `position` forward.
private struct StrictJSONReader {
    let bytes: [UInt8]
    var position = 0
    var values = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() -> StrictJSON? {
        guard let value = value(depth: 0) else { return nil }
        skipSpace()
        return position == bytes.count ? value : nil
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = current, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 {
            position += 1
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard current == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) -> StrictJSON? {
        values += 1
        guard values <= StrictJSON.valuesMax else { return nil }
        skipSpace()
        switch current {
        case UInt8(ascii: "{"): return object(depth: depth)
        case UInt8(ascii: "["): return array(depth: depth)
        case UInt8(ascii: "\""): return string().flatMap(Self.text).map(StrictJSON.string)
        case UInt8(ascii: "t"): return word("true") ? .bool(true) : nil
        case UInt8(ascii: "f"): return word("false") ? .bool(false) : nil
        case UInt8(ascii: "n"): return word("null") ? .null : nil
        default: return number()
        }
    }

    private mutating func word(_ text: String) -> Bool {
        guard bytes[position...].starts(with: text.utf8) else { return false }
        position += text.utf8.count
        return true
    }

    private mutating func object(depth: Int) -> StrictJSON? {
        var result = StrictJSONObject()
        guard depth < StrictJSON.depthMax, take("{") else { return nil }
        skipSpace()
        if take("}") { return .object(result) }
        while true {
            skipSpace()
            guard let name = string(), Self.text(name) != nil else { return nil }
            skipSpace()
            guard take(":"), let member = value(depth: depth + 1),
                result.members.updateValue(member, forKey: name) == nil
            else { return nil }
            skipSpace()
            if take("}") { return .object(result) }
            guard take(",") else { return nil }
        }
    }

    private mutating func array(depth: Int) -> StrictJSON? {
        var result: [StrictJSON] = []
        guard depth < StrictJSON.depthMax, take("[") else { return nil }
        skipSpace()
        if take("]") { return .array(result) }
        while true {
            guard let element = value(depth: depth + 1) else { return nil }
            result.append(element)
            skipSpace()
            if take("]") { return .array(result) }
            guard take(",") else { return nil }
        }
    }

    private mutating func number() -> StrictJSON? {
        let start = position
        _ = take("-")
        if !take("0") {
            guard digits() else { return nil }
        }
        if take(".") {
            guard digits() else { return nil }
        }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            guard digits() else { return nil }
        }
        return .number(String(decoding: bytes[start..<position], as: UTF8.self))
    }

    private mutating func digits() -> Bool {
        let start = position
        while let byte = current, ASCII.isDigit(byte) { position += 1 }
        return position > start
    }

    private static func text(_ bytes: [UInt8]) -> String? { String(validating: bytes, as: UTF8.self) }

    /// The unescaped bytes of a string, not yet checked to be UTF-8.
    private mutating func string() -> [UInt8]? {
        guard take("\"") else { return nil }
        var result: [UInt8] = []
        while let byte = current {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return result
            case UInt8(ascii: "\\"):
                guard let scalar = escape() else { return nil }
                result.append(contentsOf: String(scalar).utf8)
            case 0x00..<0x20: return nil
            default: result.append(byte)
            }
        }
        return nil
    }

    private mutating func escape() -> Unicode.Scalar? {
        guard let byte = current else { return nil }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{08}"
        case UInt8(ascii: "f"): return "\u{0c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            guard let first = codeUnit() else { return nil }
            guard UTF16.isLeadSurrogate(first) else { return Unicode.Scalar(first) }
            guard take("\\"), take("u"), let second = codeUnit(), UTF16.isTrailSurrogate(second) else {
                return nil
            }
            return UTF16.decode(UTF16.EncodedScalar([first, second]))
        default: return nil
        }
    }

    private mutating func codeUnit() -> UInt16? {
        guard bytes.count - position >= 4, bytes[position..<position + 4].allSatisfy(ASCII.isHexDigit) else {
            return nil
        }
        defer { position += 4 }
        return UInt16(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
    }
}
