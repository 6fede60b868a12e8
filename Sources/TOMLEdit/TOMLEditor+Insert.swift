/// Where a new key goes.
///
/// TOML lets a table be opened once, in one spelling; what is added must use that spelling:
///
///     [a]            a.x = 1         a = { x = 1 }       [a.x]
///     x = 1          a.new = 2       inside the braces   new = 2 in an added [a] above
///     new = 2
extension TOMLEditor {
    func insertion(of entries: [TOMLEntry], into path: [String]) throws(TOMLEditError) -> Splice {
        let (found, depth) = document.index.deepest(path)
        let node = document.index.nodes[found]
        let rest = Array(path[depth...])
        switch node.kind {
        case .value, .elements:
            throw .notATable(path: Array(path[..<depth]), line: document.nearestLine(of: path))
        case .inline:
            guard let value = node.value else {
                throw .spelling(path: path, line: document.nearestLine(of: path))
            }
            return insideBraces(value, Self.nest(entries, under: rest), prefix: [])
        case .dotted:
            return try besideDotted(node, entries, rest: rest, path: path)
        case .header(let section) where rest.isEmpty:
            return belowHeader(section, entries)
        case .implicit where found == 0 && rest.isEmpty:
            return atRoot(entries)
        case .header, .implicit:
            return newSection(TOMLSectionText(path: path, entries: entries), ancestor: found, rest: rest)
        }
    }

    private static func nest(_ entries: [TOMLEntry], under path: [String]) -> [TOMLEntry] {
        path.reversed().reduce(entries) { inner, key in [TOMLEntry(key, .table(inner))] }
    }

    private func insideBraces(_ value: ValueSyntax, _ entries: [TOMLEntry], prefix: [UInt8]) -> Splice {
        let style = TOMLStyle(document)
        let texts = entries.map { prefix + style.entry($0) }
        let text = Array(texts.joined(separator: ", ".utf8))
        guard case .inlineTable(let existing) = value.kind, let last = existing.last else {
            return Splice(value.span, Array("{ ".utf8) + text + Array(" }".utf8))
        }
        let end = last.value.span.upperBound
        return Splice(end..<end, Array(", ".utf8) + text)
    }

    private func besideDotted(
        _ node: TOMLIndex.Node,
        _ entries: [TOMLEntry],
        rest: [String],
        path: [String]
    ) throws(TOMLEditError) -> Splice {
        guard let prefixSpan = node.prefix, let statement = node.statement else {
            throw .spelling(path: path, line: document.nearestLine(of: path))
        }
        let style = TOMLStyle(document)
        var prefix = Array(document.bytes[prefixSpan]) + [UInt8(ascii: ".")]
        for key in rest { prefix += style.key(key) + [UInt8(ascii: ".")] }
        if let owner = node.inlineOwner, let value = document.index.nodes[owner].value {
            return insideBraces(value, entries, prefix: prefix)
        }
        let assignment = document.sections[statement.section].assignments[statement.assignment]
        let indentation = document.indentation(before: assignment.span.lowerBound)
        return lines(
            entries.map { indentation + prefix + style.entry($0) },
            after: assignment.value.span.upperBound - 1
        )
    }

    private func belowHeader(_ number: Int, _ entries: [TOMLEntry]) -> Splice {
        let section = document.sections[number]
        let style = TOMLStyle(document)
        let headerStart = section.headerSpan?.lowerBound ?? 0
        var indentation = document.indentation(before: headerStart) + style.keyIndent
        if let last = section.assignments.last {
            indentation = document.indentation(before: last.span.lowerBound)
        }
        return lines(
            entries.map { indentation + style.entry($0) },
            after: document.lastOffset(ofSection: number)
        )
    }

    private func atRoot(_ entries: [TOMLEntry]) -> Splice {
        let style = TOMLStyle(document)
        let texts = entries.map(style.entry)
        if let last = document.sections.first?.assignments.last {
            return lines(texts, after: last.value.span.upperBound - 1)
        }
        let header = document.sections.dropFirst().first?.headerSpan
        let offset = header.map { startWithComments($0.lowerBound) } ?? document.bytes.count
        let lineBreak = document.lineBreak(near: max(0, offset - 1))
        return blockSplice(texts.flatMap { $0 + lineBreak }, at: offset, lineBreak: lineBreak)
    }

    private func newSection(_ section: TOMLSectionText, ancestor: Int, rest: [String]) -> Splice {
        let style = TOMLStyle(document)
        let index = document.index
        let node = index.nodes[ancestor]
        let last = node.lastSection ?? 0
        var indentation: [UInt8] = []
        var offset =
            ancestor == 0
            ? document.bytes.count : document.lines.end(of: document.lastOffset(ofSection: last))
        // A table that longer headers imply is opened above the first of them; a missing one goes below its
        // kin.
        let kin = document.sections.first {
            $0.header.map(\.text).starts(with: section.path.dropLast(rest.count))
        }
        if ancestor != 0, let span = kin?.headerSpan {
            if rest.isEmpty { offset = startWithComments(span.lowerBound) }
            let levels = max(0, section.path.count - (kin?.header.count ?? 0))
            indentation = document.indentation(before: span.lowerBound)
            for _ in 0..<levels { indentation += style.nestIndent }
        }
        if let sibling = document.sections.last(where: {
            $0.header.count == section.path.count && !rest.isEmpty
                && $0.header.dropLast().map(\.text) == section.path.dropLast()
        })?.headerSpan {
            indentation = document.indentation(before: sibling.lowerBound)
        }
        let lineBreak = document.lineBreak(near: max(0, offset - 1))
        let text = block(section, style, indentation: indentation, lineBreak: lineBreak)
        return blockSplice(text, at: offset, lineBreak: lineBreak)
    }

    func block(
        _ section: TOMLSectionText,
        _ style: TOMLStyle,
        indentation: [UInt8],
        lineBreak: [UInt8]
    ) -> [UInt8] {
        var text = indentation + [UInt8(ascii: "[")]
        for depth in section.path.indices {
            if depth > 0 { text.append(UInt8(ascii: ".")) }
            text += spelling(of: Array(section.path[...depth]), style)
        }
        text += [UInt8(ascii: "]")] + lineBreak
        for entry in section.entries {
            text += indentation + style.keyIndent + style.entry(entry) + lineBreak
        }
        return text
    }

    /// The key as the document spells it already, else in its style.
    private func spelling(of path: [String], _ style: TOMLStyle) -> [UInt8] {
        if let node = document.index.find(path), let span = document.index.nodes[node].key?.span {
            return Array(document.bytes[span])
        }
        return style.key(path.last ?? "")
    }

    /// Whole lines after the line that holds `offset`.
    private func lines(_ texts: [[UInt8]], after offset: Int) -> Splice {
        let lineBreak = document.lineBreak(near: offset)
        let end = document.lines.end(of: offset)
        let isOpen = end > 0 && document.bytes[end - 1] != UInt8(ascii: "\n")
        let text = texts.flatMap { $0 + lineBreak }
        return Splice(end..<end, isOpen ? lineBreak + text : text)
    }

    /// A paragraph at the start of a line, set off by blank lines.
    func blockSplice(_ text: [UInt8], at offset: Int, lineBreak: [UInt8]) -> Splice {
        let bytes = document.bytes
        let mark = document.hasByteOrderMark ? 3 : 0
        let start = max(offset, mark)
        var before: [UInt8] = []
        if start > mark {
            if bytes[start - 1] != UInt8(ascii: "\n") { before += lineBreak }
            if !isBlankLine(at: start - 1) { before += lineBreak }
        }
        let needsGap = start < bytes.count && !isBlankLine(at: start)
        return Splice(start..<start, before + text + (needsGap ? lineBreak : []))
    }

    func isBlankLine(at offset: Int) -> Bool {
        let line = document.bytes[document.lines.start(of: offset)..<document.lines.end(of: offset)]
        return line.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D || $0 == 0x0A }
    }

    /// Start of the line that holds `offset`, or of the comment lines directly above it, which belong to it.
    func startWithComments(_ offset: Int) -> Int {
        var start = document.lines.start(of: offset)
        while start > 0 {
            let above = document.lines.start(of: start - 1)
            let first = document.bytes[above..<start].first { $0 != 0x20 && $0 != 0x09 }
            guard first == UInt8(ascii: "#") else { return start }
            start = above
        }
        return start
    }
}
