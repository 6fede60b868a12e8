/// The tables and values of a document as a tree, each with the place where it is spelled.
///
/// Nodes refer to one another by index into `nodes`; node 0 is the root. A document that the library refuses
/// gives some tree as well, but never a trap.
struct TOMLIndex: Sendable {
    enum Kind: Equatable, Sendable {
        /// A table that exists only because a longer header names it.
        case implicit
        case header(section: Int)
        /// A table that exists only as the front of dotted keys.
        case dotted
        case inline
        case value
        /// `[[…]]`; the numbers are the nodes of its elements.
        case elements([Int])
    }

    struct Node: Sendable {
        var kind: Kind
        var key: KeyPart?
        var children: [String: Int] = [:]
        /// Section of the assignment that spells this node (its last one, for dotted keys), and its place
        /// there.
        var statement: (section: Int, assignment: Int)?
        /// From the start of the dotted key up to and with this node's own part.
        var prefix: Range<Int>?
        var value: ValueSyntax?
        /// The innermost inline table around this node.
        var inlineOwner: Int?
        /// Last section whose header begins with this node's path.
        var lastSection: Int?
    }

    private(set) var nodes = [Node(kind: .implicit)]

    init() {}

    init(_ sections: [Section]) {
        for (number, section) in sections.enumerated() {
            let table = addHeader(section, number)
            for (index, assignment) in section.assignments.enumerated() {
                add(assignment, to: table, statement: (number, index), inlineOwner: nil)
            }
        }
    }

    /// The node at the longest existing prefix of `path`, and that prefix's length.
    ///
    /// Paths do not lead into the elements of arrays.
    func deepest(_ path: [String]) -> (node: Int, depth: Int) {
        var node = 0
        for (depth, key) in path.enumerated() {
            guard let next = nodes[node].children[key] else { return (node, depth) }
            node = next
        }
        return (node, path.count)
    }

    func find(_ path: [String]) -> Int? {
        let (node, depth) = deepest(path)
        return depth == path.count ? node : nil
    }

    private mutating func child(_ part: KeyPart, of parent: Int, as kind: Kind) -> Int {
        if let existing = nodes[parent].children[part.text] { return existing }
        nodes.append(Node(kind: kind, key: part))
        nodes[parent].children[part.text] = nodes.count - 1
        return nodes.count - 1
    }

    private mutating func addHeader(_ section: Section, _ number: Int) -> Int {
        var node = 0
        nodes[0].lastSection = number
        for (depth, part) in section.header.enumerated() {
            let isLast = depth == section.header.count - 1
            var next = child(part, of: node, as: .implicit)
            nodes[next].lastSection = number
            if case .elements(let elements) = nodes[next].kind {
                if isLast, section.isArrayElement {
                    nodes.append(Node(kind: .header(section: number), key: part))
                    nodes[next].kind = .elements(elements + [nodes.count - 1])
                    next = nodes.count - 1
                } else if let last = elements.last {
                    next = last
                }
            } else if isLast, section.isArrayElement {
                nodes.append(Node(kind: .header(section: number), key: part))
                nodes[next].kind = .elements([nodes.count - 1])
                next = nodes.count - 1
            } else if isLast {
                nodes[next].kind = .header(section: number)
                nodes[next].key = part
            }
            node = next
        }
        return node
    }

    mutating func add(
        _ assignment: Assignment,
        to table: Int,
        statement: (section: Int, assignment: Int),
        inlineOwner: Int?
    ) {
        var node = table
        let start = assignment.span.lowerBound
        for (depth, part) in assignment.key.enumerated() {
            let isLast = depth == assignment.key.count - 1
            node = child(part, of: node, as: isLast ? .value : .dotted)
            nodes[node].statement = statement
            nodes[node].inlineOwner = inlineOwner
            nodes[node].prefix = start..<part.span.upperBound
        }
        nodes[node].value = assignment.value
        guard case .inlineTable(let entries) = assignment.value.kind else { return }
        nodes[node].kind = .inline
        for entry in entries { add(entry, to: node, statement: statement, inlineOwner: node) }
    }
}

extension TOMLIndex {
    /// Compares this reading of the document with the library's; `nil` when they agree, else where they do
    /// not.
    func disagreement(with table: TOMLNode, at node: Int = 0, path: String = "") -> String? {
        switch nodes[node].kind {
        case .value:
            guard let value = nodes[node].value else { return path }
            return Self.disagreement(of: value, with: table, path: path)
        case .elements(let elements):
            guard case .array(let others) = table, others.count == elements.count else { return path }
            for (element, other) in zip(elements, others) {
                if let place = disagreement(with: other, at: element, path: path) { return place }
            }
            return nil
        case .implicit, .header, .dotted, .inline:
            guard let entries = table.table, entries.count == nodes[node].children.count else { return path }
            for (key, child) in nodes[node].children {
                let childPath = path.isEmpty ? key : path + "." + key
                guard let entry = entries[key] else { return childPath }
                if let place = disagreement(with: entry, at: child, path: childPath) { return place }
            }
            return nil
        }
    }

    private static func disagreement(of value: ValueSyntax, with other: TOMLNode, path: String) -> String? {
        switch (value.kind, other) {
        case (.string(let text), .string(let otherText)):
            return text == otherText ? nil : path
        case (.scalar, .integer), (.scalar, .float), (.scalar, .boolean), (.scalar, .moment):
            return nil
        case (.array(let elements), .array(let others)) where elements.count == others.count:
            for (element, another) in zip(elements, others) {
                if let place = disagreement(of: element, with: another, path: path) { return place }
            }
            return nil
        case (.inlineTable(let entries), .table):
            var index = TOMLIndex()
            for entry in entries { index.add(entry, to: 0, statement: (0, 0), inlineOwner: nil) }
            return index.disagreement(with: other, path: path)
        default:
            return path
        }
    }
}
