import ArgumentParser
import Daemon

/// `hawker config`: the settings file.
struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Print the default settings; check a settings file.",
        subcommands: [ConfigDefaultCommand.self, ConfigCheckCommand.self])
}

/// `hawker config default`.
struct ConfigDefaultCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "default", abstract: "Print a settings file with every key, its meaning and its default.")

    func run() {
        print(Settings.documented, terminator: "")
    }
}

/// `hawker config check`.
struct ConfigCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Check a settings file without starting anything.")

    @Argument(help: "Settings file.")
    var file: String = Settings.defaultFile

    func run() throws {
        do {
            _ = try Settings.load(file: file)
        } catch {
            Console.complain("\(error)")
            throw Exit.configuration
        }
        print("\(file) is fine")
    }
}
