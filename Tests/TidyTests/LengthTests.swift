import Testing

@Suite("files, functions and lines stay short")
struct LengthTests {
    private static let fileLinesMax = 300
    private static let fileLinesHardMax = 400
    private static let functionLinesMax = 70
    private static let columnsMax = 120

    /// Files between the two limits, each with the reason why splitting would make it worse.
    private static let longFiles: [String: String] = [:]

    private static var handWritten: [SourceFile] {
        Repository.files.filter { !$0.isGenerated && $0.path != "README.md" }
    }

    @Test("no file is longer than 300 lines without a reason, and none than 400")
    func files() {
        report(
            Self.handWritten.compactMap { file in
                let limit = Self.longFiles[file.path] == nil ? Self.fileLinesMax : Self.fileLinesHardMax
                let count = file.lines.count - (file.lines.last == "" ? 1 : 0)
                guard count > limit else { return nil }
                return Finding(path: file.path, line: limit, message: "\(count) lines, \(limit) are allowed")
            }
        )
    }

    @Test("the list of long files names only files that need it")
    func longFilesAreLong() {
        for path in Self.longFiles.keys {
            let file = Repository.files.first { $0.path == path }
            #expect((file?.lines.count ?? 0) > Self.fileLinesMax, "\(path) is not long, or gone")
        }
    }

    @Test("no function is longer than 70 lines")
    func functions() {
        report(
            Repository.swiftFiles.flatMap { file in
                SwiftCode.functions(file.code).filter { $0.lineCount > Self.functionLinesMax }.map {
                    Finding(
                        path: file.path,
                        line: $0.line,
                        message: "a function of \($0.lineCount) lines, \(Self.functionLinesMax) are allowed"
                    )
                }
            }
        )
    }

    @Test("no line is wider than 120 columns, except for a literal that a break would cut")
    func lines() {
        report(
            Self.handWritten.filter { !$0.path.hasPrefix("Tests/TidyTests/") }.flatMap { file in
                file.lines.enumerated().filter {
                    $0.element.count > Self.columnsMax && !$0.element.contains("\"")
                }.map {
                    Finding(path: file.path, line: $0.offset + 1, message: "\($0.element.count) columns")
                }
            }
        )
    }
}
