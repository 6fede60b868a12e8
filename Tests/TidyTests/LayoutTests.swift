import Foundation
import Testing

@Suite("the repository has its fixed shape")
struct LayoutTests {
    @Test("the top level holds what it should and nothing else")
    func topLevel() throws {
        // Package.resolved is SwiftPM's, not in the repository.
        let entries = try Repository.entries(of: ".").filter {
            !$0.hasPrefix(".") && $0 != "Package.resolved"
        }
        #expect(
            entries == ["LICENSE", "Package.swift", "Protos", "README.md", "Scripts", "Sources", "Tests"]
        )
    }

    @Test("every script can be run, and stops at the first error")
    func scripts() throws {
        for name in try Repository.entries(of: "Scripts") where name != "lib" {
            let path = Repository.root.appendingPathComponent("Scripts/\(name)").path
            #expect(FileManager.default.isExecutableFile(atPath: path), "Scripts/\(name) is not executable")
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.contains("\nset -euo pipefail\n"), "Scripts/\(name) goes on after an error")
        }
    }

    @Test("continuous integration runs Scripts/test and nothing else")
    func continuousIntegration() throws {
        #expect(try Repository.entries(of: ".ci") == ["run"])
        let text = try String(
            contentsOf: Repository.root.appendingPathComponent(".ci/run"),
            encoding: .utf8
        )
        #expect(text.hasSuffix("\nexec bash \"$(dirname \"$0\")/../Scripts/test\"\n"))
    }
}

@Suite("package declarations say what their signature cannot")
struct DocumentationTests {
    @Test("every type and function that other targets see has a docstring")
    func packageDeclarations() {
        let declaration =
            /^\s*(@\w+(\([^)]*\))?\s+)*package\s+([a-z]+(\([a-z]+\))?\s+)*(struct|class|enum|actor|protocol|typealias|func)\s+(\S+)/
        let selfExplaining = /^(==|<|hash|encode|close|stop|deinit)\b|^(==|<)/
        report(
            Repository.swiftFiles.filter(\.isLibrarySource).flatMap { file in
                file.code.enumerated().compactMap { index, line in
                    guard let match = line.firstMatch(of: declaration),
                        !match.output.6.contains(selfExplaining), !Self.hasDocstring(file, index)
                    else { return nil }
                    return Finding(
                        path: file.path,
                        line: index + 1,
                        message: "no docstring: \(match.output.5) \(match.output.6)"
                    )
                }
            }
        )
    }

    private static func hasDocstring(_ file: SourceFile, _ index: Int) -> Bool {
        var above = index - 1
        while above >= 0, file.lines[above].trimmingPrefix(/\s*/).hasPrefix("@") { above -= 1 }
        return above >= 0 && file.lines[above].trimmingPrefix(/\s*/).hasPrefix("///")
    }
}
