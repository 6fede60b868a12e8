extension TOMLScanner {
    mutating func scanValue(depth: Int) throws(TOMLError) -> ValueSyntax {
        guard depth <= Self.depthMax else { throw failure(.tooDeep) }
        let start = position
        let kind: ValueSyntax.Kind
        switch peek() {
        case UInt8(ascii: "\""):
            let isMultiline = peek(1) == UInt8(ascii: "\"") && peek(2) == UInt8(ascii: "\"")
            kind = .string(isMultiline ? try scanMultiline(quote: "\"") : try scanBasicString())
        case UInt8(ascii: "'"):
            let isMultiline = peek(1) == UInt8(ascii: "'") && peek(2) == UInt8(ascii: "'")
            kind = .string(isMultiline ? try scanMultiline(quote: "'") : try scanLiteralString())
        case UInt8(ascii: "["):
            kind = .array(try scanArray(depth: depth))
        case UInt8(ascii: "{"):
            kind = .inlineTable(try scanInlineTable(depth: depth))
        default:
            try scanScalar()
            kind = .scalar
        }
        return ValueSyntax(kind: kind, span: start..<position)
    }

    private mutating func scanArray(depth: Int) throws(TOMLError) -> [ValueSyntax] {
        var elements: [ValueSyntax] = []
        position += 1
        while true {
            try skipBlankLinesAndComments()
            if peek() == UInt8(ascii: "]") { break }
            elements.append(try scanValue(depth: depth + 1))
            try skipBlankLinesAndComments()
            guard peek() == UInt8(ascii: ",") else { break }
            position += 1
        }
        try expect("]", "the array is not closed by ]")
        return elements
    }

    private mutating func scanInlineTable(depth: Int) throws(TOMLError) -> [Assignment] {
        var entries: [Assignment] = []
        position += 1
        skipBlanks()
        if peek() != UInt8(ascii: "}") {
            while true {
                entries.append(try scanAssignment(depth: depth + 1))
                skipBlanks()
                guard peek() == UInt8(ascii: ",") else { break }
                position += 1
            }
        }
        try expect("}", "the inline table is not closed by } on its line")
        return entries
    }

    /// A number, boolean, date or time.
    ///
    /// A date may have one blank before its time.
    private mutating func scanScalar() throws(TOMLError) {
        let start = position
        while let byte = peek(), Self.isScalar(byte) { position += 1 }
        guard position > start else { throw syntax("expected a value") }
        let looksLikeDate = position - start == 10 && bytes[start + 4] == UInt8(ascii: "-")
        guard looksLikeDate, peek() == UInt8(ascii: " "), let next = peek(1) else { return }
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) else { return }
        position += 1
        while let byte = peek(), Self.isScalar(byte) { position += 1 }
    }

    private static func isScalar(_ byte: UInt8) -> Bool {
        isBareKey(byte) || byte == UInt8(ascii: "+") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: ":")
    }

    private mutating func skipBlankLinesAndComments() throws(TOMLError) {
        while true {
            skipBlanks()
            try skipComment()
            guard skipLineBreak() else { return }
        }
    }

    mutating func scanLiteralString() throws(TOMLError) -> String {
        position += 1
        let start = position
        while let byte = peek(), byte != UInt8(ascii: "'") {
            try checkStringByte(byte)
            position += 1
        }
        let content = text(start..<position)
        try expect("'", "the string is not closed on its line")
        return content
    }

    mutating func scanBasicString() throws(TOMLError) -> String {
        position += 1
        var content: [UInt8] = []
        while let byte = peek(), byte != UInt8(ascii: "\"") {
            if byte == UInt8(ascii: "\\") {
                try scanEscape(into: &content)
            } else {
                try checkStringByte(byte)
                content.append(byte)
                position += 1
            }
        }
        try expect("\"", "the string is not closed on its line")
        return String(decoding: content, as: UTF8.self)
    }

    private func checkStringByte(_ byte: UInt8) throws(TOMLError) {
        guard byte == UInt8(ascii: "\t") || (byte >= 0x20 && byte != 0x7F) else {
            let isBreak = byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
            throw syntax(isBreak ? "the string is not closed on its line" : "control character in a string")
        }
    }

    /// Line breaks become `\n`, as the library has them.
    private mutating func scanMultiline(quote: Unicode.Scalar) throws(TOMLError) -> String {
        let quoteByte = UInt8(ascii: quote)
        let isBasic = quoteByte == UInt8(ascii: "\"")
        position += 3
        _ = skipLineBreak()
        var content: [UInt8] = []
        while let byte = peek() {
            if byte == quoteByte {
                var run = 0
                while peek(run) == quoteByte, run < 5 { run += 1 }
                position += run
                guard run >= 3 else {
                    content.append(contentsOf: repeatElement(quoteByte, count: run))
                    continue
                }
                content.append(contentsOf: repeatElement(quoteByte, count: run - 3))
                return String(decoding: content, as: UTF8.self)
            } else if skipLineBreak() {
                content.append(UInt8(ascii: "\n"))
            } else if isBasic, byte == UInt8(ascii: "\\") {
                if !skipContinuation() { try scanEscape(into: &content) }
            } else {
                try checkStringByte(byte)
                content.append(byte)
                position += 1
            }
        }
        throw syntax("the multi-line string is not closed")
    }

    /// Takes a backslash at the end of a line with all white space up to the next character.
    private mutating func skipContinuation() -> Bool {
        let start = position
        position += 1
        skipBlanks()
        guard skipLineBreak() else {
            position = start
            return false
        }
        while true {
            skipBlanks()
            guard skipLineBreak() else { return true }
        }
    }

    private mutating func scanEscape(into content: inout [UInt8]) throws(TOMLError) {
        let letter = peek(1)
        let digits: Int
        switch letter {
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "\""): content.append(0x22)
        case UInt8(ascii: "\\"): content.append(0x5C)
        case UInt8(ascii: "u"), UInt8(ascii: "U"): break
        default: throw syntax("unknown escape in a string")
        }
        position += 2
        if letter == UInt8(ascii: "u") {
            digits = 4
        } else if letter == UInt8(ascii: "U") {
            digits = 8
        } else {
            return
        }
        var number: UInt32 = 0
        for _ in 0..<digits {
            guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw syntax("an escape needs \(digits) hexadecimal digits")
            }
            number = number << 4 | UInt32(digit)
            position += 1
        }
        // NUL is legal TOML, but the library hands strings over as C strings and would cut this one short.
        guard number != 0, let scalar = Unicode.Scalar(number) else {
            throw syntax("an escape that is no character usable here")
        }
        content.append(contentsOf: String(Character(scalar)).utf8)
    }
}
