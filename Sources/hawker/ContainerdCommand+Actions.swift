import ArgumentParser
import RuntimeConfig

struct ContainerdCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Says what containerd does with its configuration.",
        discussion:
            "Exit status: 0 healthy, 1 advice, 2 broken; 69 when containerd's version cannot be found out."
    )

    @OptionGroup var files: ContainerdFileOptions
    @OptionGroup var plan: ContainerdPlanOptions

    func validate() throws { _ = try files.options(plan) }

    func run() async throws {
        var options = try files.options(plan)
        try files.locate(&options)
        let status = ContainerdCommands(options: options, output: .terminal).check()
        if status != 0 { throw ExitCode(status) }
    }
}

struct ContainerdApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Routes registries through the mirror.",
        discussion: """
            The registry itself always stays behind the mirror as the last host. Registries of an earlier apply that \
            are not named any more are taken out.
            containerd reads config.toml only when it starts; hosts.toml files count from the next pull on. With \
            --restart it is restarted when config.toml changed, and asked over its socket until its CRI plugin is \
            ok; when it is not within the deadline, all files get their old bytes back and it is restarted again. \
            It is never sent SIGHUP, which would end it. In a pod with the host's process namespace: \
            --restart-command 'nsenter --target 1 --mount --uts --ipc --net -- systemctl restart containerd'.
            Exit status: 0 done or nothing to do, 65 refused, 69 version unknown, 71 not even the old files brought \
            CRI back, 74 a file cannot be written, 75 somebody else was at it, 76 rolled back.
            """
    )

    @OptionGroup var files: ContainerdFileOptions
    @OptionGroup var plan: ContainerdPlanOptions

    @Flag(help: "Print what would change as a unified diff, and change nothing.")
    var dryRun = false

    @Flag(help: "Restart containerd when config.toml changed, and roll back unless CRI is ok then.")
    var restart = false

    @Option(help: "The systemd unit to restart.")
    var unit = "containerd"

    @Option(help: ArgumentHelp("Restart with this line for /bin/sh instead of systemctl.", valueName: "line"))
    var restartCommand: String?

    @Option(help: ArgumentHelp("How long containerd may take to come up.", valueName: "seconds"))
    var deadline = 60

    func validate() throws {
        _ = try files.options(plan)
        if plan.registries.registry.isEmpty, !plan.allRegistries {
            throw ValidationError("name at least one --registry, or --all-registries")
        }
        if !(1...3600).contains(deadline) { throw ValidationError("--deadline is 1 to 3600 seconds") }
        if restartCommand != nil, !restart { throw ValidationError("--restart-command needs --restart") }
    }

    func run() async throws {
        var options = try files.options(plan)
        options.isDryRun = dryRun
        let socket = try files.locate(&options)
        let commands = ContainerdCommands(options: options, output: .terminal)
        let status = restart ? await commands.apply(restart: restarting(socket)) : commands.apply()
        if status != 0 { throw ExitCode(status) }
    }

    private func restarting(_ socket: String) -> ContainerdRestart {
        ContainerdRestart(
            method: restartCommand.map { .command($0) } ?? .unit(unit),
            socket: socket,
            deadlineSeconds: deadline,
            health: { await ContainerdHealth.ask(socket) }
        )
    }
}

struct ContainerdRevertCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revert",
        abstract: "Gives back what stood there before the first apply.",
        discussion: "Later edits of yours stay. Exit status as for apply; with --all the last that was not 0."
    )

    @OptionGroup var files: ContainerdFileOptions

    @Flag(help: "Print what would change as a unified diff, and change nothing.")
    var dryRun = false

    @Flag(help: "Revert every file that --state-dir has a record of, whatever containerd reads now.")
    var all = false

    func run() async throws {
        var options = try files.options(try ContainerdPlanOptions.parse([]))
        options.isDryRun = dryRun
        if !all { try files.locate(&options) }
        let commands = ContainerdCommands(options: options, output: .terminal)
        let status = all ? commands.revertAll() : commands.revert()
        if status != 0 { throw ExitCode(status) }
    }
}
