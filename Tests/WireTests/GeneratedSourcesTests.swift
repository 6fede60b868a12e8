import Foundation
import Testing

@Suite struct GeneratedSourcesTests {
    static let generatorExists = FileManager.default.isExecutableFile(atPath: "/usr/bin/protoc-c")

    @Test(
        "the checked-in C sources are what Protos makes",
        .enabled(if: generatorExists, "protoc-c is not installed")
    )
    func fresh() throws {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let process = Process()
        process.executableURL = root.appendingPathComponent("Scripts/generate-protos")
        process.arguments = ["--check"]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }
}
