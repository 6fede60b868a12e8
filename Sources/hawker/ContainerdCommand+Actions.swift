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
        let status = ContainerdCommands(options: try files.options(plan), output: .terminal).check()
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
            Exit status: 0 done or nothing to do, 65 refused, 69 version unknown, 74 a file cannot be written, \
            75 somebody else was at it.
            """
    )

    @OptionGroup var files: ContainerdFileOptions
    @OptionGroup var plan: ContainerdPlanOptions

    @Flag(help: "Print what would change as a unified diff, and change nothing.")
    var dryRun = false

    func validate() throws {
        _ = try files.options(plan)
        if plan.registry.isEmpty { throw ValidationError("name at least one --registry") }
    }

    func run() async throws {
        var options = try files.options(plan)
        options.isDryRun = dryRun
        let status = ContainerdCommands(options: options, output: .terminal).apply()
        if status != 0 { throw ExitCode(status) }
    }
}

struct ContainerdRevertCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revert",
        abstract: "Gives back what stood there before the first apply.",
        discussion: "Later edits of yours stay. Exit status as for apply."
    )

    @OptionGroup var files: ContainerdFileOptions

    @Flag(help: "Print what would change as a unified diff, and change nothing.")
    var dryRun = false

    func run() async throws {
        var options = try files.options(try ContainerdPlanOptions.parse([]))
        options.isDryRun = dryRun
        let status = ContainerdCommands(options: options, output: .terminal).revert()
        if status != 0 { throw ExitCode(status) }
    }
}
