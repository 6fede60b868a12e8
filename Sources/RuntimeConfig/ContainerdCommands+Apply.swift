/// Writing.
///
/// `apply` is declarative: it plans from the files as they would be without an earlier `apply`, so that
/// changed options, another mode or fewer registries leave nothing behind, and a second run finds nothing to
/// do.
extension ContainerdCommands {
    package func apply() -> Int32 {
        do throws(Stop) {
            return try runApply()
        } catch {
            return error.status
        }
    }

    private func runApply() throws(Stop) -> Int32 {
        let work = try prepareApply()
        if !options.isDryRun { try finish(try write(work)) }
        printChanges(report(work), work.plan.findings)
        return ExitStatus.done
    }

    /// Plans, and writes nothing.
    func prepareApply() throws(Stop) -> ApplyWork {
        guard !options.registries.isEmpty else {
            throw fail(
                ExitStatus.refused,
                .usage,
                file: options.config,
                "no registry is named",
                remedy: "add --registry HOST, --registry HOST=URL, or --all-registries"
            )
        }
        let version = try containerdVersion()
        let store = StateStore(directory: options.stateDirectory, config: options.config)
        let state = try open(store)
        let base = try undo(state?.files ?? [])
        let plan: Plan
        do throws(Refusal) {
            let made = Set(state?.record.folders ?? [])
            let tree = PlannedTree(base: disk, planned: base.files, passing: made)
            plan = try Plan.make(
                request(mode: options.mode, registries: options.registries),
                version: version,
                tree: tree
            )
        } catch {
            throw report(error.findings, ExitStatus.refused)
        }
        let files = stateFiles(base: base, plan: plan)
        return ApplyWork(
            store: store,
            version: version,
            plan: plan,
            files: files,
            changes: ordered(files, state: state?.record),
            earlier: state?.record,
            earlierFiles: state?.files ?? []
        )
    }

    func report(_ work: ApplyWork) -> ApplyReport {
        ApplyReport(
            config: options.config,
            containerdVersion: work.version.description,
            mode: work.plan.mode.rawValue,
            reason: work.plan.reason,
            isDryRun: options.isDryRun,
            needsRestart: work.changes.contains(where: isConfiguration)
                || work.earlier?.stage == .restarting,
            changes: work.changes.map(ChangeReport.init),
            findings: work.plan.findings.map(FindingReport.init)
        )
    }

    func open(_ store: StateStore) throws(Stop) -> (record: StateRecord, files: [StateFile])? {
        do throws(StateStore.Fault) {
            if !options.isDryRun { try store.acquire() }
            return try store.load()
        } catch {
            throw stop(error, store)
        }
    }

    func stop(_ fault: StateStore.Fault, _ store: StateStore) -> Stop {
        switch fault {
        case .busy:
            fail(
                ExitStatus.busy,
                .state,
                file: store.folder,
                "another run is at work here",
                remedy: "try again"
            )
        case .unreadable(let sentence):
            fail(
                ExitStatus.failed,
                .state,
                file: store.folder,
                sentence,
                remedy: "move the folder away to start anew"
            )
        case .write(let path, let fault):
            fail(ExitStatus.failed, .state, file: path, "\(path) \(fault.sentence)")
        }
    }

    func undo(_ files: [StateFile]) throws(Stop) -> Undo {
        do throws(Refusal) {
            return try Undo(files, mirror: options.mirror.url, tree: disk)
        } catch {
            throw report(error.findings, ExitStatus.refused)
        }
    }

    func current(_ path: String) -> [UInt8]? {
        try? disk.read(path).get()  // Files that exist but cannot be read were refused by the plan.
    }

    /// Every file that is, was or will be ours.
    private func stateFiles(base: Undo, plan: Plan) -> [StateFile] {
        let planned = [String: FileChange](
            plan.changes.map { ($0.path, $0) },
            uniquingKeysWith: { _, last in last }
        )
        let others = base.files.keys.filter { planned[$0] == nil }.sorted()
        let changed = plan.changes.map {
            StateFile(path: $0.path, original: $0.before, applied: $0.after, previous: current($0.path))
        }
        let restored = others.map { path in
            let original = base.files[path] ?? nil
            return StateFile(path: path, original: original, applied: original, previous: current(path))
        }
        return changed + restored
    }

    /// Folders are filled before config.toml names them, and emptied after it no longer does.
    func ordered(_ files: [StateFile], state: StateRecord?) -> [FileChange] {
        let changes = files.filter { $0.applied != $0.previous }
            .map { FileChange(path: $0.path, before: $0.previous, after: $0.applied) }
        return changes.filter { !isConfiguration($0) && $0.after != nil }
            + changes.filter(isConfiguration)
            + changes.filter { !isConfiguration($0) && $0.after == nil }
    }

    /// Writes the files; the record says `prepared` until `finish`.
    ///
    /// Returns `nil` when everything was as it should be.
    func write(_ work: ApplyWork) throws(Stop) -> WrittenApply? {
        let (changes, earlier, store) = (work.changes, work.earlier, work.store)
        // A revert that was killed leaves a record that says `applied`.
        for file in work.files { FileWriter.removeLeftover(file.path) }
        if changes.isEmpty, earlier == nil || earlier?.stage == .applied { return nil }
        for change in changes { try preflight(change) }
        let folders = foldersToMake(changes, earlier: earlier)
        var record = StateRecord(
            config: options.config,
            mode: work.plan.mode.rawValue,
            mirror: options.mirror.url,
            registries: options.registries.map { "\($0.host)=\($0.url)" },
            stage: .prepared,
            generation: (earlier?.generation ?? 0) + 1,
            entries: [],
            folders: folders
        )
        do throws(StateStore.Fault) {
            record = try store.prepare(record, files: work.files)
        } catch {
            throw stop(error, store)
        }
        try perform(changes, folders: folders.filter { earlier?.folders.contains($0) != true })
        return WrittenApply(work: work, record: record)
    }

    /// Makes what was written the state to come back to.
    func finish(_ written: WrittenApply?) throws(Stop) {
        guard let written else { return }
        var record = written.record
        record.stage = .applied
        record.earlier = nil
        let paths = Set(written.work.files.filter { $0.original != $0.applied }.map(\.path))
        record.entries = record.entries.filter { paths.contains($0.path) }
        // A folder that is in use says so by not going away.
        record.folders = Array(record.folders.reversed().filter { !removeFolder($0) }.reversed())
        try save(record, in: written.work.store)
    }

    func save(_ record: StateRecord, in store: StateStore) throws(Stop) {
        do throws(StateStore.Fault) {
            try store.store(record)
        } catch {
            throw stop(error, store)
        }
    }

    func preflight(_ change: FileChange) throws(Stop) {
        do throws(WriteFault) {
            try FileWriter.check(change.path, isRemoved: change.after == nil)
        } catch {
            throw fail(
                ExitStatus.failed,
                .cannotWrite,
                file: change.path,
                "\(change.path) \(error.sentence); nothing was changed"
            )
        }
    }

    /// Folders of an earlier run and those that this one will make, outermost first.
    ///
    /// They are recorded before they are made, or a run that is killed would leave folders that nobody knows
    /// to be ours.
    private func foldersToMake(_ changes: [FileChange], earlier: StateRecord?) -> [String] {
        var folders = earlier?.folders ?? []
        for change in changes where change.before == nil && change.after != nil {
            for folder in FileWriter.missingFolders(Path.directory(change.path))
            where !folders.contains(folder) {
                folders.append(folder)
            }
        }
        return folders
    }

    /// Writes all changes, or takes back the ones already written and removes `folders`.
    func perform(_ changes: [FileChange], folders: [String]) throws(Stop) {
        for (number, change) in changes.enumerated() {
            do throws(WriteFault) {
                try FileWriter.write(change.path, before: change.before, after: change.after)
            } catch {
                for done in changes[..<number].reversed() {
                    // What cannot be taken back stays in the record, from which the next run goes on.
                    try? FileWriter.write(done.path, before: done.after, after: done.before)
                }
                for folder in folders.reversed() { _ = removeFolder(folder) }
                let isChanged = error == .changedMeanwhile
                throw fail(
                    isChanged ? ExitStatus.busy : ExitStatus.failed,
                    isChanged ? .changedMeanwhile : .cannotWrite,
                    file: change.path,
                    "\(change.path) \(error.sentence); nothing was changed",
                    remedy: isChanged ? "run the command again" : ""
                )
            }
        }
    }

    func printChanges(_ report: ApplyReport, _ findings: [Finding]) {
        guard !options.isJSON else { return output.out(ReportWriter.json(report)) }
        if let mode = report.mode, let reason = report.reason { output.out("\(mode) mode: \(reason)") }
        for change in report.changes {
            let isWhole = change.diff.last == "\n"
            output.out(
                options.isDryRun
                    ? String(change.diff.dropLast(isWhole ? 1 : 0)) : "\(change.action) \(change.path)"
            )
        }
        for finding in findings { output.out(ReportWriter.text(finding)) }
        if report.changes.isEmpty {
            output.out("nothing to do")
        } else if report.needsRestart, !report.isDryRun, report.restart == nil {
            output.out("restart containerd to make it take effect: systemctl restart containerd")
        }
    }
}
