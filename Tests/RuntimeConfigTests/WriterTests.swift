import Foundation
import Glibc
import TestSupport
import Testing

@testable import RuntimeConfig

/// Several writers of one config.toml, each a process of its own.
@Suite("Two writers at once")
struct WriterTests {
    private func hawker(_ scratch: Scratch, _ words: [String]) throws -> ChildProcess {
        try ChildProcess(
            [
                try NodeProcess.binaryPath(), "containerd", "apply", "--config",
                scratch.path("config.toml"), "--state-dir", scratch.path("state"), "--hosts-dir",
                scratch.path("certs.d"), "--containerd-version", "1.6.20",
            ] + words, logPath: scratch.path("state-log-\(UInt64.random(in: 0 ... .max))"))
    }

    @Test("of two applies at once each succeeds or is told to try again, and the file is one of the two results")
    func applies() async throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n")
        var results: Set<String> = []
        for name in ["a.example", "b.example"] {
            let apply = try hawker(scratch, ["--mode", "mirror", "--registry", name])
            #expect(try await apply.waitForEnd() == .exited(0))
            results.insert(try #require(scratch.text("config.toml")))
        }
        for _ in 0..<15 {
            let runs = try ["a.example", "b.example"].map {
                try hawker(scratch, ["--mode", "mirror", "--registry", $0])
            }
            for run in runs {
                let ending = try await run.waitForEnd()
                #expect(ending == .exited(0) || ending == .exited(75), "\(run.log)")
            }
            #expect(results.contains(scratch.text("config.toml") ?? ""))
        }
        #expect(try scratch.options().run(.revert).status == 0)
        #expect(scratch.text("config.toml") == "version = 2\n")
        #expect(!scratch.snapshot().keys.contains { $0.hasSuffix(".hawker-new") })
    }

    /// How an editor replaces a file.
    enum Editor: String, CaseIterable {
        /// A new file, renamed over the old one.
        case renames = "mv new config.toml"
        /// The same file, opened for appending, held for a moment and written.
        case appends = "{ sleep 0.002; echo \"# edit $n\"; } >> config.toml"
    }

    @Test("an edit of another program is never lost, whenever it comes", arguments: Editor.allCases)
    func edits(editor: Editor) async throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n")
        let count = 150
        let script = """
            n=0
            while [ $n -lt \(count) ]; do
                n=$((n + 1))
                \(editor == .renames ? "{ cat config.toml; echo \"# edit $n\"; } > new" : ":") && \(editor.rawValue) || exit 1
                sleep 0.01
            done
            """
        let other = try ChildProcess(
            ["sh", "-c", script], folder: scratch.root, logPath: scratch.path("state-editor"))
        var number = 0
        while other.ending == nil {
            number += 1
            let apply = try hawker(scratch, ["--mode", "mirror", "--registry", "r\(number).example"])
            let ending = try await apply.waitForEnd()
            let isKept = apply.log.contains(".hawker-kept-")
            #expect(ending == .exited(0) || ending == .exited(75) || isKept, "\(apply.log)")
        }
        #expect(other.ending == .exited(0), "\(other.log)")
        let texts = ["config.toml"] + scratch.snapshot().keys.filter { $0.contains(".hawker-kept-") }
        let kept = texts.compactMap(scratch.text).joined(separator: "\n")
        let lost = (1...count).filter { !kept.split(separator: "\n").contains("# edit \($0)") }
        #expect(lost.isEmpty, "\(number) applies")
        let last = try hawker(scratch, ["--mode", "mirror", "--registry", "last.example"])
        #expect(try await last.waitForEnd() == .exited(0), "\(last.log)")
        #expect(scratch.text("config.toml")?.contains("last.example") == true)
    }

    @Test("a program that has the file open for writing is waited for, and its bytes stay")
    func openForWriting() async throws {
        let scratch = try Scratch()
        try scratch.write("config.toml", "version = 2\n")
        let file = open(scratch.path("config.toml"), O_WRONLY | O_APPEND)
        defer { close(file) }
        let result = try scratch.options().run(.apply)
        #expect(result.status == 75)
        #expect(result.text.contains("another program"))
        #expect(write(file, "# mine\n", 7) == 7)
        #expect(scratch.snapshot() == ["config.toml": "version = 2\n# mine\n"])
    }
}
