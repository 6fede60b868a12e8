import ArgumentParser

/// The one binary: node daemon, containerd's configuration, and admin tool.
@main
struct HawkerCommand: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "hawker",
        abstract: "Brings container images from the nodes that have them already.",
        version: version,
        subcommands: [
            DaemonCommand.self, ContainerdCommand.self, RuntimeCommand.self, StatusCommand.self, PeersCommand.self,
            CacheCommand.self, GetCommand.self, ReloadCommand.self, ConfigCommand.self, CertCommand.self,
        ]
    )
}
