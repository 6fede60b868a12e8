import ArgumentParser
import Glibc
import RuntimeConfig

/// The group of commands below `hawker containerd`.
struct ContainerdCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "containerd",
        abstract: "Looks at, writes and undoes containerd's registry configuration.",
        subcommands: [
            ContainerdCheckCommand.self, ContainerdApplyCommand.self, ContainerdRevertCommand.self,
            ContainerdVerifyCommand.self,
        ]
    )
}

/// What all three commands take.
struct ContainerdFileOptions: ParsableArguments {
    @Option(
        help: "Containerd's configuration file (default: the running containerd's, else /etc/containerd/config.toml).")
    var config: String?

    @Option(help: "Containerd's socket (default: /run/containerd/containerd.sock, or that of the only containerd).")
    var socket: String?

    @Option(help: "Where the record for revert is kept; never below a folder that containerd imports.")
    var stateDir = "/var/lib/hawker/containerd"

    @Flag(help: "Print JSON.")
    var json = false
}

/// What a plan needs to know.
struct ContainerdPlanOptions: ParsableArguments {
    @Option(help: "Containerd's version, such as 1.6.20; asked of the binary when left out.")
    var containerdVersion: String?

    static let binaryDefault = "containerd"

    @Option(help: "The containerd binary to ask (default: the running one, else the one in PATH).")
    var containerd = Self.binaryDefault

    @Option(help: "mirror, config-path, or auto: what suits the node.")
    var mode = "auto"

    @OptionGroup var registries: RegistryOptions

    @Flag(help: "Route every registry; those with settings of their own are taken in one by one.")
    var allRegistries = false

    @Option(help: "Folder of the hosts.toml files (default: the one in use, else /etc/containerd/certs.d).")
    var hostsDir: String?

    @Flag(help: "Turn settings of the other mode into this one.")
    var migrate = false
}

extension ContainerdFileOptions {
    /// Also checks what the argument parser cannot; a `ValidationError` ends in usage and status 64.
    func options(_ plan: ContainerdPlanOptions) throws -> ContainerdOptions {
        var options = ContainerdOptions(mirror: try plan.registries.endpoint())
        if let config { options.config = config }
        options.stateDirectory = stateDir
        options.isJSON = json
        options.binary = plan.containerd
        options.hostsDirectory = plan.hostsDir
        options.migrates = plan.migrate
        if let text = plan.containerdVersion {
            guard let version = ContainerdVersion(text) else {
                throw ValidationError("--containerd-version \(text) is not a version such as 1.6.20")
            }
            options.version = version
        }
        if plan.mode != "auto" {
            guard let mode = RuntimeMode(rawValue: plan.mode) else {
                throw ValidationError("--mode \(plan.mode) is none of mirror, config-path and auto")
            }
            options.mode = mode
        }
        options.registries = try plan.registries.targets()
        if plan.allRegistries { options.registries.append(.all) }
        try RegistryOptions.requireAbsolute([config, socket, stateDir, plan.hostsDir])
        return options
    }
}

extension CommandOutput {
    /// Standard output and standard error.
    static let terminal = CommandOutput(
        out: { print($0) },
        err: { text in
            // A closed standard error leaves nobody to tell.
            Array((text + "\n").utf8).withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
        }
    )
}
