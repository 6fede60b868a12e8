import CRIClient
import EventLoop
import Foundation
import Glibc
import RuntimeConfig
import TestSupport
import Testing

private let isInstalled = access("/usr/bin/containerd", X_OK) == 0 && getuid() == 0
private let isAll = ProcessInfo.processInfo.environment["HAWKER_ALL_TESTS"] == "1"

/// A containerd that finds the given files in its `/etc/containerd`, byte for byte, and nothing of the machine's.
///
/// It has its own mounts, so that paths need not be changed for the test; `isAlone` gives it its own network too.
private struct PlacedContainerd {
    let folder: TemporaryFolder
    let process: ChildProcess
    let socket: String

    init(_ files: [String: [UInt8]], isAlone: Bool = true) throws {
        folder = try TemporaryFolder("corpus")
        socket = folder.path("run.sock")
        let places = try folder.makeFolder("etc")
        for (path, bytes) in files where path.hasPrefix("/etc/containerd/") {
            let place = places + path.dropFirst("/etc/containerd".count)
            let directory = URL(filePath: place).deletingLastPathComponent()
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            try Data(bytes).write(to: URL(filePath: place))
        }
        let script = """
            mount --bind \(places) /etc/containerd && mount -t tmpfs none /opt && mount -t tmpfs none /mnt &&
            exec containerd --config /etc/containerd/config.toml --root \(folder.path("root")) \
            --state \(folder.path("state")) --address \(socket) --log-level warn
            """
        let flags = ["--mount", "--propagation", "private"] + (isAlone ? ["--net"] : [])
        process = try ChildProcess(
            ["unshare"] + flags + ["sh", "-c", script],
            logPath: folder.path("containerd.log")
        )
    }

    /// What containerd says of its CRI plugin once it answers.
    @LoopActor
    func state() async throws -> CRIState {
        let client = CRIClient(socket: socket)
        var last: CRIState?
        try await eventually("containerd answers", within: 30) { @LoopActor in
            try process.requireRunning()
            last = try? await client.criState()  // Not listening yet.
            return last != nil
        }
        guard let last else { throw TestFailure("no answer") }
        return last
    }
}

@Suite(
    "The corpus and a real containerd",
    .serialized,
    .enabled(if: isInstalled, "containerd is not installed, or this is not root")
)
struct CorpusContainerdTests {
    private static let release = "1.6.20"

    /// Every different set of files that a plan for this release leaves behind.
    private static func results() throws -> [(name: String, files: [String: [UInt8]])] {
        var results: [(String, [String: [UInt8]])] = []
        var seen: Set<[String: [UInt8]]> = []
        for input in try Corpus.names.flatMap(Corpus.inputs) {
            for lane in Corpus.lanes {
                let outcome = Corpus.outcome(input, lane, release, tree: input.tree)
                guard case .accepted(let changes, _) = outcome else { continue }
                let files = input.files.merging(changes) { $1 }
                // The kernel does not let every machine lower the score.
                let isStartable = files.values.allSatisfy {
                    !String(decoding: $0, as: UTF8.self).contains("oom_score = -")
                }
                guard isStartable, seen.insert(files).inserted else { continue }
                results.append(("\(input.name), \(lane.name)", files))
            }
        }
        return results
    }

    @Test("every accepted result starts with its CRI plugin ok", .timeLimit(.minutes(20)))
    func starts() async throws {
        let results = try Self.results()
        let step = isAll ? 1 : max(1, results.count / 12)
        var count = 0
        for index in stride(from: 0, to: results.count, by: step) {
            let (name, files) = results[index]
            let containerd = try PlacedContainerd(files)
            let state = try? await containerd.state()
            if case .ready? = state {
                count += 1
            } else {
                Issue.record("\(name): \(String(describing: state))\n\(containerd.process.log.suffix(1500))")
            }
            try await containerd.process.kill()
        }
        print("containerd: \(count) of \(results.count) accepted results started with CRI ok")
    }
}
