import Foundation
import TestSupport

/// An operator's page: what is fenced in it, in order.
struct Page {
    struct Block {
        let page: String
        /// From 1.
        let line: Int
        /// The words behind the opening fence: `sh`, and where it is run.
        let words: [String]
        let text: String

        var place: String { "\(page):\(line)" }
        /// The words behind the language.
        var stage: String { words.dropFirst().joined(separator: " ") }
    }

    struct Command {
        let text: String
        /// What the page says it ends with.
        let statuses: [Int32]
    }

    static let names = ["install", "secure", "observe", "upgrade", "troubleshoot", "remove"]

    static func blocks(_ name: String) throws -> [Block] {
        let text = try String(contentsOfFile: Deploy.path("\(name).md"), encoding: .utf8)
        var blocks: [Block] = []
        var open: (line: Int, words: [String], lines: [Substring])?
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if !line.hasPrefix("```") {
                open?.lines.append(line)
            } else if let (start, words, lines) = open {
                let body = lines.joined(separator: "\n") + "\n"
                blocks.append(Block(page: name, line: start, words: words, text: body))
                open = nil
            } else {
                open = (index + 1, line.dropFirst(3).split(separator: " ").map(String.init), [])
            }
        }
        guard open == nil else { throw TestFailure("\(name).md ends inside a fence") }
        return blocks
    }
}

extension Page.Block {
    /// The block's commands: lines, joined where one ends with a backslash or begins a here-document.
    ///
    /// `# exit status N`, also `N or M`, behind a command is part of its promise.
    var commands: [Page.Command] {
        var commands: [Page.Command] = []
        var current = ""
        var end: Substring?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            current += line + "\n"
            if let here = end {
                if line == here { end = nil } else { continue }
            } else if let match = line.firstMatch(of: /<<'(\w+)'/) {
                end = match.output.1
                continue
            } else if line.hasSuffix("\\") {
                continue
            }
            let said = current.firstMatch(of: /# exit status ([0-9](?: or [0-9])*)/)?.output.1
            let statuses = said.map { $0.split(separator: " ").compactMap { Int32($0) } } ?? [0]
            if !current.allSatisfy(\.isWhitespace) { commands.append(.init(text: current, statuses: statuses)) }
            current = ""
        }
        return commands
    }
}
