import TOMLEdit

/// Mirror mode: one `endpoint` list per registry.
extension Planner {
    mutating func planMirrors() throws(Refusal) {
        try leaveConfigPath()
        for target in request.registries {
            try checkNotOverridden(["mirrors", target.host])
            let key = registryPath + ["mirrors", target.host, "endpoint"]
            let wanted = endpoints(for: target)
            try edit { editor throws(TOMLEditError) in try editor.set(key, to: .strings(wanted)) }
        }
    }

    /// Ours first, the user's own in their order, the registry itself last.
    ///
    /// A `*` entry, which containerd would not look at any more, gives its endpoints to the new one.
    func endpoints(for target: RegistryTarget) -> [String] {
        let settings = before.settings
        let existing = settings.endpoints(of: target.host) ?? settings.endpoints(of: "*") ?? []
        let ours = existing.first { Endpoint.same($0, request.mirror.url) } ?? request.mirror.url
        let registry = existing.first { Endpoint.same($0, target.url) } ?? target.url
        let others = existing.filter { !Endpoint.same($0, ours) && !Endpoint.same($0, registry) }
        // Containerd itself adds the registry, which a general entry cannot name.
        return target.isAll ? [ours] + others : [ours] + others + [registry]
    }

    /// Makes sure that no `config_path` stands beside the mirrors.
    private mutating func leaveConfigPath() throws(Refusal) {
        let settings = before.settings
        if version.hasStubbornDefaultPath {
            guard settings.fileVersion >= 3,
                pluginName == PluginName.images || editor.document.root[["version"]] == .integer(3)
            else {
                throw Refusal(
                    Finding(
                        .broken,
                        .conflict,
                        file: main.path,
                        line: main.document.line(of: ["version"]),
                        "containerd \(version) sets a config_path of its own, which only a version 3 file can empty",
                        remedy: "use --mode config-path, or update containerd to 2.2.2"
                    )
                )
            }
        }
        let written = settings.writtenConfigPath ?? ""
        if !written.isEmpty {
            try checkNotOverridden(["config_path"])
            try checkUnusedPath(written)
        }
        guard !written.isEmpty || version.hasStubbornDefaultPath else { return }
        let key = registryPath + ["config_path"]
        try edit { editor throws(TOMLEditError) in try editor.set(key, to: .string("")) }
    }

    /// A config path is left only when it is asked for and no host is configured below it.
    private func checkUnusedPath(_ written: String) throws(Refusal) {
        let place = before.place(of: ["config_path"])
        let file = place?.file.path ?? main.path
        guard request.migrates else {
            throw Refusal(
                Finding(
                    .broken,
                    .otherMode,
                    file: file,
                    line: place?.line,
                    "config_path is set to \(written), and mirrors beside it would keep the CRI plugin from starting",
                    remedy: "use --mode config-path, or add --migrate to empty config_path"
                )
            )
        }
        for root in written.split(separator: ":").map(String.init) {
            // A folder that cannot be read holds nothing for containerd either.
            for name in (try? tree.names(in: root).get()) ?? [] {
                let hostsFile = Path.join(Path.join(root, name), "hosts.toml")
                guard case .failure(.missing) = tree.read(hostsFile) else {
                    throw Refusal(
                        Finding(
                            .broken,
                            .otherMode,
                            file: hostsFile,
                            "this file is in use by config_path = \(written)",
                            remedy: "use --mode config-path"
                        )
                    )
                }
            }
        }
    }
}
