import ArgumentParser
import RuntimeConfig

/// The group of commands below `hawker runtime`.
struct RuntimeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runtime",
        abstract: "Looks at, writes and undoes the registry configuration of runtimes other than containerd.",
        discussion: """
            podman (with Buildah and Skopeo) and crio: /etc/containers/registries.conf and its drop-ins; docker: \
            /etc/docker/daemon.json for Docker Hub, /etc/docker/certs.d for other registries; \
            k3s and rke2: /etc/rancher/NAME/registries.yaml.
            """,
        subcommands: [RuntimeCheckCommand.self, RuntimeApplyCommand.self, RuntimeRevertCommand.self]
    )
}

/// What all three commands take.
struct RuntimeFileOptions: ParsableArguments {
    @Option(help: ArgumentHelp("podman, crio, docker, k3s or rke2.", valueName: "name"))
    var runtime: String?

    @Option(help: "The runtime's configuration file (default: the one it reads when nothing else is said).")
    var config: String?

    @Option(help: "Where the record for revert is kept.")
    var stateDir = "/var/lib/hawker/runtimes"

    @Flag(help: "Print JSON.")
    var json = false

    /// Also checks what the argument parser cannot; a `ValidationError` ends in usage and status 64.
    func options(_ plan: RegistryOptions) throws -> OtherRuntimeOptions {
        let names = OtherRuntime.allCases.map(\.rawValue).joined(separator: ", ")
        guard let runtime else { throw ValidationError("--runtime is missing: one of \(names)") }
        guard let kind = OtherRuntime(rawValue: runtime) else {
            throw ValidationError("--runtime \(runtime) is none of \(names)")
        }
        var options = OtherRuntimeOptions(runtime: kind, mirror: try plan.endpoint())
        options.config = config ?? options.config
        options.stateDirectory = stateDir
        options.isJSON = json
        options.registries = try plan.targets()
        try RegistryOptions.requireAbsolute([options.config, stateDir])
        return options
    }
}

struct RuntimeCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Says what the runtime does with its configuration.",
        discussion: "Exit status: 0 healthy, 1 advice, 2 broken."
    )

    @OptionGroup var files: RuntimeFileOptions
    @OptionGroup var plan: RegistryOptions

    func validate() throws { _ = try files.options(plan) }

    func run() async throws {
        let status = RuntimeCommands(options: try files.options(plan), output: .terminal).check()
        if status != 0 { throw ExitCode(status) }
    }
}

struct RuntimeApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Routes registries through the mirror.",
        discussion: """
            The registry itself always stays behind the mirror. Registries of an earlier apply that are not named any \
            more are taken out.
            Exit status: 0 done or nothing to do, 65 refused, 74 a file cannot be written, 75 somebody else was at it.
            """
    )

    @OptionGroup var files: RuntimeFileOptions
    @OptionGroup var plan: RegistryOptions

    @Flag(help: "Print what would change as a unified diff, and change nothing.")
    var dryRun = false

    func validate() throws {
        _ = try files.options(plan)
        if plan.registry.isEmpty { throw ValidationError("name at least one --registry") }
    }

    func run() async throws {
        var options = try files.options(plan)
        options.isDryRun = dryRun
        let status = RuntimeCommands(options: options, output: .terminal).apply()
        if status != 0 { throw ExitCode(status) }
    }
}

struct RuntimeRevertCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revert",
        abstract: "Gives back what stood there before the first apply.",
        discussion: "Later edits of yours stay. Exit status as for apply; with --all the last that was not 0."
    )

    @OptionGroup var files: RuntimeFileOptions

    @Flag(help: "Print what would change as a unified diff, and change nothing.")
    var dryRun = false

    @Flag(help: "Revert every file that --state-dir has a record of, of any runtime.")
    var all = false

    func validate() throws { _ = try options() }

    private func options() throws -> OtherRuntimeOptions {
        var files = files
        if all { files.runtime = files.runtime ?? OtherRuntime.podman.rawValue }
        return try files.options(try RegistryOptions.parse([]))
    }

    func run() async throws {
        var options = try options()
        options.isDryRun = dryRun
        let commands = RuntimeCommands(options: options, output: .terminal)
        let status = all ? commands.revertAll() : commands.revert()
        if status != 0 { throw ExitCode(status) }
    }
}
