import Foundation
import TestSupport

/// What is shipped, and where the tests find it.
enum Deploy {
    /// Tests that build packages, unpack systems or need the network take minutes.
    static let isAll = ProcessInfo.processInfo.environment["HAWKER_ALL_TESTS"] == "1"

    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// An absolute path below `Scripts/deploy`.
    static func path(_ entry: String) -> String { "\(root)/Scripts/deploy/\(entry)" }

    /// A program that only tests use.
    static func program(_ name: String) throws -> String {
        guard let folder = Bundle.module.resourcePath else { throw TestFailure("the test bundle has no resources") }
        return "\(folder)/Programs/\(name)"
    }

    /// The program as it is shipped: the one that `HAWKER_RELEASE` names, or built here.
    static func release() async throws -> String {
        if let named = ProcessInfo.processInfo.environment["HAWKER_RELEASE"] { return named }
        let build = ". Scripts/lib/common.sh; . Scripts/lib/release.sh; make_work_folder release; build_release >&2; echo $hawker"
        let output = try await ChildProcess.check(["bash", "-euc", build], folder: root, within: buildSeconds)
        return output.split(separator: "\n").last.map(String.init) ?? ""
    }

    /// Arguments that let the build scripts take it.
    static func binary() async throws -> [String] { ["--binary", try await release()] }

    static let buildSeconds = 3600.0

    /// The time of what is built, which would else be the last commit's: that may change between two builds.
    static let time = ["SOURCE_DATE_EPOCH": "1767225600"]
}
