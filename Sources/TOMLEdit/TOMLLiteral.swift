/// A value to be written.
package indirect enum TOMLLiteral: Equatable, Sendable {
    case string(String)
    case strings([String])
    case boolean(Bool)
    case integer(Int64)
    case table([TOMLEntry])
    /// Spelled already; for values copied from a document as they stand.
    case raw([UInt8], meaning: TOMLNode)

    package var node: TOMLNode {
        switch self {
        case .string(let text): .string(text)
        case .strings(let texts): .array(texts.map { .string($0) })
        case .boolean(let flag): .boolean(flag)
        case .integer(let number): .integer(number)
        case .table(let entries): entries.node
        case .raw(_, let meaning): meaning
        }
    }
}

/// One key, as meant and not as spelled, and its value.
package struct TOMLEntry: Equatable, Sendable {
    package let key: String
    package let value: TOMLLiteral

    package init(_ key: String, _ value: TOMLLiteral) {
        self.key = key
        self.value = value
    }
}

extension [TOMLEntry] {
    package var node: TOMLNode {
        .table([String: TOMLNode](map { ($0.key, $0.value.node) }, uniquingKeysWith: { _, last in last }))
    }
}

/// A header with its keys, to be added to a document.
package struct TOMLSectionText: Equatable, Sendable {
    package let path: [String]
    package let entries: [TOMLEntry]

    package init(path: [String], entries: [TOMLEntry]) {
        self.path = path
        self.entries = entries
    }
}

/// How a document likes to be spelled, taken from its first examples, so that what is added looks like the
/// rest.
struct TOMLStyle: Sendable {
    var keyQuote = UInt8(ascii: "\"")
    var stringQuote = UInt8(ascii: "\"")
    /// Blanks that a key has more than its header.
    var keyIndent: [UInt8] = [0x20, 0x20]
    /// Blanks that a header has more than the header of the table around it.
    var nestIndent: [UInt8] = []

    init() {}

    init(_ document: TOMLDocument) {
        let bytes = document.bytes
        let quotes = [UInt8(ascii: "\""), UInt8(ascii: "'")]
        let keys = document.sections.lazy.flatMap { $0.header + $0.assignments.flatMap(\.key) }
        if let quote = keys.map({ bytes[$0.span.lowerBound] }).first(where: quotes.contains) {
            keyQuote = quote
        }
        let values = document.sections.lazy.flatMap(\.assignments).map(\.value)
        let strings = values.flatMap { Self.stringStarts($0) }
        if let start = strings.first { stringQuote = bytes[start] }
        keyIndent = Self.keyIndent(of: document) ?? keyIndent
        nestIndent = Self.nestIndent(of: document) ?? nestIndent
    }

    private static func stringStarts(_ value: ValueSyntax) -> [Int] {
        switch value.kind {
        case .string: [value.span.lowerBound]
        case .array(let elements): elements.flatMap(stringStarts)
        case .inlineTable(let entries): entries.flatMap { stringStarts($0.value) }
        case .scalar: []
        }
    }

    private static func keyIndent(of document: TOMLDocument) -> [UInt8]? {
        for section in document.sections {
            guard let header = section.headerSpan, let first = section.assignments.first else { continue }
            let outer = document.indentation(before: header.lowerBound)
            let inner = document.indentation(before: first.span.lowerBound)
            return inner.starts(with: outer) ? Array(inner.dropFirst(outer.count)) : nil
        }
        return nil
    }

    private static func nestIndent(of document: TOMLDocument) -> [UInt8]? {
        for section in document.sections where section.header.count > 1 {
            let parentPath = section.header.dropLast().map(\.text)
            guard let header = section.headerSpan, let parent = document.index.find(parentPath),
                case .header(let number) = document.index.nodes[parent].kind,
                let parentSpan = document.sections[number].headerSpan
            else { continue }
            let outer = document.indentation(before: parentSpan.lowerBound)
            let inner = document.indentation(before: header.lowerBound)
            return inner.starts(with: outer) ? Array(inner.dropFirst(outer.count)) : nil
        }
        return nil
    }
}

extension TOMLStyle {
    func key(_ key: String) -> [UInt8] {
        if !key.isEmpty, key.utf8.allSatisfy(TOMLScanner.isBareKey) { return Array(key.utf8) }
        return quoted(key, with: keyQuote)
    }

    func literal(_ literal: TOMLLiteral) -> [UInt8] {
        switch literal {
        case .string(let text): quoted(text, with: stringQuote)
        case .strings(let texts):
            Array("[".utf8) + Array(texts.map { quoted($0, with: stringQuote) }.joined(separator: ", ".utf8))
                + Array("]".utf8)
        case .boolean(let flag): Array((flag ? "true" : "false").utf8)
        case .integer(let number): Array(String(number).utf8)
        case .table(let entries):
            entries.isEmpty
                ? Array("{}".utf8)
                : Array("{ ".utf8) + Array(entries.map(entry).joined(separator: ", ".utf8)) + Array(" }".utf8)
        case .raw(let bytes, _): bytes
        }
    }

    func entry(_ entry: TOMLEntry) -> [UInt8] {
        key(entry.key) + Array(" = ".utf8) + literal(entry.value)
    }

    /// A literal string when `quote` asks for it and the text allows it, else a basic one.
    func quoted(_ text: String, with quote: UInt8) -> [UInt8] {
        let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
        if quote == UInt8(ascii: "'"), isPlain, !text.utf8.contains(quote) {
            return [quote] + Array(text.utf8) + [quote]
        }
        var result: [UInt8] = [UInt8(ascii: "\"")]
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): result += [UInt8(ascii: "\\"), byte]
            case 0x00..<0x20, 0x7F:
                let digits = String(byte, radix: 16, uppercase: true)
                result += Array(("\\u00" + (byte < 0x10 ? "0" : "") + digits).utf8)
            default: result.append(byte)
            }
        }
        return result + [UInt8(ascii: "\"")]
    }
}
