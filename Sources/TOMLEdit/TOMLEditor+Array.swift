/// Changing the strings of an array where they stand.
extension TOMLEditor {
    /// Insertions and deletions that turn the array into `texts`, or `nil` when the array holds something
    /// else than strings or the kept ones change their order: then it is written anew.
    func arrayEdits(_ value: ValueSyntax, to texts: [String]) -> [Splice]? {
        guard case .array(let elements) = value.kind else { return nil }
        var old: [String] = []
        for element in elements {
            guard case .string(let text) = element.kind else { return nil }
            old.append(text)
        }
        let kept = old.indices.filter { texts.contains(old[$0]) }
        guard kept.map({ old[$0] }) == texts.filter(old.contains) else { return nil }
        guard let lastKept = kept.last else {
            return old.isEmpty ? fillEmptyArray(value, texts) : nil
        }
        var splices = deletions(elements, kept: kept, lastKept: lastKept)
        var waiting: [String] = []
        var next = kept.startIndex
        for text in texts {
            if next < kept.endIndex, text == old[kept[next]] {
                splices += waiting.map { insertion(of: $0, before: elements[kept[next]], in: value) }
                waiting = []
                next += 1
            } else {
                waiting.append(text)
            }
        }
        return splices
            + appending(waiting, after: elements[lastKept], isLast: lastKept == elements.count - 1, in: value)
    }

    private func fillEmptyArray(_ value: ValueSyntax, _ texts: [String]) -> [Splice] {
        let style = TOMLStyle(document)
        let start = value.span.lowerBound + 1
        let text = texts.map { style.quoted($0, with: style.stringQuote) }.joined(separator: ", ".utf8)
        return [Splice(start..<start, Array(text))]
    }

    private func deletions(_ elements: [ValueSyntax], kept: [Int], lastKept: Int) -> [Splice] {
        var splices: [Splice] = []
        for index in elements.indices where !kept.contains(index) && index < lastKept {
            splices.append(Splice(elements[index].span.lowerBound..<elements[index + 1].span.lowerBound, []))
        }
        if lastKept < elements.count - 1, let last = elements.last {
            splices.append(Splice(elements[lastKept].span.upperBound..<last.span.upperBound, []))
        }
        return splices
    }

    /// Quoted like the element it stands beside.
    private func quoted(_ text: String, like element: ValueSyntax) -> [UInt8] {
        TOMLStyle(document).quoted(text, with: document.bytes[element.span.lowerBound])
    }

    /// Whether nothing but blanks stands before the element on its line.
    private func beginsLine(_ element: ValueSyntax) -> Bool {
        let start = element.span.lowerBound
        let blanks = document.bytes[document.lines.start(of: start)..<start]
        return blanks.allSatisfy { $0 == 0x20 || $0 == 0x09 }
    }

    private func insertion(of text: String, before element: ValueSyntax, in value: ValueSyntax) -> Splice {
        let start = element.span.lowerBound
        var bytes = quoted(text, like: element) + [UInt8(ascii: ",")]
        if beginsLine(element), start > value.span.lowerBound {
            bytes += document.lineBreak(near: start) + document.indentation(before: start)
        } else {
            bytes.append(0x20)
        }
        return Splice(start..<start, bytes)
    }

    private func appending(_ texts: [String], after element: ValueSyntax, isLast: Bool, in value: ValueSyntax)
        -> [Splice]
    {
        guard !texts.isEmpty else { return [] }
        let end = element.span.upperBound
        let quoted = texts.map { self.quoted($0, like: element) }
        guard beginsLine(element), isLast else {
            return [Splice(end..<end, quoted.flatMap { Array(", ".utf8) + $0 })]
        }
        // Below the line of the last element, so that a comment behind it stays with it.
        let indentation = document.indentation(before: element.span.lowerBound)
        let lineBreak = document.lineBreak(near: element.span.lowerBound)
        let lineEnd = document.lines.end(of: end - 1)
        let tail = document.bytes[end..<min(lineEnd, value.span.upperBound)]
        let code = tail.prefix { $0 != UInt8(ascii: "#") }
        guard !code.contains(UInt8(ascii: "]")), lineEnd < value.span.upperBound else {
            return [Splice(end..<end, quoted.flatMap { Array(",".utf8) + lineBreak + indentation + $0 })]
        }
        if code.contains(UInt8(ascii: ",")) {
            return [
                Splice(lineEnd..<lineEnd, quoted.flatMap { indentation + $0 + Array(",".utf8) + lineBreak })
            ]
        }
        let lines = quoted.map { indentation + $0 }.joined(separator: [UInt8(ascii: ",")] + lineBreak)
        return [Splice(end..<end, Array(",".utf8)), Splice(lineEnd..<lineEnd, Array(lines) + lineBreak)]
    }
}
