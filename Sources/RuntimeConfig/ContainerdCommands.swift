/// The bodies of `hawker containerd check|apply|revert`.
///
/// Each returns the exit status; none throws.
package struct ContainerdCommands {
    let options: ContainerdOptions
    let output: CommandOutput
    let disk = DiskTree()

    package init(options: ContainerdOptions, output: CommandOutput) {
        self.options = options
        self.output = output
    }

    /// The record and the files it speaks of, for one run.
    func files() -> RuntimeFiles {
        RuntimeFiles(
            config: options.config,
            mirror: options.mirror.url,
            store: StateStore(directory: options.stateDirectory, config: options.config),
            format: .toml,
            isConfiguration: isConfiguration
        )
    }

    /// Whether containerd reads the file only when it starts: the main file or an imported one.
    func isConfiguration(_ path: String) -> Bool {
        path == options.config || Path.name(path) != "hosts.toml"
    }

    func containerdVersion() throws(RunStop) -> ContainerdVersion {
        if let version = options.version ?? VersionProbe.run(options.binary) { return version }
        throw RunStop(
            ExitStatus.unavailable,
            Finding(
                .broken,
                .usage,
                file: options.config,
                "the version of containerd is not known: \(options.binary) --version gave none",
                remedy: "add --containerd-version, such as 1.6.20"
            )
        )
    }

    func show(_ stop: RunStop) -> Int32 {
        let findings = stop.findings
        if options.isJSON {
            output.out(
                ReportWriter.json(RefusalReport(refused: true, findings: findings.map(FindingReport.init)))
            )
        }
        for finding in findings { output.err(ReportWriter.text(finding)) }
        if stop.status == ExitStatus.refused { output.err("refused; nothing was changed") }
        return stop.status
    }

    func request(mode: RuntimeMode?, registries: [RegistryTarget]) -> PlanRequest {
        PlanRequest(
            config: options.config,
            mode: mode,
            registries: registries,
            mirror: options.mirror,
            hostsDirectory: options.hostsDirectory,
            migrates: options.migrates
        )
    }
}

extension ContainerdCommands {
    /// Says what containerd would do with the files as they are.
    package func check() -> Int32 {
        do throws(RunStop) {
            return try runCheck()
        } catch {
            return show(error)
        }
    }

    private func runCheck() throws(RunStop) -> Int32 {
        let version = try containerdVersion()
        let judgement: Judgement
        do throws(Refusal) {
            judgement = Judgement(
                version,
                try ConfigFiles.load(main: options.config, version: version, tree: disk)
            )
        } catch {
            return reportUnreadable(error.findings, version)
        }
        let routing = Routing(judgement: judgement, mirror: options.mirror, tree: disk)
        let registries = options.registries.map(routing.report)
        var findings = judgement.findings
        for (target, registry) in zip(options.registries, registries) {
            findings += routing.findings(target)
            if !registry.isRouted {
                findings.append(
                    Finding(
                        .advice,
                        .notRouted,
                        file: options.config,
                        "\(target.host) is not asked through \(options.mirror.url)",
                        remedy: applyCommand(migrates: judgement.isBroken)
                    )
                )
            }
        }
        let settings = judgement.settings
        let mirrors = settings.mirrorHosts.map { ($0, settings.endpoints(of: $0) ?? []) }
        let report = CheckReport(
            config: options.config,
            containerdVersion: version.description,
            status: Self.status(of: findings).name,
            configPath: settings.configPath(version),
            mirrors: [String: [String]](mirrors, uniquingKeysWith: { first, _ in first }),
            registries: registries,
            modes: modeReports(version),
            auto: autoMode(version),
            findings: findings.map(FindingReport.init)
        )
        show(report, findings)
        return Self.status(of: findings).code
    }

    /// The command that routes what is asked about, and what an earlier one routed: it takes out what it does not name.
    private func applyCommand(migrates: Bool) -> String {
        var words = options.registries
        for text in record?.registries ?? [] {
            guard let target = RegistryTarget.recorded(text),
                !words.contains(where: { $0.host == target.host })
            else { continue }
            words.append(target)
        }
        return (["hawker containerd apply"] + words.map(\.option) + (migrates ? ["--migrate"] : [])).joined(separator: " ")
    }

    private func reportUnreadable(_ findings: [Finding], _ version: ContainerdVersion) -> Int32 {
        let status = Self.status(of: findings)
        let report = CheckReport(
            config: options.config,
            containerdVersion: version.description,
            status: status.name,
            configPath: "",
            mirrors: [:],
            registries: [],
            modes: [],
            auto: nil,
            findings: findings.map(FindingReport.init)
        )
        show(report, findings)
        return status.code
    }

    private static func status(of findings: [Finding]) -> (code: Int32, name: String) {
        if findings.contains(where: { $0.severity == .broken }) { return (ExitStatus.broken, "broken") }
        return findings.contains { $0.severity == .advice }
            ? (ExitStatus.advice, "advice") : (ExitStatus.done, "healthy")
    }

    private func show(_ report: CheckReport, _ findings: [Finding]) {
        guard !options.isJSON else { return output.out(ReportWriter.json(report)) }
        output.out("\(report.config): \(report.status) (containerd \(report.containerdVersion))")
        if !report.configPath.isEmpty { output.out("config path  \(report.configPath)") }
        for (host, endpoints) in report.mirrors.sorted(by: { $0.key < $1.key }) {
            output.out("mirror       \(host): \(endpoints.joined(separator: " then "))")
        }
        for registry in report.registries {
            output.out("registry     \(registry.host): \(registry.asks.joined(separator: " then "))")
        }
        if record != nil, !report.modes.isEmpty {
            output.out("modes        judged from the files without what Hawker wrote")
        }
        for mode in report.modes {
            let said = findings.first { !$0.message.isEmpty && mode.reason.hasSuffix($0.message) }
            let words = said.map { mode.reason.dropLast($0.message.count) + "see below" } ?? mode.reason[...]
            let reason = words.isEmpty ? "" : (mode.isPossible ? ", " : ": ") + words
            output.out("mode         \(mode.mode): \(mode.isPossible ? "possible" : "not possible")\(reason)")
        }
        if let auto = report.auto { output.out("auto         would take \(auto) mode") }
        for finding in findings { output.out(ReportWriter.text(finding)) }
    }

    /// What an earlier `apply` did.
    ///
    /// A record that cannot be read is for `apply` to complain about.
    private var record: StateRecord? {
        // As above.
        (try? StateStore(directory: options.stateDirectory, config: options.config).load())?.record
    }

    /// The files as `apply` would plan from: without what an earlier one wrote.
    ///
    /// A record that cannot be read is for `apply` to complain about.
    private var planningTree: any FileTree {
        let store = StateStore(directory: options.stateDirectory, config: options.config)
        // What cannot be read or undone is told by `apply`.
        guard let state = try? store.load(),
            // As above.
            let undo = try? Undo(state.files, mirror: state.record.mirror, format: .toml, tree: disk)
        else { return disk }
        return PlannedTree(base: disk, planned: undo.files, passing: Set(state.record.folders))
    }

    private func plan(
        mode: RuntimeMode?,
        _ version: ContainerdVersion,
        migrates: Bool
    ) throws(Refusal) -> Plan {
        let docker = [RegistryTarget("docker.io")].compactMap(\.self)
        var request = request(
            mode: mode,
            registries: options.registries.isEmpty ? docker : options.registries
        )
        request.migrates = migrates
        return try Plan.make(request, version: version, tree: planningTree)
    }

    private func autoMode(_ version: ContainerdVersion) -> String? {
        // `nil` is the answer when neither mode is possible; the reasons stand beside the modes.
        (try? plan(mode: nil, version, migrates: options.migrates))?.mode.rawValue
    }

    private func modeReports(_ version: ContainerdVersion) -> [ModeReport] {
        RuntimeMode.allCases.map { mode in
            do throws(Refusal) {
                _ = try plan(mode: mode, version, migrates: options.migrates)
                return ModeReport(mode: mode.rawValue, isPossible: true, reason: "")
            } catch {
                // Only whether it would work is asked.
                let isMigratable = (try? plan(mode: mode, version, migrates: true)) != nil
                let reason = error.findings[0].message
                return ModeReport(
                    mode: mode.rawValue,
                    isPossible: isMigratable,
                    reason: isMigratable ? "with --migrate only: " + reason : reason
                )
            }
        }
    }
}
