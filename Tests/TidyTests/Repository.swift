import Foundation
import Testing

/// One text file of the repository.
struct SourceFile {
    /// Relative to the repository's top, such as `Sources/Wire/Frame.swift`.
    let path: String
    let lines: [Substring]
    /// The lines with comments and the content of string literals blanked out: what is code.
    let code: [String]

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        code = path.hasSuffix(".swift") ? SwiftCode.blanked(text) : lines.map(String.init)
    }

    /// `Wire` for `Sources/Wire/Frame.swift`.
    var target: String {
        let parts = path.split(separator: "/")
        return parts.count > 2 ? String(parts[1]) : ""
    }

    var isSwift: Bool { path.hasSuffix(".swift") }
    var isSource: Bool { path.hasPrefix("Sources/") }
    /// Made by protoc-c or recorded by a test; checked in, not written by hand.
    var isGenerated: Bool { [".pb-c.c", ".pb-c.h", ".golden"].contains(where: path.hasSuffix) }
    var isLibrarySource: Bool { isSource && isSwift && !Self.executables.contains(target) }

    private static let executables: Set = ["hawker", "swarm-simulator"]
}

/// The working copy that these tests were compiled from.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every text file of the source folders, sorted by path.
    static let files: [SourceFile] = {
        var paths = ["Package.swift", "README.md"]
        for folder in ["Sources", "Tests", "Scripts", "Protos"] {
            let entries = FileManager.default.enumerator(atPath: root.appendingPathComponent(folder).path)
            for case let entry as String in entries ?? .init() { paths.append("\(folder)/\(entry)") }
        }
        return paths.sorted().compactMap { path in
            guard let text = try? String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
            else {
                return nil  // A folder, or not text.
            }
            return SourceFile(path: path, text: text)
        }
    }()

    static var swiftFiles: [SourceFile] { files.filter(\.isSwift) }

    static func entries(of folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent(folder).path).sorted()
    }
}

/// A place that breaks a rule.
struct Finding: CustomStringConvertible {
    let path: String
    /// From 1.
    let line: Int
    let message: String

    var description: String { "\(path):\(line): \(message)" }
}

/// Fails the running test once for each finding, at the place it names.
func report(_ findings: [Finding]) {
    for finding in findings {
        Issue.record(
            Comment(rawValue: finding.description),
            sourceLocation: SourceLocation(
                fileID: "Repository/\(finding.path)",
                filePath: Repository.root.appendingPathComponent(finding.path).path,
                line: finding.line,
                column: 1
            )
        )
    }
}
