import ArgumentParser
import Daemon
import Telemetry

/// `hawker daemon`: runs the node until SIGTERM or SIGINT.
struct DaemonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "daemon", abstract: "Run the node: the mirror for containerd, the cache, and the exchange with peers.",
        discussion: """
            SIGTERM and SIGINT drain: the listeners close, running answers get 30 seconds to finish, then the process \
            ends with status 0. A second signal ends it at once. SIGHUP reads the settings again, as `hawker reload` \
            does.
            """)

    @Option(help: "Settings file; its absence is an error only if you name one.")
    var config: String?

    func run() async throws {
        let file: SettingsFile
        do {
            file = try SettingsFile.load(file: config)
        } catch {
            Console.complain("\(error)")
            throw Exit.configuration
        }
        Log.bootstrap(level: file.settings.logLevel, format: file.settings.logFormat)
        do throws(NodeError) {
            try await Node.runUntilSignal(file, path: config, version: HawkerCommand.version)
        } catch {
            Console.complain("\(error)")
            throw error.status
        }
    }
}

extension NodeError {
    /// The exit status that tells a supervisor what kind of failure kept the node from starting.
    fileprivate var status: ExitCode {
        switch self {
        case .cache: Exit.data
        case .listen: Exit.unavailable
        case .configuration: Exit.configuration
        }
    }
}
