/// Taking keys away.
extension TOMLEditor {
    /// What spells a part of the document: whole lines, or entries inside braces.
    private struct Spelling {
        /// Header lines, by any offset in them.
        var headers: [Int] = []
        /// Spans of assignments that have their own lines.
        var assignments: [Range<Int>] = []
        /// Spans of entries by the node of the inline table that holds them.
        var entries: [Int: [Range<Int>]] = [:]
    }

    func removal(of paths: [[String]]) -> [Splice] {
        var spelling = Spelling()
        for node in paths.compactMap(document.index.find) { collect(node, into: &spelling) }
        var splices = lineRemovals(spelling)
        for (owner, spans) in spelling.entries { splices += entryRemovals(spans, owner: owner) }
        return splices
    }

    private func collect(_ number: Int, into spelling: inout Spelling) {
        let node = document.index.nodes[number]
        switch node.kind {
        case .value, .inline:
            guard let statement = node.statement, let start = node.prefix?.lowerBound, let value = node.value
            else {
                return
            }
            if let owner = node.inlineOwner {
                spelling.entries[owner, default: []].append(start..<value.span.upperBound)
            } else {
                let assignment = document.sections[statement.section].assignments[statement.assignment]
                spelling.assignments.append(assignment.span)
            }
            return
        case .header(let section):
            if let span = document.sections[section].headerSpan { spelling.headers.append(span.lowerBound) }
        case .elements(let elements):
            for element in elements { collect(element, into: &spelling) }
        case .implicit, .dotted:
            break
        }
        for child in node.children.values { collect(child, into: &spelling) }
    }

    /// Runs of removed lines.
    ///
    /// A run that held a header takes the blank line above it along when another follows.
    private func lineRemovals(_ spelling: Spelling) -> [Splice] {
        let lines = document.lines
        let headerLines = spelling.headers.map { lines.start(of: $0)..<lines.end(of: $0) }
        let assignmentLines = spelling.assignments.map {
            lines.start(of: $0.lowerBound)..<lines.end(of: $0.upperBound - 1)
        }
        let starts = Set(headerLines.map(\.lowerBound))
        var runs: [(range: Range<Int>, hasHeader: Bool)] = []
        for range in (headerLines + assignmentLines).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            let isHeader = starts.contains(range.lowerBound)
            if let last = runs.last, last.range.upperBound >= range.lowerBound {
                let merged = last.range.lowerBound..<max(last.range.upperBound, range.upperBound)
                runs[runs.count - 1] = (merged, last.hasHeader || isHeader)
            } else {
                runs.append((range, isHeader))
            }
        }
        var previousEnd = 0
        return runs.map { run in
            var range = run.range
            let isFollowedByBlank =
                range.upperBound == document.bytes.count || isBlankLine(at: range.upperBound)
            if run.hasHeader, isFollowedByBlank, range.lowerBound > previousEnd,
                isBlankLine(at: range.lowerBound - 1)
            {
                range = max(previousEnd, lines.start(of: range.lowerBound - 1))..<range.upperBound
            }
            previousEnd = range.upperBound
            return Splice(range, [])
        }
    }

    private func entryRemovals(_ spans: [Range<Int>], owner: Int) -> [Splice] {
        guard let value = document.index.nodes[owner].value, case .inlineTable(let entries) = value.kind
        else { return [] }
        let removed = Set(spans.map(\.lowerBound))
        let isRemoved = { (entry: Assignment) in removed.contains(entry.span.lowerBound) }
        guard let lastKept = entries.lastIndex(where: { !isRemoved($0) }) else {
            return [Splice(value.span, Array("{}".utf8))]
        }
        var splices: [Splice] = []
        for index in entries.indices where index < lastKept && isRemoved(entries[index]) {
            splices.append(Splice(entries[index].span.lowerBound..<entries[index + 1].span.lowerBound, []))
        }
        if lastKept < entries.count - 1, let last = entries.last {
            splices.append(Splice(entries[lastKept].span.upperBound..<last.span.upperBound, []))
        }
        return splices
    }
}
