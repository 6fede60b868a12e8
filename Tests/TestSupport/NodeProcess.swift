import Foundation

/// A Hawker node: the built `hawker daemon` with its own folders, ports and settings file.
package final class NodeProcess: Sendable {
    package struct Settings: Sendable {
        package var name: String
        package var mirrorPort: UInt16
        package var peerPort: UInt16
        /// Address that the peer port is listened on.
        package var peerHost = "127.0.0.1"
        /// More lines for the table `[peers]`.
        package var peerLines: [String] = []
        /// `host:port` of the nodes it connects to.
        package var peers: [String] = []
        package var defaultRegistry: String?
        /// Registry host as images spell it → the URL to ask instead.
        package var registries: [(host: String, url: String)] = []
        /// More lines for the table `[mirror]`.
        package var mirrorLines: [String] = []
        /// Lines of the table `[limits]`, and more lines for each `[[registry]]`.
        package var limitLines: [String] = []
        package var registryLines: [String] = []
        /// Lines of the table `[containerd]`. The machine's own containerd is left alone.
        package var containerdLines = ["content = \"off\""]
        package var cacheQuota = "4GiB"
        package var cacheFloor = "64MiB"
        package var logLevel = "debug"
        package var logFormat = "text"
        /// Of `/metrics`, `/healthz` and `/readyz`.
        package var statusPort: UInt16
        /// The network namespace it runs in; `nil` for the test's own.
        package var namespace: String?
        /// More lines for the table `[node]`.
        package var nodeLines: [String] = []

        /// Free ports of loopback.
        package init(name: String) throws {
            self.name = name
            mirrorPort = try FreePort.next()
            peerPort = try FreePort.next()
            statusPort = try FreePort.next()
        }
    }

    package let settings: Settings
    package let settingsPath: String
    package let socketPath: String
    package let cachePath: String
    package let logPath: String
    private let folder: TemporaryFolder

    package var mirrorURL: String { "http://127.0.0.1:\(settings.mirrorPort)" }
    package var statusURL: String { "http://127.0.0.1:\(settings.statusPort)" }

    /// Writes the settings file; `start` runs the daemon, any number of times one after the other.
    package init(_ settings: Settings) throws {
        self.settings = settings
        folder = try TemporaryFolder("node-\(settings.name)")
        socketPath = folder.path("run/hawker.sock")
        cachePath = folder.path("cache")
        logPath = folder.path("hawker.log")
        try FileManager.default.createDirectory(
            atPath: folder.path("run"),
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        settingsPath = try folder.write(
            "hawker.toml",
            Self.text(settings, socket: socketPath, cache: cachePath)
        )
    }

    /// Starts the daemon and waits until its mirror and its status port listen.
    package func start(environment: [String: String] = [:]) async throws -> ChildProcess {
        let process = try ChildProcess(
            NamespaceNetwork.prefix(settings.namespace) + [try Self.binaryPath(), "daemon", "--config", settingsPath],
            environment: environment,
            logPath: logPath
        )
        try await eventually("node \(settings.name) listens on \(settings.mirrorPort)") {
            try process.requireRunning()
            guard settings.namespace == nil else { return try await ChildProcess.run(statusCommand).succeeded }
            return FreePort.isListening(settings.mirrorPort) && FreePort.isListening(settings.statusPort)
        }
        return process
    }

    /// Replaces the settings file; a running daemon has to be told.
    package func rewrite(_ settings: Settings) throws {
        try folder.write("hawker.toml", Self.text(settings, socket: socketPath, cache: cachePath))
    }

    private var statusCommand: [String] {
        get throws { [try Self.binaryPath(), "status", "--socket", socketPath] }
    }

    /// Runs the admin tool against this node and returns its output.
    package func admin(_ arguments: [String]) async throws -> String {
        try await ChildProcess.check([try Self.binaryPath()] + arguments + ["--socket", socketPath])
    }

    /// The `hawker` that `HAWKER_BINARY` names, or that was built together with the running test bundle.
    package static func binaryPath() throws -> String {
        if let named = ProcessInfo.processInfo.environment["HAWKER_BINARY"] { return named }
        let bundle = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let path = URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("hawker")
            .path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw TestFailure("\(path) is not built: run swift build first")
        }
        return path
    }

    private static func text(_ settings: Settings, socket: String, cache: String) -> String {
        let mirrorDefault = settings.defaultRegistry.map { "default_registry = \"\($0)\"\n" } ?? ""
        let peers = settings.peers.map { "\"\($0)\"" }.joined(separator: ", ")
        let registries = settings.registries.map { registry in
            "[[registry]]\nhost = \"\(registry.host)\"\nurl = \"\(registry.url)\"\n"
                + settings.registryLines.map { "\($0)\n" }.joined()
        }
        return """
            [node]
            name = "\(settings.name)"
            \(settings.nodeLines.joined(separator: "\n"))

            [mirror]
            listen = "127.0.0.1:\(settings.mirrorPort)"
            \(mirrorDefault)\(settings.mirrorLines.joined(separator: "\n"))
            [peers]
            listen = "\(settings.peerHost):\(settings.peerPort)"
            static = [\(peers)]
            cluster = "test"
            \(settings.peerLines.joined(separator: "\n"))

            [cache]
            path = "\(cache)"
            quota = "\(settings.cacheQuota)"
            free_floor = "\(settings.cacheFloor)"

            [limits]
            \(settings.limitLines.joined(separator: "\n"))

            [containerd]
            \(settings.containerdLines.joined(separator: "\n"))

            [admin]
            socket = "\(socket)"

            [status]
            listen = "127.0.0.1:\(settings.statusPort)"

            [log]
            level = "\(settings.logLevel)"
            format = "\(settings.logFormat)"


            \(registries.joined(separator: "\n"))
            """
    }
}
