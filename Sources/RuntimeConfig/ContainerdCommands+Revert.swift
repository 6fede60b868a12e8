/// Undoing.
extension ContainerdCommands {
    /// Gives back what stood there before the first `apply`.
    package func revert() -> Int32 {
        do throws(Stop) {
            return try runRevert()
        } catch {
            return error.status
        }
    }

    private func runRevert() throws(Stop) -> Int32 {
        let store = StateStore(directory: options.stateDirectory, config: options.config)
        guard let state = try open(store) else {
            printChanges(revertReport([]), [])
            return ExitStatus.done
        }
        let base: Undo
        do throws(Refusal) {
            base = try Undo(state.files, mirror: state.record.mirror, tree: disk)
        } catch {
            throw report(error.findings, ExitStatus.refused)
        }
        let files = state.files.map { file in
            StateFile(
                path: file.path,
                original: base.files[file.path] ?? nil,
                applied: base.files[file.path] ?? nil,
                previous: current(file.path)
            )
        }
        let changes = ordered(files, state: state.record)
        guard !options.isDryRun else {
            printChanges(revertReport(changes), [])
            return ExitStatus.done
        }
        for change in changes { try preflight(change) }
        for file in files { FileWriter.removeLeftover(file.path) }
        try perform(changes, folders: [])
        for folder in state.record.folders.reversed() { _ = removeFolder(folder) }
        do throws(StateStore.Fault) {
            try store.clear()
        } catch {
            throw stop(error, store)
        }
        printChanges(revertReport(changes), [])
        return ExitStatus.done
    }

    private func revertReport(_ changes: [FileChange]) -> ApplyReport {
        ApplyReport(
            config: options.config,
            containerdVersion: nil,
            mode: nil,
            reason: nil,
            isDryRun: options.isDryRun,
            needsRestart: changes.contains(where: isConfiguration),
            changes: changes.map(ChangeReport.init),
            findings: []
        )
    }
}
