import TOMLEdit

/// Mirror mode: one `endpoint` list per registry.
extension Planner {
    mutating func planMirrors() throws(Refusal) {
        try leaveConfigPath()
        for target in request.registries {
            try set(["mirrors", target.host, "endpoint"], to: .strings(endpoints(for: target)))
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
                pluginName == PluginName.images
                    || editors[main.path]?.document.root[["version"]] == .integer(3)
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
        if !written.isEmpty { try checkUnusedPath(written, isWritten: true) }
        if version.hasDefaultPath, written.isEmpty, settings.usesLocalPull(version) {
            try checkUnusedPath(settings.configPath(version), isWritten: false)
        }
        try leaveInertPath()
        guard !written.isEmpty || version.hasStubbornDefaultPath else { return }
        try set(["config_path"], to: .string(""))
    }

    /// A name that does not count now would after a change of release or of the file's version.
    private mutating func leaveInertPath() throws(Refusal) {
        guard version.generation != .one else { return }
        for key in inertKeys(["config_path"]) {
            guard request.migrates else {
                throw Refusal(
                    Finding(
                        .broken,
                        .otherMode,
                        file: key.path,
                        line: key.line,
                        "config_path is set under a plugin name that does not count beside the other one",
                        remedy: "use --mode config-path, or add --migrate to empty it"
                    )
                )
            }
            try edit(key.path) { editor throws(TOMLEditError) in try editor.set(key.key, to: .string("")) }
        }
    }

    /// A config path is left only when it is asked for and no host is configured below it.
    private func checkUnusedPath(_ written: String, isWritten: Bool) throws(Refusal) {
        let place = before.place(of: ["config_path"])
        let file = place?.file.path ?? main.path
        guard request.migrates || !isWritten else {
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
