import Foundation

/// The Python environments that `Scripts/setup` makes for the tests.
package enum PythonEnvironment {
    /// The interpreter of an environment in `.build`, by its name there.
    package static func program(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path + "/.build/\(name)/bin/python"
    }
}
