/// `Link` headers (RFC 8288 §3), as far as pages of a list need them.
enum LinkHeader {
    /// The target of the first link whose relation is `next`, as it was written.
    static func next(in values: [String]) -> String? {
        for value in values {
            var rest = value[...]
            while let link = takeLink(&rest) {
                if link.relations.contains("next") { return link.target }
            }
        }
        return nil
    }

    private struct Link {
        var target: String
        /// In lower case; only the first `rel` of a link counts.
        var relations: [String] = []
    }

    /// Takes one link and the comma behind it; `nil` at the end, and at what is no link.
    private static func takeLink(_ rest: inout Substring) -> Link? {
        rest = rest.drop { $0 == " " || $0 == "\t" || $0 == "," }
        guard rest.first == "<", let close = rest.firstIndex(of: ">") else { return nil }
        var link = Link(target: String(rest[rest.index(after: rest.startIndex)..<close]))
        rest = rest[rest.index(after: close)...]
        while let parameter = takeParameter(&rest) {
            if parameter.name == "rel", link.relations.isEmpty {
                link.relations = parameter.value.lowercased().split(separator: " ").map(String.init)
            }
        }
        return link
    }

    private static func takeParameter(_ rest: inout Substring) -> (name: String, value: String)? {
        rest = rest.drop { $0 == " " || $0 == "\t" }
        guard rest.first == ";" else { return nil }
        rest = rest.dropFirst()
        let name = rest.prefix { $0 != "=" && $0 != ";" && $0 != "," }
        rest = rest.dropFirst(name.count)
        guard rest.first == "=" else { return (name.trimmingBlanks.lowercased(), "") }
        rest = rest.dropFirst().drop { $0 == " " || $0 == "\t" }
        return (name.trimmingBlanks.lowercased(), takeValue(&rest))
    }

    /// A token, or a quoted string with its escapes undone.
    private static func takeValue(_ rest: inout Substring) -> String {
        guard rest.first == "\"" else {
            let token = rest.prefix { $0 != ";" && $0 != "," }
            rest = rest.dropFirst(token.count)
            return String(token.trimmingBlanks)
        }
        rest = rest.dropFirst()
        var value = ""
        while let character = rest.popFirst(), character != "\"" {
            if character == "\\" {
                if let escaped = rest.popFirst() { value.append(escaped) }
            } else {
                value.append(character)
            }
        }
        return value
    }
}

extension StringProtocol {
    /// Without the spaces and tabs around it.
    var trimmingBlanks: SubSequence {
        let start = firstIndex { $0 != " " && $0 != "\t" } ?? endIndex
        let end = lastIndex { $0 != " " && $0 != "\t" }.map { index(after: $0) } ?? start
        return self[start..<end]
    }
}
