/// One `apply` between its plan and its files.
struct ApplyWork {
    /// Holds the lock while it lives.
    let files: RuntimeFiles
    let version: ContainerdVersion
    let plan: Plan
    let findings: [Finding]
    let steps: [StateFile]
    let changes: [FileChange]
    let earlier: StateRecord?
    let earlierFiles: [StateFile]
}

/// Restarting containerd with what was written, and going back when it does not come up.
///
/// States on disk: `prepared` while files are written, `restarting` from there until CRI is ok, then `applied`;
/// or back to the earlier record, or none, when it is not. A run that was killed in `restarting` is taken up by
/// the next one: it restarts once more, and goes back to the same bytes if that fails.
extension ContainerdCommands {
    /// Applies, and restarts containerd when what it reads at its start changed.
    package func apply(restart: ContainerdRestart) async -> Int32 {
        do throws(RunStop) {
            return try await runApply(restart)
        } catch {
            return show(error)
        }
    }

    /// Where to go back to.
    private struct WayBack {
        var record: StateRecord
        /// From the new bytes to the old.
        let changes: [FileChange]
        /// The record of the old bytes; `nil` for none.
        let earlier: StateRecord?
    }

    private func runApply(_ restart: ContainerdRestart) async throws(RunStop) -> Int32 {
        let (work, wayBack) = try RunStop.retrying { () throws(RunStop) -> (ApplyWork, WayBack?) in
            let work = try prepareApply()
            guard !options.isDryRun else { return (work, nil) }
            if self.report(work).needsRestart || isOwed(work, restart) { return (work, try begin(work)) }
            if let record = try write(work) { try work.files.finish(record, work.steps) }
            return (work, nil)
        }
        var report = self.report(work)
        guard let back = wayBack else {
            report.needsRestart = report.needsRestart || isOwed(work, restart)
            printChanges(report, work.findings)
            return ExitStatus.done
        }
        let began = ContinuousClock.now
        let outcome = await restart.run()
        guard case .failed(var reason, let kind) = outcome else {
            try work.files.finish(back.record, work.steps)
            return show(&report, work, "done", outcome, began)
        }
        if kind == .noAnswer, let words = await complaint() { reason += "\n\(words)" }
        let rejected = try goBack(back, work.files)
        var second = outcome
        if kind == .notReplaced, case .ready(let version) = await restart.health() {
            second = .ready(version: version)
        } else if kind != .notReplaced {
            second = await restart.run()
        }
        let name = if case .ready = second { "rolled-back" } else { "not-recovered" }
        return show(&report, work, name, second, began, reason: reason, rejected: rejected)
    }

    /// What containerd's own reader says of the files, where that is what kept it from starting.
    private func complaint() async -> String? {
        let dump = [options.binary, "--config", options.config, "config", "dump"]
        let run = await Program.run(dump, timeoutSeconds: 10)
        guard case .exited(let status) = run.ending, status != 0 else { return nil }
        return run.output.split(separator: "\n").last.map(String.init)
    }

    /// Whether an earlier run changed a file, and containerd has not been started since.
    private func isOwed(_ work: ApplyWork, _ restart: ContainerdRestart) -> Bool {
        let files = (work.earlier?.entries ?? []).map(\.path).filter(isConfiguration)
        guard !files.isEmpty, case .process(let process) = RunningContainerd.owner(of: restart.socket)
        else { return false }
        return files.contains(where: process.isOlder)
    }

    /// Writes, or takes up a restart that an earlier run did not see the end of.
    private func begin(_ work: ApplyWork) throws(RunStop) -> WayBack {
        if work.changes.isEmpty, let record = work.earlier, record.stage != .prepared {
            // Without a known earlier state the way back is to the originals.
            let isUnfinished = record.stage == .restarting
            let changes = work.earlierFiles.map {
                FileChange(path: $0.path, before: $0.applied, after: isUnfinished ? $0.previous : $0.original)
            }
            return WayBack(record: record, changes: changes, earlier: record.earlier?.first)
        }
        guard var record = try write(work) else { preconditionFailure("there was something to write") }
        record.stage = .restarting
        record.earlier = work.earlier.map { earlier in
            var earlier = earlier
            earlier.earlier = nil
            return [earlier]
        }
        try work.files.save(record)
        let changes = work.changes.map { FileChange(path: $0.path, before: $0.after, after: $0.before) }
        return WayBack(record: record, changes: changes, earlier: work.earlier)
    }

    /// Puts the old bytes back, also over what somebody else wrote meanwhile, which is kept aside: with it
    /// containerd did not come up.
    private func goBack(_ back: WayBack, _ files: RuntimeFiles) throws(RunStop) -> [String] {
        var rejected: [String] = []
        for change in back.changes.reversed() where change.before != change.after {
            let copy = try files.stored { () throws(StateStore.Fault) in
                try putBack(change, back.record.generation, files.store)
            }
            if let copy { rejected.append(copy) }
        }
        _ = files.removeEmpty(back.record.folders.filter { back.earlier?.folders.contains($0) != true })
        try files.restore(back.earlier)
        return rejected
    }

    /// Returns the path of the copy of what stood there, if that was not ours.
    private func putBack(
        _ change: FileChange,
        _ generation: Int,
        _ store: StateStore
    ) throws(StateStore.Fault) -> String? {
        var copy: String?
        for attempt in 1... {
            // A file that cannot be read cannot be written either, which says so.
            let current = try? disk.read(change.path).get()
            if let current, current != change.before, current != change.after {
                copy = try store.keepRejected(current, of: change.path, generation: generation)
            }
            do throws(WriteFault) {
                if current != change.after {
                    try FileWriter.write(change.path, before: current, after: change.after)
                }
                return copy
            } catch {
                // Somebody writes again and again: five times is no coincidence.
                guard error == .changedMeanwhile, attempt < 5 else {
                    throw .write(path: change.path, error)
                }
            }
        }
        return copy
    }
}

extension ContainerdCommands {
    private func show(
        _ report: inout ApplyReport,
        _ work: ApplyWork,
        _ name: String,
        _ last: ContainerdRestart.Outcome,
        _ began: ContinuousClock.Instant,
        reason: String? = nil,
        rejected: [String] = []
    ) -> Int32 {
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        let serving: String? = if case .ready(let version) = last { version } else { nil }
        report.needsRestart = false
        report.restart = RestartReport(
            outcome: name,
            seconds: seconds,
            serving: serving,
            reason: reason,
            rejected: rejected
        )
        printChanges(report, work.findings)
        let time = "\((seconds * 10).rounded() / 10) s"
        guard let reason else {
            if !options.isJSON {
                output.out("restarted: \(serving ?? "containerd") serves CRI after \(time)")
            }
            return ExitStatus.done
        }
        output.err("broken: containerd did not come up with the change: \(reason)")
        for copy in rejected {
            output.err("note: somebody else changed a file meanwhile; what stood there is in \(copy)")
        }
        switch last {
        case .ready(let version):
            output.err("rolled back: the old bytes are in place, and \(version) serves CRI (\(time))")
            return ExitStatus.rolledBack
        case .failed(let words, _):
            output.err(
                "rolled back: the old bytes are in place, but CRI is not ok with them either: \(words)"
            )
            return ExitStatus.notRecovered
        }
    }
}
