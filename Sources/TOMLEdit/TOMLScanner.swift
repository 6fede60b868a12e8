/// Finds where each key and value of a TOML 1.0 document stands.
///
/// It reads the grammar and nothing above it: what is defined twice, or extended against the rules, is for
/// the library to say. Offsets are bytes; every access is checked, so any bytes whatever may be given.
struct TOMLScanner {
    /// Values inside values, and components in one key.
    ///
    /// Configurations stay below ten; a bound keeps both readers from recursing as deep as an attacker likes.
    static let depthMax = 64

    let bytes: [UInt8]
    var position: Int

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    }

    mutating func scan() throws(TOMLError) -> [Section] {
        var sections = [Section(header: [], isArrayElement: false, headerSpan: nil)]
        while true {
            skipBlanks()
            guard let byte = peek() else { return sections }
            switch byte {
            case UInt8(ascii: "#"), UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                break
            case UInt8(ascii: "["):
                sections.append(try scanHeader())
            default:
                let assignment = try scanAssignment(depth: 0)
                sections[sections.count - 1].assignments.append(assignment)
            }
            try endLine()
        }
    }

    private mutating func scanHeader() throws(TOMLError) -> Section {
        let start = position
        position += 1
        let isArrayElement = peek() == UInt8(ascii: "[")
        if isArrayElement { position += 1 }
        skipBlanks()
        let key = try scanKey()
        try expect("]", "the table header is not closed by ]")
        if isArrayElement { try expect("]", "the table header is not closed by ]]") }
        return Section(header: key, isArrayElement: isArrayElement, headerSpan: start..<position)
    }

    mutating func scanAssignment(depth: Int) throws(TOMLError) -> Assignment {
        let key = try scanKey()
        try expect("=", "expected = after the key")
        skipBlanks()
        return Assignment(key: key, value: try scanValue(depth: depth))
    }

    /// Leaves `position` at the first byte that is neither key nor blank.
    private mutating func scanKey() throws(TOMLError) -> [KeyPart] {
        var parts: [KeyPart] = []
        while true {
            skipBlanks()
            parts.append(try scanKeyPart())
            guard parts.count <= Self.depthMax else { throw failure(.tooDeep) }
            skipBlanks()
            guard peek() == UInt8(ascii: ".") else { return parts }
            position += 1
        }
    }

    private mutating func scanKeyPart() throws(TOMLError) -> KeyPart {
        let start = position
        switch peek() {
        case UInt8(ascii: "\""):
            let text = try scanBasicString()
            let raw = bytes[start..<position]
            return KeyPart(text: text, span: start..<position, hasEscape: raw.contains(UInt8(ascii: "\\")))
        case UInt8(ascii: "'"):
            return KeyPart(text: try scanLiteralString(), span: start..<position, hasEscape: false)
        default:
            while let byte = peek(), Self.isBareKey(byte) { position += 1 }
            guard position > start else { throw syntax("expected a key") }
            return KeyPart(text: text(start..<position), span: start..<position, hasEscape: false)
        }
    }

    static func isBareKey(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

extension TOMLScanner {
    func peek(_ ahead: Int = 0) -> UInt8? {
        let index = position + ahead
        return index < bytes.count ? bytes[index] : nil
    }

    func text(_ range: Range<Int>) -> String {
        String(decoding: bytes[range], as: UTF8.self)
    }

    mutating func skipBlanks() {
        while let byte = peek(), byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") { position += 1 }
    }

    mutating func expect(_ character: Unicode.Scalar, _ message: String) throws(TOMLError) {
        guard peek() == UInt8(ascii: character) else { throw syntax(message) }
        position += 1
    }

    /// Takes blanks, a comment and a line break, or the end of the document.
    private mutating func endLine() throws(TOMLError) {
        skipBlanks()
        try skipComment()
        guard position < bytes.count else { return }
        guard skipLineBreak() else { throw syntax("expected the end of the line") }
    }

    /// Takes `\n` or `\r\n`; `false` when neither is next.
    ///
    /// A lone `\r` ends no line in TOML 1.0.
    mutating func skipLineBreak() -> Bool {
        if peek() == UInt8(ascii: "\n") {
            position += 1
            return true
        }
        if peek() == UInt8(ascii: "\r"), peek(1) == UInt8(ascii: "\n") {
            position += 2
            return true
        }
        return false
    }

    mutating func skipComment() throws(TOMLError) {
        guard peek() == UInt8(ascii: "#") else { return }
        while let byte = peek(), byte != UInt8(ascii: "\n") {
            if byte == UInt8(ascii: "\r"), peek(1) == UInt8(ascii: "\n") { return }
            guard byte == UInt8(ascii: "\t") || (byte >= 0x20 && byte != 0x7F) else {
                throw syntax("control character in a comment")
            }
            position += 1
        }
    }

    func syntax(_ message: String) -> TOMLError { failure(.syntax(message)) }

    func failure(_ reason: TOMLError.Reason) -> TOMLError {
        let (line, column) = LineTable.locate(min(position, bytes.count), in: bytes)
        return TOMLError(reason: reason, line: line, column: column)
    }
}
