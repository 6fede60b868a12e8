/// Whether containerd, by the files it reads at its next start and at its next pull, asks the mirror.
package struct Wiring: Equatable, Sendable {
    package enum State: String, Sendable {
        /// Every registry that should be is asked through the mirror first.
        case routed
        /// Containerd runs, and pulls past the mirror.
        case bypassed
        /// Containerd, or its CRI plugin, would not start.
        case broken
        /// The files cannot be judged.
        case unknown
    }

    package struct Registry: Equatable, Sendable {
        package let host: String
        /// In the order in which they are asked.
        package let asks: [String]
        package let isRouted: Bool
    }

    package let state: State
    /// The reason with its place, in one sentence; empty when `routed`.
    package let reason: String
    package let registries: [Registry]
    package let findings: [Finding]
    /// `config_path` in force; empty for none.
    package let configPath: String
    package let mirrors: [String: [String]]
    /// The main file and what it imports.
    package let files: [String]

    /// Reads the files and nothing else.
    package static func look(
        config: String,
        version: ContainerdVersion,
        registries: [RegistryTarget],
        mirror: Endpoint,
        tree: any FileTree
    ) -> Wiring {
        do throws(Refusal) {
            let files = try ConfigFiles.load(main: config, version: version, tree: tree)
            return Wiring(Judgement(version, files), registries, mirror, tree)
        } catch {
            return Wiring(refused: error.findings, file: config)
        }
    }

    init(unknown reason: String, file: String) {
        state = .unknown
        self.reason = reason
        registries = []
        findings = []
        configPath = ""
        mirrors = [:]
        files = [file]
    }

    private init(refused findings: [Finding], file: String) {
        let isBroken = findings.contains { $0.severity == .broken && $0.rule != .unreadable }
        state = isBroken ? .broken : .unknown
        reason = findings.first.map { "\($0.place): \($0.message)" } ?? ""
        registries = []
        self.findings = findings
        configPath = ""
        mirrors = [:]
        files = [file]
    }

    private init(_ judgement: Judgement, _ targets: [RegistryTarget], _ mirror: Endpoint, _ tree: any FileTree) {
        let routing = Routing(judgement: judgement, mirror: mirror, tree: tree)
        let settings = judgement.settings
        registries = targets.map(routing.report).map {
            Registry(host: $0.host, asks: $0.asks, isRouted: $0.isRouted)
        }
        findings = judgement.findings + targets.flatMap(routing.findings)
        configPath = settings.configPath(judgement.version)
        mirrors = [String: [String]](
            settings.mirrorHosts.map { ($0, settings.endpoints(of: $0) ?? []) },
            uniquingKeysWith: { first, _ in first }
        )
        files = judgement.files.files.filter(\.exists).map(\.path)
        if let broken = findings.first(where: { $0.severity == .broken }) {
            state = .broken
            reason = "\(broken.place): \(broken.message)"
        } else if let lost = registries.first(where: { !$0.isRouted }) {
            state = .bypassed
            let dead = targets.filter { $0.host == lost.host }.flatMap(routing.findings).first
            reason =
                dead.map { "\($0.place): \($0.message)" }
                ?? "\(lost.host) is asked at \(lost.asks.first ?? "nobody"), not at \(mirror.url)"
        } else {
            state = .routed
            reason = ""
        }
    }
}

extension ContainerdCommands {
    /// What an earlier `apply` routed, and where to; `nil` when there was none, or its record cannot be read.
    package static func applied(
        config: String,
        stateDirectory: String
    ) -> (registries: [RegistryTarget], mirror: Endpoint)? {
        // `apply` and `revert` say what is wrong with a record.
        guard let record = (try? StateStore(directory: stateDirectory, config: config).load())?.record,
            let mirror = Endpoint(record.mirror)
        else { return nil }
        return (
            record.registries.compactMap { $0 == "*=" ? .all : RegistryTarget($0) }, mirror
        )
    }
}
