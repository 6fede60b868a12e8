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

    /// Arguments that let the build scripts take the program that `HAWKER_RELEASE` names; without it they build one.
    static var binary: [String] {
        ProcessInfo.processInfo.environment["HAWKER_RELEASE"].map { ["--binary", $0] } ?? []
    }

    static let buildSeconds = 3600.0
}
