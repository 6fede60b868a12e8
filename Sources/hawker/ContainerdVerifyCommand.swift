import ArgumentParser
import CRIClient
import EventLoop
import Fetching
import OCIModel
import RuntimeConfig

/// `hawker containerd verify`: what an operator looks at after a change, in one table.
struct ContainerdVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Look at the running containerd, at the daemon, and at the way from one to the other.",
        discussion: """
            Asks containerd over its socket, compares what it runs with against its files, asks the daemon, hashes a \
            few cached blobs, and has containerd ask for HOST/hawker-probe/…, an image that exists nowhere, to see \
            the request arrive at the mirror. Nothing is changed. \
            Exit status: 0 all is well, 1 advice, 2 broken; 69 when it is not clear which containerd is meant.
            """)

    @OptionGroup var files: ContainerdFileOptions

    @Option(help: "A registry that should be asked through the mirror (default: those of the last apply).")
    var registry: [String] = []

    @Option(help: "Where the mirror listens (default: as in the last apply, else http://127.0.0.1:4001).")
    var mirror: String?

    @Option(help: "Unix socket of the daemon (admin.socket of its settings).")
    var adminSocket = "/run/hawker/hawker.sock"

    @Flag(help: "Leave out the daemon, its cache and the probe.")
    var containerdOnly = false

    @Option(help: ArgumentHelp("Also pull this image through CRI, as the kubelet would.", valueName: "reference"))
    var image: String?

    @Option(
        help: ArgumentHelp(
            "With --image: the file whose user and password for its registry go with the pull, as an image pull secret "
                + "does; config.json of docker login, or auth.json of podman login (default: nobody's).",
            valueName: "file"))
    var authFile: String?

    func validate() throws {
        _ = try options()
        _ = try credential()
    }

    func run() async throws {
        var options = try options()
        let socket = try files.locate(&options)
        if let applied = ContainerdCommands.applied(config: options.config, stateDirectory: options.stateDirectory) {
            if registry.isEmpty { options.registries = applied.registries }
            if mirror == nil { options.mirror = applied.mirror }
        }
        let state = try await verify(options, socket)
        switch state {
        case .ok: break
        case .advice: throw ExitCode(ExitStatus.advice)
        case .broken: throw ExitCode(ExitStatus.broken)
        }
    }

    private func options() throws -> ContainerdOptions {
        var words = registry.flatMap { ["--registry", $0] }
        if let mirror { words += ["--mirror", mirror] }
        return try files.options(try ContainerdPlanOptions.parse(words))
    }

    private func credential() throws -> CRICredential? {
        guard let authFile else { return nil }
        guard let image else { throw ValidationError("--auth-file is for the pull of an --image") }
        guard let reference = ImageReference(image) else { throw ValidationError("\(image) is not an image's name") }
        let credentials: DockerCredentials
        do throws(FetchError) {
            credentials = try DockerCredentials.load(authFile)
        } catch {
            throw ValidationError(error.sentence)
        }
        let login = credentials.login(for: reference.registry, reference.repository)
        guard let credential = login.flatMap({ CRICredential(user: $0.user, password: $0.password) }) else {
            let helpers = credentials.namesHelpers ? "; credential helpers, which it names, are not run" : ""
            throw ValidationError("\(authFile) has no user and password for \(reference.registry)\(helpers)")
        }
        return credential
    }

    @LoopActor
    private func verify(_ options: ContainerdOptions, _ socket: String) async throws -> VerifyRow.State {
        let verification = Verification(options, socket: socket, adminSocket: adminSocket)
        await verification.lookAtContainerd()
        if !containerdOnly {
            await verification.lookAtDaemon()
            await verification.probe()
        }
        if let image { await verification.pull(image, as: try credential(), seesDaemon: !containerdOnly) }
        try print(verification)
        return verification.state
    }

    @LoopActor
    private func print(_ verification: Verification) throws {
        let rows = verification.rows
        guard !files.json else {
            return try Console.printJSON(VerifyReport(status: verification.state.rawValue, rows: rows))
        }
        Console.printTable(
            ["CHECK", "STATE", "WHAT"],
            rows.flatMap { row -> [[String]] in
                let lines = row.detail.split(separator: "\n").map(String.init)
                let first = [[row.check, row.state.rawValue, lines.first ?? ""]]
                let more = lines.dropFirst().map { ["", "", $0] }
                return first + more + (row.remedy.isEmpty ? [] : [["", "", "-> " + row.remedy]])
            })
    }
}
