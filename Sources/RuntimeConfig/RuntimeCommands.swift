/// The bodies of `hawker runtime check|apply|revert`.
///
/// `apply` is declarative: it plans from the files as they would be without an earlier `apply`. Each returns
/// the exit status; none throws.
package struct RuntimeCommands {
    let options: OtherRuntimeOptions
    let output: CommandOutput
    private let disk = DiskTree()

    package init(options: OtherRuntimeOptions, output: CommandOutput) {
        self.options = options
        self.output = output
    }

    private func files() -> RuntimeFiles {
        RuntimeFiles(
            config: options.config,
            mirror: options.mirror.url,
            store: StateStore(directory: options.stateDirectory, config: options.config),
            format: .text(isReadable: options.planner.isReadable),
            isConfiguration: { _ in false }
        )
    }

    /// Says what the runtime does with the files as they are.
    package func check() -> Int32 {
        let state: RuntimeState
        do throws(Refusal) {
            try ManagedNode.refuse(config: options.config, tree: disk)
            state = try options.planner.inspect(options.registries, tree: disk)
        } catch {
            return show(state: RuntimeState(findings: error.findings), ExitStatus.broken, "broken")
        }
        let names = options.registries.map(\.option).joined(separator: " ")
        let missing = state.registries.filter { !$0.isRouted }.map {
            Finding(
                .advice, .notRouted, file: options.config,
                "\($0.host) is not asked through \(options.mirror.url)",
                remedy: "hawker runtime apply --runtime \(options.runtime.rawValue) \(names)")
        }
        let all = RuntimeState(registries: state.registries, findings: state.findings + missing)
        if all.findings.contains(where: { $0.severity == .broken }) {
            return show(state: all, ExitStatus.broken, "broken")
        }
        let isAdvised = all.findings.contains { $0.severity == .advice }
        return isAdvised
            ? show(state: all, ExitStatus.advice, "advice") : show(state: all, ExitStatus.done, "healthy")
    }

    private func show(state: RuntimeState, _ code: Int32, _ name: String) -> Int32 {
        let report = RuntimeCheckReport(
            config: options.config, runtime: options.runtime.rawValue, status: name,
            registries: state.registries,
            findings: state.findings.map(FindingReport.init))
        guard !options.isJSON else {
            output.out(ReportWriter.json(report))
            return code
        }
        output.out("\(report.config): \(name) (\(report.runtime))")
        for registry in state.registries {
            output.out("registry     \(registry.host): \(registry.asks.joined(separator: " then "))")
        }
        for finding in state.findings { output.out(ReportWriter.text(finding)) }
        return code
    }

    /// Puts the mirror in front of the registries.
    package func apply() -> Int32 {
        do throws(RunStop) {
            let (changes, findings) = try RunStop.retrying(runApply)
            show(changes, findings)
            return ExitStatus.done
        } catch {
            return show(error)
        }
    }

    private func runApply() throws(RunStop) -> ([FileChange], [Finding]) {
        let files = files()
        let state = try files.open(locks: !options.isDryRun)
        let base = try files.undone(state)
        let plan: RuntimePlan
        do throws(Refusal) {
            try ManagedNode.refuse(config: options.config, tree: disk)
            plan = try options.planner.plan(
                options.registries, tree: PlannedTree(base: files.tree, planned: base.files))
        } catch {
            throw RunStop(error)
        }
        let steps = files.steps(base: base, plan: plan.changes)
        let changes = files.changes(steps)
        if !options.isDryRun,
            let record = try files.write(
                steps, mode: options.runtime.rawValue, registries: options.registries, earlier: state?.record)
        {
            try files.finish(record, steps)
        }
        return (changes, plan.findings)
    }

    /// Gives back what stood there before the first `apply`.
    package func revert() -> Int32 {
        do throws(RunStop) {
            let changes = try RunStop.retrying { () throws(RunStop) in
                let files = files()
                guard let state = try files.open(locks: !options.isDryRun) else { return [FileChange]() }
                let steps = files.steps(base: try files.undone(state), plan: [])
                let changes = files.changes(steps)
                if !options.isDryRun { try files.revert(steps, folders: state.record.folders) }
                return changes
            }
            show(changes, [])
            return ExitStatus.done
        } catch {
            return show(error)
        }
    }

    private func show(_ changes: [FileChange], _ findings: [Finding]) {
        let report = RuntimeChangeReport(
            config: options.config, runtime: options.runtime.rawValue, isDryRun: options.isDryRun,
            // A hosts.toml is read at each pull.
            activation: changes.contains { Path.name($0.path) != "hosts.toml" } ? options.runtime.activation : nil,
            changes: changes.map(ChangeReport.init),
            findings: findings.map(FindingReport.init))
        guard !options.isJSON else { return output.out(ReportWriter.json(report)) }
        for change in report.changes {
            let isWhole = change.diff.last == "\n"
            output.out(
                options.isDryRun
                    ? String(change.diff.dropLast(isWhole ? 1 : 0)) : "\(change.action) \(change.path)")
        }
        for finding in findings { output.out(ReportWriter.text(finding)) }
        if changes.isEmpty {
            output.out("nothing to do")
        } else if let activation = report.activation, !options.isDryRun {
            output.out("to make it take effect: \(activation)")
        }
    }

    func show(_ stop: RunStop) -> Int32 {
        if options.isJSON {
            output.out(
                ReportWriter.json(
                    RefusalReport(refused: true, findings: stop.findings.map(FindingReport.init))))
        }
        for finding in stop.findings { output.err(ReportWriter.text(finding)) }
        if stop.status == ExitStatus.refused { output.err("refused; nothing was changed") }
        return stop.status
    }
}

/// What `check --json` prints; field names are stable.
private struct RuntimeCheckReport: Encodable {
    let config: String
    let runtime: String
    let status: String
    let registries: [RegistryReport]
    let findings: [FindingReport]
}

/// What `apply --json` and `revert --json` print.
private struct RuntimeChangeReport: Encodable {
    let config: String
    let runtime: String
    let isDryRun: Bool
    /// The command that makes the runtime read the files; absent when nothing changed or none is needed.
    let activation: String?
    let changes: [ChangeReport]
    let findings: [FindingReport]
}
