/// Brings a set of files to new content, with the record that takes it back.
///
/// The record names every byte that was and will be before the first file changes; files change one at a
/// time, each in one step; if one cannot, those before it change back. States on disk: no record, `prepared`
/// from `write` on, `applied` from `finish` on.
struct RuntimeFiles {
    let config: String
    /// URL of the mirror that this run puts in.
    let mirror: String
    /// Holds the lock, once `open` took it.
    let store: StateStore
    /// The files as this run saw them first.
    let tree = SnapshotTree(DiskTree())
    let format: UndoFormat
    /// Whether the runtime reads the file at that path only when it starts. Folders are filled before such a
    /// file names them, and emptied after it no longer does.
    let isConfiguration: (String) -> Bool

    /// What an earlier run left, once nobody else is at work.
    func open(locks: Bool) throws(RunStop) -> (record: StateRecord, files: [StateFile])? {
        try stored(isBefore: true) { () throws(StateStore.Fault) in
            if locks { try store.acquire() }
            return try store.load()
        }
    }

    /// The files as they would be had we never been here.
    func undone(_ state: (record: StateRecord, files: [StateFile])?) throws(RunStop) -> Undo {
        do throws(Refusal) {
            let mirror = state?.record.mirror ?? mirror
            return try Undo(state?.files ?? [], mirror: mirror, format: format, tree: tree)
        } catch {
            throw RunStop(error)
        }
    }

    /// The steps from what is on disk to `plan` made on top of `base`: every file that is, was or will be ours.
    func steps(base: Undo, plan: [FileChange]) -> [StateFile] {
        let planned = Set(plan.map(\.path))
        let changed = plan.map {
            StateFile(path: $0.path, original: $0.before, applied: $0.after, previous: current($0.path))
        }
        let restored = base.files.keys.filter { !planned.contains($0) }.sorted().map { path in
            let original = base.files[path] ?? nil
            return StateFile(path: path, original: original, applied: original, previous: current(path))
        }
        return changed + restored
    }

    private func current(_ path: String) -> [UInt8]? {
        try? tree.read(path).get()  // Files that exist but cannot be read were refused before.
    }

    /// What is different, in the order in which it is to be written.
    func changes(_ steps: [StateFile]) -> [FileChange] {
        let changes = steps.filter { $0.applied != $0.previous }
            .map { FileChange(path: $0.path, before: $0.previous, after: $0.applied) }
        return changes.filter { !isConfiguration($0.path) && $0.after != nil }
            + changes.filter { isConfiguration($0.path) }
            + changes.filter { !isConfiguration($0.path) && $0.after == nil }
    }

    /// Writes the steps; the record says `prepared` until `finish`.
    ///
    /// `nil` when everything was as it should be.
    func write(
        _ steps: [StateFile], mode: String, registries: [RegistryTarget], earlier: StateRecord?
    ) throws(RunStop) -> StateRecord? {
        let changes = changes(steps)
        // A revert that was killed leaves a record that says `applied`.
        for step in steps { FileWriter.removeLeftover(step.path) }
        if changes.isEmpty, earlier == nil || earlier?.stage == .applied { return nil }
        try preflight(changes)
        let folders = foldersToMake(changes, earlier: earlier)
        let planned = StateRecord(
            config: config, mode: mode, mirror: mirror,
            registries: registries.map { "\($0.host)=\($0.url)" },
            stage: .prepared, generation: (earlier?.generation ?? 0) + 1, entries: [], folders: folders)
        let record = try stored(isBefore: true) { () throws(StateStore.Fault) in
            try store.prepare(planned, files: steps)
        }
        do throws(RunStop) {
            try perform(changes, folders: folders.filter { earlier?.folders.contains($0) != true })
        } catch {
            if holdsNothing(of: steps) { try restore(earlier) }
            throw error
        }
        return record
    }

    /// The record that was there before this run; what a run could not take back stays in its own.
    func restore(_ earlier: StateRecord?) throws(RunStop) {
        try stored { () throws(StateStore.Fault) in
            if let earlier { try store.store(earlier) } else { try store.clear() }
        }
    }

    /// Whether no file has the bytes that it was to get.
    private func holdsNothing(of steps: [StateFile]) -> Bool {
        steps.allSatisfy { step in
            // A file that cannot be read does not hold ours.
            step.previous == step.applied || (try? DiskTree().read(step.path).get()) != step.applied
        }
    }

    /// Makes what was written the state to come back to.
    func finish(_ record: StateRecord, _ steps: [StateFile]) throws(RunStop) {
        var record = record
        record.stage = .applied
        record.earlier = nil
        let kept = Set(steps.filter { $0.original != $0.applied }.map(\.path))
        record.entries = record.entries.filter { kept.contains($0.path) }
        record.folders = removeEmpty(record.folders)
        try save(record)
    }

    func save(_ record: StateRecord) throws(RunStop) {
        try stored { () throws(StateStore.Fault) in try store.store(record) }
    }

    /// Writes the steps, then forgets that we were here.
    func revert(_ steps: [StateFile], folders: [String]) throws(RunStop) {
        let changes = changes(steps)
        try preflight(changes)
        for step in steps { FileWriter.removeLeftover(step.path) }
        try perform(changes, folders: [])
        _ = removeEmpty(folders)
        try stored { () throws(StateStore.Fault) in try store.clear() }
    }

    func stored<T>(isBefore: Bool = false, _ body: () throws(StateStore.Fault) -> T) throws(RunStop) -> T {
        do throws(StateStore.Fault) {
            return try body()
        } catch {
            throw RunStop(error, folder: store.folder, isBefore: isBefore)
        }
    }

    private func preflight(_ changes: [FileChange]) throws(RunStop) {
        for change in changes {
            do throws(WriteFault) {
                try FileWriter.check(change.path, isRemoved: change.after == nil)
            } catch {
                throw RunStop(error, path: change.path)
            }
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
    private func perform(_ changes: [FileChange], folders: [String]) throws(RunStop) {
        for (number, change) in changes.enumerated() {
            do throws(WriteFault) {
                try FileWriter.write(change.path, before: change.before, after: change.after)
            } catch {
                for done in changes[..<number].reversed() {
                    // What cannot be taken back stays in the record, from which the next run goes on.
                    try? FileWriter.write(done.path, before: done.after, after: done.before)
                }
                _ = removeEmpty(folders)
                throw RunStop(error, path: change.path)
            }
        }
    }

    /// The folders of ours that stay, because something is in them.
    ///
    /// The others go: containerd would find an empty one and look no further.
    func removeEmpty(_ folders: [String]) -> [String] {
        folders.reversed().filter { !FileWriter.removeEmptyFolder($0) }.reversed()
    }
}
