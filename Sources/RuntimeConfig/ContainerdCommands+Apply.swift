/// Writing.
///
/// `apply` is declarative: it plans from the files as they would be without an earlier `apply`, so that
/// changed options, another mode or fewer registries leave nothing behind, and a second run finds nothing to
/// do.
extension ContainerdCommands {
    package func apply() -> Int32 {
        do throws(RunStop) {
            let work = try RunStop.retrying { () throws(RunStop) in
                let work = try prepareApply()
                if !options.isDryRun, let record = try write(work) { try work.files.finish(record, work.steps) }
                return work
            }
            printChanges(report(work), work.findings)
            return ExitStatus.done
        } catch {
            return show(error)
        }
    }

    /// Plans, and writes nothing.
    func prepareApply() throws(RunStop) -> ApplyWork {
        guard !options.registries.isEmpty else {
            throw RunStop(
                ExitStatus.refused,
                Finding(
                    .broken,
                    .usage,
                    file: options.config,
                    "no registry is named",
                    remedy: "add --registry HOST, --registry HOST=URL, or --all-registries"
                )
            )
        }
        let version = try containerdVersion()
        let files = files()
        let state = try files.open(locks: !options.isDryRun)
        let base = try files.undone(state)
        let made = Set(state?.record.folders ?? [])
        let tree = PlannedTree(base: files.tree, planned: base.files, passing: made)
        let plan: Plan
        let proof: [Finding]
        do throws(Refusal) {
            plan = try Plan.make(
                request(mode: options.mode, registries: options.registries),
                version: version,
                tree: tree
            )
            let dump = DumpProof(binary: options.binary, version: version, config: options.config)
            proof = try dump.check(plan.changes, on: tree).map { [$0] } ?? []
        } catch {
            throw RunStop(error)
        }
        let steps = files.steps(base: base, plan: plan.changes)
        return ApplyWork(
            files: files,
            version: version,
            plan: plan,
            findings: plan.findings + proof + takenOut(state?.record),
            steps: steps,
            changes: files.changes(steps),
            earlier: state?.record,
            earlierFiles: state?.files ?? []
        )
    }

    /// Registries that an earlier run routed and this one does not name any more.
    private func takenOut(_ earlier: StateRecord?) -> [Finding] {
        let named = Set(options.registries.map(\.host))
        let earlier = (earlier?.registries ?? []).compactMap(RegistryTarget.recorded)
        return earlier.filter { !named.contains($0.host) }.map {
            Finding(
                .note,
                .takenOut,
                file: options.config,
                "\($0.isAll ? "--all-registries" : $0.host) was routed by the last apply and is not named by this one: it"
                    + " is taken out",
                remedy: "name it as well to keep it"
            )
        }
    }

    func report(_ work: ApplyWork) -> ApplyReport {
        ApplyReport(
            config: options.config,
            containerdVersion: work.version.description,
            mode: work.plan.mode.rawValue,
            reason: work.plan.reason,
            isDryRun: options.isDryRun,
            needsRestart: work.changes.contains { isConfiguration($0.path) }
                || work.earlier?.stage == .restarting,
            changes: work.changes.map(ChangeReport.init),
            findings: work.findings.map(FindingReport.init)
        )
    }

    /// The record is `prepared` until it is finished; `nil` when everything was as it should be.
    func write(_ work: ApplyWork) throws(RunStop) -> StateRecord? {
        try work.files.write(
            work.steps,
            mode: work.plan.mode.rawValue,
            registries: options.registries,
            earlier: work.earlier
        )
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
        } else if report.needsRestart, findings.contains(where: { $0.severity == .broken }) {
            output.out("these are the bytes from before; repair them before containerd starts again")
        } else if report.needsRestart, !report.isDryRun, report.restart == nil {
            output.out("restart containerd to make it take effect: systemctl restart containerd")
        }
    }
}
