import Foundation
import Glibc
import RuntimeConfig
import Testing

/// A containerd of its own: root, state and socket in the scratch folder, nothing shared with the machine's.
private final class Containerd {
    private let process = Process()
    private let scratch: Scratch
    let socket: String

    init(_ scratch: Scratch) throws {
        self.scratch = scratch
        socket = scratch.path("run.sock")
        process.executableURL = URL(filePath: "/usr/bin/containerd")
        process.arguments = [
            "--config", scratch.path("config.toml"), "--root", scratch.path("state/root"),
            "--state", scratch.path("state/run"), "--address", socket, "--log-level", "warn",
        ]
        let log = scratch.path("state/containerd.log")
        try FileManager.default.createDirectory(
            atPath: scratch.path("state"),
            withIntermediateDirectories: true
        )
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        let handle = FileHandle(forWritingAtPath: log)
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
    }

    /// Status of the CRI plugin as the running daemon reports it; `nil` when it does not answer in time.
    func criStatus() throws -> String? {
        for _ in 0..<150 {
            let (status, text) = try run("/usr/bin/ctr", ["--address", socket, "plugins", "ls"])
            if status == 0, let line = text.split(separator: "\n").first(where: { $0.contains(" cri ") }) {
                return line.split(separator: " ").last.map(String.init)
            }
            usleep(100_000)
        }
        return nil
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
    }
}

private func run(_ program: String, _ arguments: [String]) throws -> (Int32, String) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
}

private let isInstalled = access("/usr/bin/containerd", X_OK) == 0 && getuid() == 0

@Suite(
    "A real containerd",
    .serialized,
    .enabled(if: isInstalled, "containerd is not installed, or this is not root")
)
struct ContainerdTests {
    private static let section = "[plugins.\"io.containerd.grpc.v1.cri\".registry"

    /// The snapshotter is the one that works on any file system.
    private static func config(_ text: String) -> String {
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n  snapshotter = \"native\"\n" + text
    }

    @Test("its CRI plugin is ok with what apply wrote, and lost with the conflict that check reports")
    func starts() throws {
        let mirrors =
            "\(Self.section).mirrors.\"docker.io\"]\n  endpoint = [\"https://mirror.baidubce.com\"]\n"
        let conflict = "\(Self.section)]\n  config_path = \"CERTS\"\n" + mirrors
        for (text, mode) in [(mirrors, RuntimeMode.mirror), (conflict, .mirror), (conflict, .configPath)] {
            let scratch = try Scratch()
            try scratch.write(
                "config.toml",
                Self.config(text.replacing("CERTS", with: scratch.path("certs.d")))
            )
            var options = try scratch.options(
                mode: mode,
                registries: ["docker.io", "artifactory-registry.com"]
            )
            options.version = nil
            options.stateDirectory = scratch.path("record")
            options.migrates = text == conflict
            if text == conflict {
                #expect(options.run(.check).status == 2)
                let broken = try Containerd(scratch)
                #expect(try broken.criStatus() == "error")
                broken.stop()
            }
            let applied = options.run(.apply)
            #expect(applied.status == 0, "\(applied.text)")
            let containerd = try Containerd(scratch)
            #expect(try containerd.criStatus() == "ok", "\(scratch.text("state/containerd.log") ?? "")")
            containerd.stop()
            let (status, dump) = try run(
                "/usr/bin/containerd",
                ["--config", scratch.path("config.toml"), "config", "dump"]
            )
            #expect(status == 0)
            #expect(
                dump.contains(
                    mode == .mirror ? "http://127.0.0.1:4001" : "config_path = \"\(scratch.path("certs.d"))\""
                )
            )
        }
    }

    @Test("its version is asked of the binary")
    func version() throws {
        let scratch = try Scratch()
        var options = try scratch.options(registries: [])
        options.version = nil
        #expect(options.run(.check).text.contains("(containerd 1."))
        options.binary = "/nonexistent/containerd"
        #expect(options.run(.check).status == 69)
    }
}
