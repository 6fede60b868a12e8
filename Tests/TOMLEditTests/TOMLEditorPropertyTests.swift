import TOMLEdit
import TestSupport
import Testing

/// Documents in every spelling that the grammar has, many of them with tables defined twice: those are
/// refused.
private struct RandomDocument {
    var random: SeededGenerator
    let lineBreak: String

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        lineBreak = Bool.random(using: &random) ? "\n" : "\r\n"
    }

    mutating func pick<Element>(_ choices: [Element]) -> Element {
        choices[Int.random(in: 0..<choices.count, using: &random)]
    }

    mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &random) == 0 }

    mutating func key() -> String {
        let name = pick(["a", "b", "c", "x.y", "d e"])
        if name.count == 1, chance(2) { return name }
        return pick(["\"\(name)\"", "'\(name)'"])
    }

    mutating func path(_ lengthMax: Int) -> String {
        let dot = pick([".", ".", " . ", ". "])
        return (0..<Int.random(in: 1...lengthMax, using: &random)).map { _ in key() }.joined(separator: dot)
    }

    mutating func comment() -> String { chance(3) ? pick([" # note", "\t#[a.b] k = 'v'", " #"]) : "" }

    mutating func value(_ depth: Int) -> String {
        switch Int.random(in: 0..<(depth > 2 ? 6 : 9), using: &random) {
        case 0: return pick(["\"text # \\\" no\"", "'lit \\'", "\"\"", "\"\\u00e9 é\""])
        case 1: return pick(["1", "-0x1F".replacing("-", with: ""), "1_000", "0o17"])
        case 2: return pick(["1.5", "nan", "-inf", "6e3"])
        case 3: return pick(["true", "false"])
        case 4:
            return pick(["1979-05-27", "1979-05-27 07:32:00Z", "07:32:00.5", "1979-05-27T07:32:00-07:00"])
        case 5:
            return pick([
                "\"\"\"\(lineBreak)[a]\(lineBreak)b = \"1\" \\\(lineBreak)   x\"\"\"", "'''a''b'''",
                "\"\"\"\"q\"\"\"",
            ])
        case 6: return inlineTable(depth)
        default: return array(depth)
        }
    }

    private mutating func inlineTable(_ depth: Int) -> String {
        let entries = (0..<Int.random(in: 0...3, using: &random)).map { _ in
            "\(path(2)) = \(value(depth + 1))"
        }
        return pick(["{ ", "{"]) + entries.joined(separator: pick([", ", ","])) + pick([" }", "}"])
    }

    private mutating func array(_ depth: Int) -> String {
        let elements = (0..<Int.random(in: 0...3, using: &random)).map { _ in value(depth + 1) }
        let gap = chance(2) ? "" : comment() + lineBreak + pick(["", "  ", "\t"])
        let tail = elements.isEmpty || chance(2) ? "" : ","
        return "[" + gap + elements.joined(separator: "," + gap) + tail + gap + "]"
    }

    mutating func text() -> String {
        var lines: [String] = []
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            let indent = pick(["", "", "  ", "\t"])
            switch Int.random(in: 0..<7, using: &random) {
            case 0: lines.append("")
            case 1: lines.append(indent + "# [a.b] \"x\"")
            case 2, 3: lines.append(indent + (chance(6) ? "[[\(path(2))]]" : "[\(path(3))]") + comment())
            default: lines.append(indent + path(2) + pick([" = ", "=", "\t= "]) + value(0) + comment())
            }
        }
        return lines.joined(separator: lineBreak) + (chance(3) ? "" : lineBreak)
    }
}

@Suite("Random documents, random edits")
struct TOMLEditorPropertyTests {
    @Test("an added value changes no other byte, a second run none at all, and it can be taken out again")
    func edits() throws {
        var accepted = 0
        for seed in UInt64(1)...6000 {
            var random = RandomDocument(seed: seed)
            let bytes = Array(random.text().utf8)
            let document: TOMLDocument
            do {
                document = try TOMLDocument(bytes)
            } catch {
                if case .readersDisagree(let place) = error.reason { Issue.record("seed \(seed): \(place)") }
                continue
            }
            accepted += 1
            let depth = Int.random(in: 1...3, using: &random.random)
            let path = (0..<depth).map { _ in random.pick(["a", "b", "c", "x.y", "new", "d e"]) }
            try check(document, path, seed: seed)
        }
        #expect(accepted > 2000)
    }

    private func check(_ document: TOMLDocument, _ path: [String], seed: UInt64) throws {
        var editor = TOMLEditor(document)
        let existed = document.root[path] != nil
        do {
            try editor.set(path, to: .string("v"))
        } catch {
            if case .notAsIntended = error { Issue.record("seed \(seed): set \(path)") }
            #expect(editor.document.bytes == document.bytes)
            return
        }
        let edited = editor.document.bytes
        if !existed { #expect(keeps(document.bytes, in: edited), "seed \(seed): set \(path)") }
        try editor.set(path, to: .string("v"))
        #expect(editor.document.bytes == edited, "seed \(seed): second run")
        try editor.remove(path)
        #expect(editor.document.root[path] == nil, "seed \(seed): remove \(path)")
    }

    /// Whether `after` is `before` with one insertion; the braces of an empty inline table may have been
    /// widened.
    private func keeps(_ before: [UInt8], in after: [UInt8]) -> Bool {
        let front = zip(before, after).prefix { $0 == $1 }.count
        let back = zip(before.reversed(), after.reversed()).prefix { $0 == $1 }.count
        let lost = before.dropFirst(front).dropLast(min(back, before.count - front))
        return lost.allSatisfy { $0 == UInt8(ascii: " ") }
    }

    @Test("a removed table leaves every other line as it was")
    func removals() throws {
        for seed in UInt64(1)...3000 {
            var random = RandomDocument(seed: seed &+ 1_000_000)
            guard let document = try? TOMLDocument(Array(random.text().utf8)) else { continue }
            for key in document.keys(at: []) {
                var editor = TOMLEditor(document)
                do {
                    try editor.remove([key])
                } catch {
                    Issue.record("seed \(seed): \(key): \(error)")
                }
                #expect(editor.document.root[[key]] == nil)
            }
        }
    }
}
