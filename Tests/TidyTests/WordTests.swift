import Testing

/// A word that code may not contain.
private struct Ban: Sendable {
    let pattern: @Sendable (String) -> Bool
    let reason: String

    init(_ reason: String, _ pattern: @escaping @Sendable (String) -> Bool) {
        self.reason = reason
        self.pattern = pattern
    }
}

private let bannedInLibraries = [
    Ban("Task.detached loses isolation and priority") { $0.contains("Task.detached") },
    Ban("a plain Task leaves the loop's thread at every resumption; Loop.task does not") {
        $0.contains("Task") && $0.contains(/(^|[^\w.])Task(\.immediate)?\s*[({]/) && !$0.contains("executorPreference:")
    },
    Ban("a second actor would turn every call in a task that went there into a suspension") {
        $0.contains("actor ") && $0.contains(/\bactor\s+[A-Z]/) && !$0.contains("actor LoopActor")
    },
    Ban("AsyncStream costs a hop through the thread pool for each element") {
        $0.contains("AsyncStream") || $0.contains("AsyncThrowingStream")
    },
    Ban("print is for the command line's output; libraries log") {
        $0.contains("(") && $0.contains(/(^|[^\w.])(debugPrint|print|dump)\(/)
    },
    Ban("fatalError takes the node down; throw, or state a precondition") { $0.contains("fatalError(") },
    Ban("DispatchQueue is a second thread pool beside the loop's") { $0.contains("DispatchQueue") },
]

private let bannedInSources = [
    Ban("try! traps") { $0.contains("try!") },
    Ban("as! traps") { $0.contains("as!") },
    Ban("a force unwrap traps") {
        $0.contains("!") && $0.contains(/[\w)\]}"]!([^=]|$)/) && !$0.contains(/\b(try|as)!/)
    },
]

/// Constructs that need a comment on their line or the one before.
private let needsReason: [(word: String, isIn: @Sendable (String) -> Bool)] = [
    ("@unchecked Sendable", { $0.contains("@unchecked Sendable") }),
    ("nonisolated(unsafe)", { $0.contains("nonisolated(unsafe)") }),
    ("unsafeBitCast", { $0.contains("unsafeBitCast(") }),
    ("try?", { $0.contains(/\btry\?/) }),
]

@Suite("words that do not belong here")
struct WordTests {
    @Test("library code has no call that hides failures, costs a hop or ends the process")
    func libraries() {
        report(
            Self.find(
                bannedInLibraries + bannedInSources,
                in: Repository.swiftFiles.filter(\.isLibrarySource)
            )
        )
    }

    @Test("the executable traps nowhere either")
    func executable() {
        let files = Repository.swiftFiles.filter { $0.isSource && !$0.isLibrarySource }
        report(Self.find(bannedInSources, in: files))
    }

    @Test("what switches a check off says why")
    func exceptionsAreExplained() {
        report(
            Repository.swiftFiles.filter(\.isSource).flatMap { file in
                file.code.enumerated().compactMap { index, line in
                    guard let construct = needsReason.first(where: { $0.isIn(line) }),
                        !Self.hasComment(file, index)
                    else { return nil }
                    return Finding(
                        path: file.path,
                        line: index + 1,
                        message: "\(construct.word) needs a comment that says why"
                    )
                }
            }
        )
    }

    @Test("nothing is left to be done later")
    func nothingIsLeftOver() {
        let words = ["TO" + "DO", "FIX" + "ME", "XX" + "X:", "HA" + "CK:"]
        report(
            Repository.files.filter { !$0.isGenerated }.flatMap { file in
                Self.find(words, in: file) { "\($0): do it, or leave it out" }
            }
        )
    }

    @Test("no file names a folder of one machine")
    func noMachinePaths() {
        let folders = ["/wor" + "k/", "/tm" + "p/w/", "/roo" + "t/", "/hom" + "e/"]
        report(
            Repository.files.flatMap { file in
                Self.find(folders, in: file) { "\($0) is a folder of one machine" }
            }
        )
    }

    @Test("scripts and tests with a network name no public registry")
    func noPublicRegistries() {
        let hosts = ["docker" + ".io", "ghcr" + ".io", "quay" + ".io", "gcr" + ".io", "registry.k8s" + ".io"]
        let places = ["Scripts/", "Tests/NodeTests/", "Tests/TestSupport/"]
        // What an operator is to write does name them.
        let isForOperators = { (path: String) in
            path.hasPrefix("Scripts/deploy/") && [".md", ".yaml", ".json"].contains(where: path.hasSuffix)
        }
        let checked = Repository.files.filter { file in
            places.contains { file.path.hasPrefix($0) } && !isForOperators(file.path)
        }
        report(
            checked.flatMap { file in
                Self.find(hosts, in: file) { "\($0): tests and scripts talk to loopback only" }
            }
        )
    }

    private static func find(_ bans: [Ban], in files: [SourceFile]) -> [Finding] {
        files.flatMap { file in
            file.code.enumerated().flatMap { index, line in
                bans.filter { $0.pattern(line) }.map {
                    Finding(path: file.path, line: index + 1, message: $0.reason)
                }
            }
        }
    }

    private static func find(
        _ words: [String],
        in file: SourceFile,
        _ message: (String) -> String
    ) -> [Finding] {
        file.lines.enumerated().flatMap { index, line in
            words.filter { line.contains($0) }.map {
                Finding(path: file.path, line: index + 1, message: message($0))
            }
        }
    }

    /// Whether a line or the one before it has a comment; for a run of such lines, the one before the first.
    private static func hasComment(_ file: SourceFile, _ index: Int) -> Bool {
        if file.lines[index].contains("//") { return true }
        return index > 0 && file.lines[index - 1].drop { $0 == " " }.hasPrefix("//")
    }
}
