/// Brings a set of files to new content, with the record that takes it back.
///
/// The record names every byte that was and will be before the first file changes; files change one at a
/// time, each in one step; if one cannot, those before it change back.
struct RuntimeFiles {
    let config: String
    let mirror: String
    let store: StateStore
    let disk: any FileTree
    /// Whether bytes can be read in the runtime's format.
    let isReadable: ([UInt8]) -> Bool

    enum Stop: Error {
        case refused(Refusal)
        case store(StateStore.Fault)
        case write(path: String, WriteFault)
    }

    /// What an earlier run left, once nobody else is at work.
    func open(locks: Bool) throws(Stop) -> (record: StateRecord, files: [StateFile])? {
        do throws(StateStore.Fault) {
            if locks { try store.acquire() }
            return try store.load()
        } catch {
            throw .store(error)
        }
    }

    /// The files as they would be had we never been here: the original bytes where nobody edited, else the
    /// user's edit without ours.
    func undone(_ files: [StateFile]) throws(Stop) -> [String: [UInt8]?] {
        var result: [String: [UInt8]?] = [:]
        for file in files { result[file.path] = .some(try undone(file)) }
        return result
    }

    private func undone(_ file: StateFile) throws(Stop) -> [UInt8]? {
        let current: [UInt8]
        switch disk.read(file.path) {
        case .success(let bytes): current = bytes
        case .failure(.missing): return nil
        case .failure(let fault):
            throw .refused(
                Refusal(Finding(.broken, .unreadable, file: file.path, "\(file.path) \(fault.sentence)")))
        }
        if current == file.applied || current == file.original || current == file.previous {
            return file.original
        }
        guard let applied = file.applied else { return current }
        if let merged = ThreeWay.undo(applied: applied, original: file.original ?? [], current: current) {
            let isBlank = merged.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D || $0 == 0x0A }
            if file.original == nil, isBlank { return nil }
            if isReadable(merged) || !isReadable(current) { return merged }
        }
        // Without our address nothing of ours is left in it.
        let address = mirror.split(separator: "/").last.map(String.init) ?? mirror
        if !String(decoding: current, as: UTF8.self).contains(address) { return current }
        let line = LineDiff.hunks(LineDiff.lines(applied), LineDiff.lines(current)).first.map {
            $0.new.lowerBound + 1
        }
        throw .refused(
            Refusal(
                Finding(
                    .broken, .editedSince, file: file.path, line: line,
                    "the file was edited since in the same places, so our part cannot be told from yours",
                    remedy: "take out what names \(address) by hand, then run the command again")))
    }

    /// The steps from what is on disk to `wanted`; a file that is missing in `base` was never ours.
    func steps(base: [String: [UInt8]?], plan: [FileChange]) -> [StateFile] {
        let planned = [String: FileChange](plan.map { ($0.path, $0) }, uniquingKeysWith: { _, last in last })
        let changed = plan.map {
            StateFile(path: $0.path, original: $0.before, applied: $0.after, previous: current($0.path))
        }
        let restored = base.keys.filter { planned[$0] == nil }.sorted().map { path in
            let original = base[path] ?? nil
            return StateFile(path: path, original: original, applied: original, previous: current(path))
        }
        return changed + restored
    }

    private func current(_ path: String) -> [UInt8]? {
        try? disk.read(path).get()  // Files that exist but cannot be read were refused before.
    }

    /// What is different; new files before removed ones.
    func changes(_ steps: [StateFile]) -> [FileChange] {
        let changes = steps.filter { $0.applied != $0.previous }
            .map { FileChange(path: $0.path, before: $0.previous, after: $0.applied) }
        return changes.filter { $0.after != nil } + changes.filter { $0.after == nil }
    }

    /// Writes the steps and the record; without any step that differs from the original, there is none.
    func write(
        _ steps: [StateFile], runtime: String, registries: [RegistryTarget], earlier: StateRecord?
    ) throws(Stop) {
        let changes = changes(steps)
        if changes.isEmpty, earlier == nil || earlier?.stage == .applied { return }
        try preflight(changes)
        var folders = earlier?.folders ?? []
        for change in changes where change.before == nil {
            for folder in FileWriter.missingFolders(Path.directory(change.path))
            where !folders.contains(folder) {
                folders.append(folder)
            }
        }
        var record = StateRecord(
            config: config, mode: runtime, mirror: mirror,
            registries: registries.map { "\($0.host)=\($0.url)" },
            stage: .prepared, generation: (earlier?.generation ?? 0) + 1, entries: [], folders: folders)
        do throws(StateStore.Fault) { record = try store.prepare(record, files: steps) } catch {
            throw .store(error)
        }
        try perform(
            changes, folders: folders.filter { earlier?.folders.contains($0) != true }, leftovers: steps)
        let kept = Set(steps.filter { $0.original != $0.applied }.map(\.path))
        record.stage = .applied
        record.entries = record.entries.filter { kept.contains($0.path) }
        record.folders = removeEmpty(folders)
        do throws(StateStore.Fault) { try store.store(record) } catch { throw .store(error) }
    }

    /// Writes the steps, then forgets that we were here.
    func revert(_ steps: [StateFile], folders: [String]) throws(Stop) {
        let changes = changes(steps)
        try preflight(changes)
        try perform(changes, folders: [], leftovers: steps)
        _ = removeEmpty(folders)
        do throws(StateStore.Fault) { try store.clear() } catch { throw .store(error) }
    }

    private func preflight(_ changes: [FileChange]) throws(Stop) {
        for change in changes {
            do throws(WriteFault) {
                try FileWriter.check(change.path, isRemoved: change.after == nil)
            } catch {
                throw .write(path: change.path, error)
            }
        }
    }

    private func perform(_ changes: [FileChange], folders: [String], leftovers: [StateFile]) throws(Stop) {
        for file in leftovers { FileWriter.removeLeftover(file.path) }
        for (number, change) in changes.enumerated() {
            do throws(WriteFault) {
                try FileWriter.write(change.path, before: change.before, after: change.after)
            } catch {
                for done in changes[..<number].reversed() {
                    // What cannot be taken back stays in the record, from which the next run goes on.
                    try? FileWriter.write(done.path, before: done.after, after: done.before)
                }
                _ = removeEmpty(folders)
                throw .write(path: change.path, error)
            }
        }
    }

    /// The folders of ours that stay, because something is in them.
    private func removeEmpty(_ folders: [String]) -> [String] {
        folders.reversed().filter { FileWriter.removeEmptyFolder($0) == false }.reversed()
    }
}
