import AdminAPI
import ArgumentParser

/// `hawker reload`: has the daemon read its settings again.
struct ReloadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload", abstract: "Have the daemon read its settings file again.",
        discussion: """
            Rates, peers.static, peers.tls with its files, and log.level change at once; other keys wait for the next \
            start, and are named. A file with a mistake changes nothing. SIGHUP does the same.
            """)

    @OptionGroup var admin: AdminOptions

    func run() async throws {
        let report = try await admin.ask { client throws(AdminFailure) in try await client.reload() }
        if admin.json { return try Console.printJSON(report) }
        if report.applied.isEmpty, report.needRestart.isEmpty { return print("\(report.file): nothing changed") }
        for key in report.applied { print("\(key): in force") }
        for key in report.needRestart { print("\(key): waits for the next start of the daemon") }
    }
}
