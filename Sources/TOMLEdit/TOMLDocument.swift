/// A TOML document: its bytes, what they mean, and where each key stands.
///
/// Two readers agree on every document of this type: the library, which says what it means, and a scanner of
/// our own, which knows the place of every byte. A document they read differently is refused.
package struct TOMLDocument: Sendable {
    /// Larger files are refused; ten times the largest seen in use.
    package static let bytesMax = 16 << 20

    package let bytes: [UInt8]
    package let root: TOMLNode
    let sections: [Section]
    let index: TOMLIndex
    let lines: LineTable

    package init(_ bytes: [UInt8]) throws(TOMLError) {
        guard bytes.count <= Self.bytesMax else {
            throw TOMLError(reason: .tooLarge(bytes: bytes.count), line: 1, column: 1)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw TOMLError(reason: .notUTF8, line: Self.lineOfInvalidUTF8(bytes), column: 1)
        }
        var scanner = TOMLScanner(bytes)
        sections = try scanner.scan()
        root = try TOMLReader.read(text)
        index = TOMLIndex(sections)
        lines = LineTable(bytes)
        self.bytes = bytes
        if let place = index.disagreement(with: root) {
            throw TOMLError(reason: .readersDisagree(place), line: 1, column: 1)
        }
    }

    private static func lineOfInvalidUTF8(_ bytes: [UInt8]) -> Int {
        for (number, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated()
        where String(validating: line, as: UTF8.self) == nil {
            return number + 1
        }
        return 1
    }

    package var hasByteOrderMark: Bool { bytes.starts(with: [0xEF, 0xBB, 0xBF]) }

    /// Line, from 1, where `path` is spelled: its header or its key.
    ///
    /// `nil` when it is absent.
    package func line(of path: [String]) -> Int? {
        guard let node = index.find(path), let key = index.nodes[node].key else { return nil }
        return lines.number(of: key.span.lowerBound)
    }

    /// Line of the longest part of `path` that exists; 1 when none does.
    package func nearestLine(of path: [String]) -> Int {
        let (node, _) = index.deepest(path)
        return index.nodes[node].key.map { lines.number(of: $0.span.lowerBound) } ?? 1
    }

    /// Line of element `number` of the array of tables at `path`, or of `key` in it; `nil` when it is not written with
    /// `[[…]]` or has no such key.
    package func line(ofElement number: Int, at path: [String], key: String?) -> Int? {
        guard let node = index.find(path), case .elements(let elements) = index.nodes[node].kind,
            elements.indices.contains(number)
        else { return nil }
        let element = index.nodes[elements[number]]
        let part = key.map { element.children[$0].flatMap { index.nodes[$0].key } } ?? element.key
        return part.map { lines.number(of: $0.span.lowerBound) }
    }

    /// The keys of the table at `path` in the order of the document; empty when there is no such table.
    package func keys(at path: [String]) -> [String] {
        guard let node = index.find(path) else { return [] }
        let children = index.nodes[node].children
        let offset = { (child: Int) in index.nodes[child].key?.span.lowerBound ?? 0 }
        return children.sorted { offset($0.value) < offset($1.value) }.map(\.key)
    }

    /// How a table is written, for readers that honour only some spellings.
    package enum Spelling: Equatable, Sendable {
        case header, impliedByHeader, dottedKey, inline, arrayOfTables, value
    }

    package func spelling(of path: [String]) -> Spelling? {
        guard let node = index.find(path) else { return nil }
        return switch index.nodes[node].kind {
        case .implicit: .impliedByHeader
        case .header: .header
        case .dotted: .dottedKey
        case .inline: .inline
        case .elements: .arrayOfTables
        case .value: .value
        }
    }

    /// The bytes of `path`'s header line and everything under it up to the next header that is not below it;
    /// only for tables written as headers that stand together.
    ///
    /// `nil` otherwise.
    package func headerBlock(of path: [String]) -> Range<Int>? {
        guard let node = index.find(path), case .header(let first) = index.nodes[node].kind,
            let last = index.nodes[node].lastSection, let headerSpan = sections[first].headerSpan
        else { return nil }
        for section in sections[first...last]
        where !section.header.map(\.text).starts(with: path) || section.isArrayElement {
            return nil
        }
        return lines.start(of: headerSpan.lowerBound)..<lines.end(of: lastOffset(ofSection: last))
    }

    /// Keys written with an escape, with their lines.
    ///
    /// Older readers take the backslash literally.
    package var escapedKeys: [(key: String, line: Int)] {
        let parts = sections.flatMap(\.header) + index.nodes.compactMap(\.key)
        return parts.filter(\.hasEscape).map { ($0.text, lines.number(of: $0.span.lowerBound)) }
    }

    /// Offset inside the last line of a section that holds a header or an assignment.
    func lastOffset(ofSection number: Int) -> Int {
        let section = sections[number]
        return (section.assignments.last?.value.span ?? section.headerSpan)?.upperBound.advanced(by: -1) ?? 0
    }

    /// The blanks before `offset` on its line; empty when anything else stands there.
    func indentation(before offset: Int) -> [UInt8] {
        let blanks = bytes[lines.start(of: offset)..<offset]
        return blanks.allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") } ? Array(blanks) : []
    }

    /// The line break that a line added beside `offset` gets: that of the line itself, else the document's
    /// first.
    func lineBreak(near offset: Int) -> [UInt8] {
        let own = bytes[..<lines.end(of: offset)].suffix(2)
        if own.last == UInt8(ascii: "\n") {
            return own.first == UInt8(ascii: "\r") ? [0x0D, 0x0A] : [0x0A]
        }
        guard let first = bytes.firstIndex(of: UInt8(ascii: "\n")), first > 0 else { return [0x0A] }
        return bytes[first - 1] == UInt8(ascii: "\r") ? [0x0D, 0x0A] : [0x0A]
    }
}
