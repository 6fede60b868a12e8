import TOMLEdit

/// Judges the planned bytes exactly as the bytes on disk were judged.
extension Planner {
    func prove(_ changes: [FileChange]) throws(Refusal) -> Judgement {
        let planned = [String: [UInt8]?](
            changes.map { ($0.path, $0.after) },
            uniquingKeysWith: { _, last in last }
        )
        let plannedTree = PlannedTree(base: tree, planned: planned)
        let after = Judgement(
            version,
            try ConfigFiles.load(main: main.path, version: version, tree: plannedTree)
        )
        let broken = after.findings.filter { $0.severity == .broken }
        if !broken.isEmpty { throw Refusal(broken) }
        try proveRest(after)
        switch mode {
        case .mirror: try proveMirrors(after)
        case .configPath: try proveConfigPath(after, plannedTree)
        }
        return after
    }

    private func fail(_ message: String, file: String? = nil) -> Refusal {
        Refusal(
            Finding(
                .broken,
                .proofFailed,
                file: file ?? main.path,
                "the planned settings were not accepted: \(message)",
                remedy: "nothing was written; please report this file"
            )
        )
    }

    private func proveMirrors(_ after: Judgement) throws(Refusal) {
        guard after.settings.configPath(version).isEmpty else { throw fail("config_path is still set") }
        let targets = Set(request.registries.map(\.host))
        for target in request.registries
        where after.settings.endpoints(of: target.host) != endpoints(for: target) {
            throw fail("containerd \(version) would not ask the mirror for \(target.host)")
        }
        for (host, mirror) in before.settings.mirrors where !targets.contains(host) {
            guard after.settings.mirrors[host] == mirror else {
                throw fail("mirrors.\"\(host)\" would change")
            }
        }
    }

    private func proveConfigPath(_ after: Judgement, _ plannedTree: PlannedTree) throws(Refusal) {
        guard after.settings.mirrors.isEmpty else { throw fail("mirrors are still set") }
        let path = after.settings.configPath(version)
        let roots = path.split(separator: ":").map(String.init)
        guard !roots.isEmpty else { throw fail("config_path is not set") }
        guard !path.contains(":") || after.settings.usesLocalPull(version) else {
            throw fail("config_path is still a list")
        }
        let hosts = HostsPlan(
            mirror: request.mirror, version: version, tree: plannedTree, directories: roots)
        for target in request.registries {
            if let fault = hosts.fault(of: target) { throw fail(fault.message, file: fault.file) }
        }
    }

    /// Everything but the two settings, in every plugin, must mean what it meant.
    private func proveRest(_ after: Judgement) throws(Refusal) {
        guard rest(of: before.settings) == rest(of: after.settings) else {
            throw fail("a setting that is not part of the change would get another value")
        }
    }

    private func rest(of settings: EffectiveSettings) -> TOMLNode {
        var root = settings.root
        root.remove(["version"]) { _ in true }
        for name in PluginName.all {
            for key in ["config_path", "mirrors"] {
                root.remove(["plugins", name, "registry", key]) { _ in true }
            }
            let configs = ["plugins", name, "registry", "configs"]
            for host in tls.keys { root.remove(configs + [host, "tls"]) { _ in true } }
            // Tables on the way that hold nothing are the same as none.
            for path in tls.keys.map({ configs + [$0] })
                + [configs, ["plugins", name, "registry"], ["plugins", name], ["plugins"]]
            where root[path] == .table([:]) {
                root.remove(path) { _ in true }
            }
        }
        return root
    }
}
