/// A real containerd with its own root, state, socket and configuration file. Needs root.
///
/// Its CRI plugin needs no CNI to pull. Nothing of the machine's own containerd is touched.
package final class Containerd: Sendable {
    package let socketPath: String
    package let configPath: String
    package let logPath: String
    /// Its content store.
    package let contentFolder: String
    private let folder: TemporaryFolder

    /// Prepares the folder; `start` runs it. `configuration` is put at the end of config.toml (version 2).
    package init(configuration: String = "") throws {
        folder = try TemporaryFolder("containerd")
        socketPath = folder.path("containerd.sock")
        logPath = folder.path("containerd.log")
        contentFolder = folder.path("root/io.containerd.content.v1.content")
        configPath = try folder.write(
            "config.toml",
            Self.minimalConfiguration(folder: folder.path) + configuration
        )
    }

    /// The least that keeps a containerd to itself; `oom_score` 0 because lowering it needs a privilege that
    /// containers lack.
    package static func minimalConfiguration(folder: String) -> String {
        """
        version = 2
        root = "\(folder)/root"
        state = "\(folder)/state"
        oom_score = 0

        [grpc]
          address = "\(folder)/containerd.sock"

        [plugins."io.containerd.internal.v1.opt"]
          path = "\(folder)/opt"

        """
    }

    /// Starts it and waits until its socket answers. The caller stops the process before the folder goes.
    package func start() async throws -> ChildProcess {
        let process = try ChildProcess(["containerd", "--config", configPath], logPath: logPath)
        try await eventually("containerd answers on \(socketPath)") {
            try process.requireRunning()
            return try await ChildProcess.run(["ctr", "--address", socketPath, "version"]).succeeded
        }
        return process
    }

    /// Runs `ctr` in CRI's namespace and returns its output.
    package func ctr(_ arguments: [String]) async throws -> String {
        try await ChildProcess.check(["ctr", "--address", socketPath, "--namespace", "k8s.io"] + arguments)
    }

    /// What `ctr plugins ls` says of the CRI plugin: `ok`, `error`, or `nil` when there is none.
    package func criState() async throws -> String? {
        let table = try await ctr(["plugins", "ls"])
        let row = table.split(separator: "\n").first {
            $0.hasPrefix("io.containerd.grpc.v1") && $0.contains(" cri ")
        }
        return row?.split(separator: " ").last.map(String.init)
    }
}
