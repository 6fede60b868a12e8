import Foundation

/// How long the tests that try for luck go on, and from which seed.
enum TortureExtent {
    private static let environment = ProcessInfo.processInfo.environment

    /// Another one each time, unless `HAWKER_TORTURE_SEED` repeats a run; to be printed.
    static let seed = UInt64(environment["HAWKER_TORTURE_SEED"] ?? "") ?? .random(in: 0...UInt64.max)

    /// What a script says in `variable`; else `usual`, or with `Scripts/test --all` as many as the promise is about.
    static func pulls(_ variable: String, usual: Int, promised: Int) -> Int {
        Int(environment[variable] ?? "") ?? (environment["HAWKER_ALL_TESTS"] == nil ? usual : promised)
    }
}
