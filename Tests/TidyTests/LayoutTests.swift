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
        let folders = ["lib", "deploy"]
        let builds = try Repository.entries(of: "Scripts/deploy").map { "deploy/\($0)/build" }
            .filter { FileManager.default.fileExists(atPath: Repository.root.appendingPathComponent("Scripts/\($0)").path) }
        #expect(!builds.isEmpty)
        for name in try Repository.entries(of: "Scripts").filter({ !folders.contains($0) }) + builds {
            let path = Repository.root.appendingPathComponent("Scripts/\(name)").path
            #expect(FileManager.default.isExecutableFile(atPath: path), "Scripts/\(name) is not executable")
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.contains(/\nset -eu(o pipefail)?\n/), "Scripts/\(name) goes on after an error")
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
