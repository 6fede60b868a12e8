/// Changes a document and nothing beside the change.
///
/// Each operation turns a few spans into new bytes, reads the result with both readers and compares it with
/// the same operation on the meaning. Every byte outside those spans stays as it was; if the two differ, the
/// operation throws and the document is the one before it. States: always one valid document.
package struct TOMLEditor: Sendable {
    package private(set) var document: TOMLDocument

    package init(_ document: TOMLDocument) {
        self.document = document
    }

    /// Sets the value at `path`.
    ///
    /// What is there already keeps its place, its quotes and, in arrays, its comments; what is missing is
    /// added where the document's spelling allows it.
    package mutating func set(_ path: [String], to literal: TOMLLiteral) throws(TOMLEditError) {
        guard let key = path.last else { throw .isATable(path: path, line: 1) }
        guard let found = document.index.find(path) else {
            return try insert([TOMLEntry(key, literal)], into: Array(path.dropLast()))
        }
        let node = document.index.nodes[found]
        guard case .value = node.kind, let value = node.value else {
            throw .isATable(path: path, line: document.nearestLine(of: path))
        }
        if document.root[path] == literal.node { return }
        var splices = [Splice(value.span, replacement(of: value, by: literal))]
        if case .strings(let texts) = literal, let edits = arrayEdits(value, to: texts) { splices = edits }
        try apply(splices, path: path) { $0.set(path, to: literal.node) }
    }

    /// Adds keys, none of which exists, to the table at `path`, making that table when it is missing.
    package mutating func insert(_ entries: [TOMLEntry], into path: [String]) throws(TOMLEditError) {
        let splice = try insertion(of: entries, into: path)
        try apply([splice], path: path) { root in
            if root[path] == nil { root.set(path, to: .table([:])) }
            for entry in entries { root.set(path + [entry.key], to: entry.value.node) }
        }
    }

    /// Removes a value, or a table with everything under it, however it is spelled.
    ///
    /// Comments that have a line of their own stay.
    package mutating func remove(_ path: [String]) throws(TOMLEditError) {
        try remove([path])
    }

    /// Removes several at once, at the cost of one; none of the paths may begin with another.
    package mutating func remove(_ paths: [[String]]) throws(TOMLEditError) {
        let index = document.index
        let present = paths.filter { !$0.isEmpty && index.find($0) != nil }
        guard let first = present.first else { return }
        try apply(removal(of: present), path: first) { root in
            for path in present {
                root.remove(path) { implied in
                    guard let node = index.find(implied) else { return true }
                    return index.nodes[node].kind == .implicit || index.nodes[node].kind == .dotted
                }
            }
        }
    }

    /// Adds whole sections before the first header whose path begins with `before`, or at the end of the
    /// document when there is none or `before` is `nil`.
    ///
    /// The sections' tables must not exist.
    package mutating func add(_ sections: [TOMLSectionText], before: [String]?) throws(TOMLEditError) {
        guard let first = sections.first else { return }
        let target = before.flatMap { path in
            document.sections.first { $0.headerSpan != nil && $0.header.map(\.text).starts(with: path) }?
                .headerSpan
        }
        let offset = target.map { startWithComments($0.lowerBound) } ?? document.bytes.count
        let style = TOMLStyle(document)
        let lineBreak = document.lineBreak(near: max(0, offset - 1))
        let blocks = sections.map { section in
            self.block(section, style, indentation: [], lineBreak: lineBreak)
        }
        let splice = blockSplice(Array(blocks.joined(separator: lineBreak)), at: offset, lineBreak: lineBreak)
        try apply([splice], path: first.path) { root in
            for section in sections {
                root.set(section.path, to: Self.merge(section.entries, into: root[section.path]))
            }
        }
    }

    private static func merge(_ entries: [TOMLEntry], into existing: TOMLNode?) -> TOMLNode {
        var node = existing ?? .table([:])
        for entry in entries { node.set([entry.key], to: entry.value.node) }
        return node
    }

    mutating func apply(
        _ splices: [Splice],
        path: [String],
        intent: (inout TOMLNode) -> Void
    ) throws(TOMLEditError) {
        guard let bytes = Splice.apply(splices, to: document.bytes) else { throw .notAsIntended(path: path) }
        var intended = document.root
        intent(&intended)
        let edited: TOMLDocument
        do throws(TOMLError) {
            edited = try TOMLDocument(bytes)
        } catch {
            throw .notAsIntended(path: path)
        }
        guard edited.root == intended else { throw .notAsIntended(path: path) }
        document = edited
    }

    private func replacement(of value: ValueSyntax, by literal: TOMLLiteral) -> [UInt8] {
        var style = TOMLStyle(document)
        if case .string = value.kind { style.stringQuote = document.bytes[value.span.lowerBound] }
        return style.literal(literal)
    }
}

/// Bytes that take the place of a span; an empty span is an insertion.
struct Splice: Equatable, Sendable {
    let range: Range<Int>
    let bytes: [UInt8]

    init(_ range: Range<Int>, _ bytes: [UInt8]) {
        self.range = range
        self.bytes = bytes
    }

    /// `nil` when spans overlap or leave the document.
    ///
    /// Insertions at one place keep their order.
    static func apply(_ splices: [Splice], to document: [UInt8]) -> [UInt8]? {
        let ordered = splices.enumerated().sorted {
            ($0.element.range.lowerBound, $0.offset) < ($1.element.range.lowerBound, $1.offset)
        }
        var result: [UInt8] = []
        result.reserveCapacity(document.count)
        var position = 0
        for (_, splice) in ordered {
            guard splice.range.lowerBound >= position, splice.range.upperBound <= document.count else {
                return nil
            }
            result += document[position..<splice.range.lowerBound]
            result += splice.bytes
            position = splice.range.upperBound
        }
        return result + document[position...]
    }
}
