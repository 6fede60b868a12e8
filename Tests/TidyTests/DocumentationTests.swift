import Testing

/// Only what has something to say is asked to say it: a docstring that paraphrases `func version()` or an enum inside
/// a documented error would be noise.
@Suite("package declarations say what their signature cannot")
struct DocumentationTests {
    @Test("every top-level type, and every function that throws or keeps a closure, has a docstring")
    func packageDeclarations() {
        report(
            Repository.swiftFiles.filter(\.isLibrarySource).flatMap { file in
                file.code.indices.compactMap { index in
                    guard let name = Self.declaration(file.code, index), !Self.hasDocstring(file, index)
                    else {
                        return nil
                    }
                    return Finding(path: file.path, line: index + 1, message: "no docstring: \(name)")
                }
            }
        )
    }

    private static let keywords: Set<Substring> = ["struct", "class", "enum", "actor", "protocol", "func"]

    /// What a line declares, such as `func open(_`, if it needs a docstring.
    private static func declaration(_ code: [String], _ index: Int) -> String? {
        let words = code[index].split(separator: " ")
        guard let access = words.firstIndex(of: "package"),
            let keyword = words[access...].firstIndex(where: { keywords.contains($0) }),
            keyword + 1 < words.endIndex, words[keyword + 1] != "var", words[keyword + 1] != "func"
        else { return nil }
        let name = words[keyword...].prefix(2).joined(separator: " ")
        let isTopLevel = !code[index].hasPrefix(" ")
        guard words[keyword] == "func" else { return isTopLevel ? name : nil }
        let bodyLine = code[index...].firstIndex { $0.contains("{") } ?? index
        let signature = code[index...bodyLine].joined()
        return isTopLevel || signature.contains("throws") || signature.contains("@escaping") ? name : nil
    }

    private static func hasDocstring(_ file: SourceFile, _ index: Int) -> Bool {
        var above = index - 1
        while above >= 0, trimmed(file.lines[above]).hasPrefix("@") { above -= 1 }
        return above >= 0 && trimmed(file.lines[above]).hasPrefix("///")
    }

    private static func trimmed(_ line: Substring) -> Substring { line.drop { $0 == " " } }
}
