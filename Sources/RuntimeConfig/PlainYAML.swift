/// The part of YAML in which registries.yaml files are written, read strictly.
///
/// Block mappings, block sequences of one-line scalars, plain or quoted without escapes, comments. Whatever
/// else YAML has (anchors, tags, flow collections, folded text, several documents) is refused with its line:
/// a file that is read here at all has one meaning to every reader.
indirect enum PlainYAML: Equatable {
    /// Also a missing value, as "".
    case scalar(String)
    case sequence([String])
    case mapping([String: PlainYAML])

    struct Fault: Error, Equatable {
        /// From 1.
        let line: Int
        let message: String
    }

    subscript(key: String) -> PlainYAML? {
        if case .mapping(let members) = self { members[key] } else { nil }
    }
}

/// A file with the places of its mappings.
struct PlainYAMLDocument {
    /// One block of lines: a value below its key, or the whole file.
    struct Block {
        let indent: Int
        /// Of its first and last line that says something, counted from 0.
        let lines: ClosedRange<Int>
        /// The line of each key.
        var keys: [String: Int] = [:]
        var children: [String: Block] = [:]
    }

    /// `nil` for a file of blanks and comments only.
    private(set) var root: PlainYAML?
    private(set) var block: Block?
    /// With their line breaks.
    let lines: [ArraySlice<UInt8>]

    private struct Line {
        let number: Int
        let indent: Int
        let text: String
    }

    private var rest: ArraySlice<Line> = []

    init(_ bytes: [UInt8]) throws(PlainYAML.Fault) {
        lines = LineDiff.lines(bytes)
        var content: [Line] = []
        for (number, line) in lines.enumerated() {
            guard let text = String(validating: line, as: UTF8.self) else {
                throw PlainYAML.Fault(line: number + 1, message: "not UTF-8")
            }
            let trimmed = text.drop { $0 == " " }
            let body = Self.withoutEnd(trimmed)
            if body.isEmpty || body.hasPrefix("#") { continue }
            guard
                !body.unicodeScalars.contains(where: {
                    $0.value < 0x20 || $0.value == 0x7F || $0 == "\u{FEFF}"
                })
            else { throw PlainYAML.Fault(line: number + 1, message: "a tab or another control character") }
            if content.isEmpty, body == "---", trimmed.startIndex == text.startIndex { continue }
            content.append(
                Line(
                    number: number, indent: text.distance(from: text.startIndex, to: trimmed.startIndex),
                    text: body))
        }
        rest = content[...]
        guard let first = rest.first else { return }
        let (value, block) = try mapping(indent: first.indent)
        if let line = rest.first { throw Self.fault(line, "indented unlike the lines above it") }
        root = value
        self.block = block
    }

    private static func withoutEnd(_ text: Substring) -> String {
        var text = text
        while let last = text.last, last.isNewline || last == " " { text.removeLast() }
        return String(text)
    }

    private static func fault(_ line: Line, _ message: String) -> PlainYAML.Fault {
        PlainYAML.Fault(line: line.number + 1, message: message)
    }

    private mutating func mapping(indent: Int) throws(PlainYAML.Fault) -> (PlainYAML, Block) {
        guard let first = rest.first else {
            throw PlainYAML.Fault(line: lines.count, message: "a value is missing")
        }
        var members: [String: PlainYAML] = [:]
        var block = Block(indent: indent, lines: first.number...first.number)
        var last = first.number
        while let line = rest.first, line.indent == indent {
            rest.removeFirst()
            let (key, tail) = try Self.key(line)
            guard members[key] == nil else { throw Self.fault(line, "\(key) stands twice") }
            block.keys[key] = line.number
            last = line.number
            if !tail.isEmpty {
                members[key] = .scalar(try Self.scalar(tail, line))
            } else if let next = rest.first,
                next.indent > indent || (next.indent == indent && Self.isItem(next))
            {
                let (value, child) = Self.isItem(next) ? try sequence(next) : try mapping(indent: next.indent)
                members[key] = value
                block.children[key] = child
                last = child.lines.upperBound
            } else {
                members[key] = .scalar("")
            }
            if let next = rest.first, next.indent > indent {
                throw Self.fault(next, "indented unlike the lines above it")
            }
        }
        let complete = Block(
            indent: indent, lines: first.number...last, keys: block.keys, children: block.children)
        return (.mapping(members), complete)
    }

    private static func isItem(_ line: Line) -> Bool { line.text == "-" || line.text.hasPrefix("- ") }

    private mutating func sequence(_ first: Line) throws(PlainYAML.Fault) -> (PlainYAML, Block) {
        var items: [String] = []
        var last = first.number
        while let line = rest.first, line.indent == first.indent, Self.isItem(line) {
            rest.removeFirst()
            let text = line.text.dropFirst().drop { $0 == " " }
            guard !text.isEmpty else { throw Self.fault(line, "an item without a value") }
            items.append(try Self.scalar(String(text), line))
            last = line.number
        }
        if let next = rest.first, next.indent > first.indent {
            throw Self.fault(next, "an item of several lines")
        }
        return (.sequence(items), Block(indent: first.indent, lines: first.number...last))
    }

    /// A key and what follows its colon.
    private static func key(_ line: Line) throws(PlainYAML.Fault) -> (String, String) {
        if let quote = line.text.first, quote == "\"" || quote == "'" {
            let (key, tail) = try quoted(line.text, line)
            guard tail.hasPrefix(":"), tail.count == 1 || tail.dropFirst().hasPrefix(" ") else {
                throw fault(line, "a colon is missing")
            }
            return (key, withoutComment(String(tail.dropFirst())))
        }
        var text = line.text[...]
        guard
            let colon = text.indices.first(where: { index in
                let next = text.index(after: index)
                return text[index] == ":" && (next == text.endIndex || text[next] == " ")
            })
        else { throw fault(line, "neither a key with a colon nor an item of a list") }
        let tail = String(text[text.index(after: colon)...])
        text = text[..<colon]
        return (try plain(withoutEnd(text), line), withoutComment(tail))
    }

    /// Without a comment, if that is all there is, and without blanks around.
    private static func withoutComment(_ text: String) -> String {
        let trimmed = withoutEnd(text.drop { $0 == " " })
        return trimmed.hasPrefix("#") ? "" : trimmed
    }

    private static func scalar(_ text: String, _ line: Line) throws(PlainYAML.Fault) -> String {
        if text.hasPrefix("\"") || text.hasPrefix("'") {
            let (value, tail) = try quoted(text, line)
            guard tail.isEmpty || (tail.hasPrefix(" ") && withoutComment(tail).isEmpty) else {
                throw fault(line, "text behind a quoted value")
            }
            return value
        }
        let end = text.firstRange(of: " #")?.lowerBound ?? text.endIndex
        return try plain(withoutEnd(text[..<end]), line)
    }

    /// The text between quotes and what follows them.
    private static func quoted(_ text: String, _ line: Line) throws(PlainYAML.Fault) -> (String, String) {
        guard let quote = text.first, let end = text.dropFirst().firstIndex(of: quote) else {
            throw fault(line, "a quoted value of several lines")
        }
        let value = text[text.index(after: text.startIndex)..<end]
        let tail = text[text.index(after: end)...]
        guard !value.contains("\\"), !tail.hasPrefix("'"), !tail.hasPrefix("\"") else {
            throw fault(line, "a quoted value with an escape")
        }
        return (String(value), String(tail))
    }

    private static func plain(_ text: String, _ line: Line) throws(PlainYAML.Fault) -> String {
        guard let first = text.first, !"[]{}&*!|>%@`,?\"'#-".contains(first) || isDashed(text) else {
            throw fault(line, "a part of YAML that is not read here: \(text.prefix(20))")
        }
        guard !text.contains(": "), !text.hasSuffix(":"), !text.contains(" #"), text != "---", text != "..."
        else {
            throw fault(line, "ambiguous: \(text.prefix(40))")
        }
        return text
    }

    /// A dash that begins a word is a part of it.
    private static func isDashed(_ text: String) -> Bool {
        text.first == "-" && text.count > 1 && !text.hasPrefix("- ") && !text.hasPrefix("---")
    }
}
