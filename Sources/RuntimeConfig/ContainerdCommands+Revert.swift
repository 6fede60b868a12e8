/// Undoing.
extension ContainerdCommands {
    /// Gives back what stood there before the first `apply`.
    package func revert() -> Int32 {
        do throws(RunStop) {
            let (changes, findings) = try RunStop.retrying(runRevert)
            printChanges(revertReport(changes, findings), findings)
            return ExitStatus.done
        } catch {
            return show(error)
        }
    }

    private func runRevert() throws(RunStop) -> ([FileChange], [Finding]) {
        let files = files()
        guard let state = try files.open(locks: !options.isDryRun) else { return ([], []) }
        let base = try files.undone(state)
        let steps = files.steps(base: base, plan: [])
        let changes = files.changes(steps)
        if !options.isDryRun { try files.revert(steps, folders: state.record.folders) }
        return (changes, whatIsBroken(PlannedTree(base: files.tree, planned: base.files)))
    }

    /// What was broken before the first `apply` is so again, and containerd notices when it starts next.
    private func whatIsBroken(_ tree: any FileTree) -> [Finding] {
        guard let version = options.version ?? VersionProbe.run(options.binary) else { return [] }
        do throws(Refusal) {
            let files = try ConfigFiles.load(main: options.config, version: version, tree: tree)
            return Judgement(version, files).findings.filter { $0.severity == .broken }
        } catch {
            return error.findings
        }
    }

    private func revertReport(_ changes: [FileChange], _ findings: [Finding]) -> ApplyReport {
        ApplyReport(
            config: options.config,
            containerdVersion: nil,
            mode: nil,
            reason: nil,
            isDryRun: options.isDryRun,
            needsRestart: changes.contains { isConfiguration($0.path) },
            changes: changes.map(ChangeReport.init),
            findings: findings.map(FindingReport.init)
        )
    }
}
