/// Undoing.
extension ContainerdCommands {
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
            printChanges(revertReport(changes), [])
            return ExitStatus.done
        } catch {
            return show(error)
        }
    }

    private func revertReport(_ changes: [FileChange]) -> ApplyReport {
        ApplyReport(
            config: options.config,
            containerdVersion: nil,
            mode: nil,
            reason: nil,
            isDryRun: options.isDryRun,
            needsRestart: changes.contains { isConfiguration($0.path) },
            changes: changes.map(ChangeReport.init),
            findings: []
        )
    }
}
