/// What a TOML document means, without how it is spelled.
package indirect enum TOMLNode: Equatable, Sendable {
    case string(String)
    case integer(Int64)
    /// The bit pattern, so that two readings of `nan` are equal.
    case float(bitPattern: UInt64)
    case boolean(Bool)
    /// A date, a time or both.
    ///
    /// No setting here needs its value, so none is kept.
    case moment
    case array([TOMLNode])
    case table([String: TOMLNode])

    package var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    package var boolean: Bool? {
        if case .boolean(let flag) = self { flag } else { nil }
    }

    package var table: [String: TOMLNode]? {
        if case .table(let entries) = self { entries } else { nil }
    }

    /// The elements when this is an array of strings only.
    package var strings: [String]? {
        guard case .array(let elements) = self else { return nil }
        var result: [String] = []
        for element in elements {
            guard case .string(let text) = element else { return nil }
            result.append(text)
        }
        return result
    }

    /// The word a message uses for this kind of value.
    package var kindName: String {
        switch self {
        case .string: "a string"
        case .integer: "an integer"
        case .float: "a float"
        case .boolean: "a boolean"
        case .moment: "a date or time"
        case .array: "an array"
        case .table: "a table"
        }
    }

    /// The value at `path`; `nil` where the path ends early or passes through something without keys.
    package subscript(path: [String]) -> TOMLNode? {
        var node = self
        for key in path {
            guard let next = node.table?[key] else { return nil }
            node = next
        }
        return node
    }
}

extension TOMLNode {
    /// Sets `path`, making the tables on the way; a value in the way is replaced by a table.
    package mutating func set(_ path: some Collection<String>, to value: TOMLNode) {
        guard let key = path.first else {
            self = value
            return
        }
        var entries = table ?? [:]
        var child = entries[key] ?? .table([:])
        child.set(path.dropFirst(), to: value)
        entries[key] = child
        self = .table(entries)
    }

    /// Removes `path` if it is there.
    ///
    /// A table that becomes empty by it goes as well when `isImplied` says that nothing but its content
    /// declared it.
    package mutating func remove(_ path: [String], isImplied: ([String]) -> Bool) {
        remove(path, at: 0, isImplied: isImplied)
    }

    private mutating func remove(_ path: [String], at depth: Int, isImplied: ([String]) -> Bool) {
        guard depth < path.count, var entries = table else { return }
        let key = path[depth]
        guard var child = entries[key] else { return }
        if depth == path.count - 1 {
            entries[key] = nil
        } else {
            child.remove(path, at: depth + 1, isImplied: isImplied)
            let isGone = child.table?.isEmpty == true && isImplied(Array(path[...depth]))
            entries[key] = isGone ? nil : child
        }
        self = .table(entries)
    }
}
