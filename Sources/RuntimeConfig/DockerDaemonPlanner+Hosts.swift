/// hosts.toml files for Docker.
extension DockerDaemonPlanner {
    /// Docker 28, the first to read such files, brings the reader of this release.
    private static let reader = ContainerdVersion(2, 0, 2)

    func hostsPlan(_ tree: any FileTree) -> HostsPlan {
        HostsPlan(
            mirror: mirror, version: Self.reader, tree: tree,
            directories: [Path.join(Path.directory(config), "certs.d")])
    }

    func planHosts(
        _ targets: [RegistryTarget], _ file: File, _ tree: any FileTree, _ plan: inout RuntimePlan
    ) throws(Refusal) {
        guard file.usesContainerdStore != false else {
            throw Refusal(
                Finding(
                    .broken, .unsupported, file: config,
                    "\(targets[0].host): features.containerd-snapshotter is false, and Docker's own image store has mirrors"
                        + " for Docker Hub only",
                    remedy: "name \(Self.hub) alone, or have Docker use containerd's image store"))
        }
        let hosts = hostsPlan(tree)
        var planned: [String: [UInt8]?] = [:]
        for target in targets {
            let made = try hosts.make(target.host, target: target)
            plan.findings += made.notes
            planned[made.path] = made.bytes
            // A missing file is `nil`; an unreadable one was refused.
            let before = try? tree.read(made.path).get()
            if before != made.bytes {
                plan.changes.append(FileChange(path: made.path, before: before, after: made.bytes))
            }
        }
        let after = hostsPlan(PlannedTree(base: tree, planned: planned))
        for target in targets {
            guard let fault = after.fault(of: target) else { continue }
            throw Refusal(
                Finding(
                    .broken, .proofFailed, file: fault.file,
                    "the planned file was not accepted: \(fault.message)",
                    remedy: "nothing was written; please report this file"))
        }
        guard file.usesContainerdStore == nil else { return }
        plan.findings.append(
            Finding(
                .note, .containerdStore, file: config,
                "Docker reads hosts.toml from version 28 on, and only with containerd's image store",
                remedy: "see that `docker info -f '{{ .DriverStatus }}'` names io.containerd.snapshotter.v1"))
    }
}

extension HostsPlan {
    /// What is asked for a registry with the files as they are.
    func report(_ target: RegistryTarget) -> RegistryReport {
        let found = HostsLookup.find(
            target.isAll ? "_default" : target.host, below: directories, version: version, tree: tree)
        let file = found.file.flatMap { $0.faults.isEmpty ? $0 : nil }
        let hosts = file?.hosts.map(\.url) ?? []
        let last = file?.server ?? target.url
        return RegistryReport(
            host: target.host,
            asks: hosts + (hosts.contains { Endpoint.same($0, last) } ? [] : [last]),
            file: file?.path,
            isRouted: hosts.first.map { Endpoint.same($0, mirror.url) } ?? false)
    }
}
