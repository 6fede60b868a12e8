import TOMLEdit

/// Config path mode: a folder of `hosts.toml` files, and `config_path` naming it.
extension Planner {
    mutating func planConfigPath() throws(Refusal) {
        let root = try chooseRoot()
        if before.settings.writtenConfigPath.map(Path.clean) != Path.clean(root.written) {
            try checkNotOverridden(["config_path"])
            let key = registryPath + ["config_path"]
            try edit { editor throws(TOMLEditError) in try editor.set(key, to: .string(root.written)) }
        }
        try leaveMirrors()
        try leaveTLS()
        for target in request.registries {
            try planHosts(of: target.host, target: target, below: root.directory)
        }
        let targets = Set(request.registries.map(\.host))
        for host in migrated.keys.sorted() where !targets.contains(host) {
            try planHosts(of: host, target: nil, below: root.directory)
        }
    }

    /// The folder that is filled, and the value that `config_path` gets.
    private func chooseRoot() throws(Refusal) -> (directory: String, written: String) {
        let written = before.settings.writtenConfigPath ?? ""
        let asked = request.hostsDirectory
        guard !written.isEmpty else {
            let directory = Path.clean(asked ?? PlanRequest.hostsDirectoryDefault)
            return (directory, directory)
        }
        let place = before.place(of: ["config_path"])
        let refuse = { (rule: Finding.Rule, message: String, remedy: String) in
            Refusal(
                Finding(
                    .broken,
                    rule,
                    file: place?.file.path ?? main.path,
                    line: place?.line,
                    message,
                    remedy: remedy
                )
            )
        }
        let roots = written.split(separator: ":").map(String.init)
        guard let first = roots.first, roots.allSatisfy({ $0.hasPrefix("/") }) else {
            throw refuse(.relativePath, "config_path \(written) is not absolute", "write an absolute path")
        }
        if let asked, Path.clean(asked) != Path.clean(first) {
            throw refuse(
                .otherMode,
                "config_path is already \(written), not \(asked)",
                "leave --hosts-dir out, or change the file"
            )
        }
        guard roots.count > 1 || written.contains(":") else { return (Path.clean(written), written) }
        if version.hasTransferService {
            guard request.migrates else {
                throw refuse(
                    .pathList,
                    "config_path is the list \(written), for which containerd \(version) finds no hosts.toml",
                    "add --migrate to keep \(first) alone"
                )
            }
            return (Path.clean(first), first)
        }
        return (Path.clean(first), written)
    }

    private mutating func leaveMirrors() throws(Refusal) {
        let mirrors = before.settings.mirrors
        guard let host = mirrors.keys.min() else { return }
        try checkNotOverridden(["mirrors"])
        guard request.migrates else {
            let place = before.place(of: ["mirrors", host])
            throw Refusal(
                Finding(
                    .broken,
                    .otherMode,
                    file: place?.file.path ?? main.path,
                    line: place?.line,
                    "mirrors.\"\(host)\" is set, and a config_path beside it would keep the CRI plugin from starting",
                    remedy: "use --mode mirror, or add --migrate to turn mirrors into hosts.toml files"
                )
            )
        }
        for (host, _) in mirrors {
            let endpoints = before.settings.endpoints(of: host) ?? []
            if !endpoints.isEmpty { migrated[host] = endpoints }
        }
        let paths = mirrors.keys.sorted().map { registryPath + ["mirrors", $0] }
        try edit { editor throws(TOMLEditError) in try editor.remove(paths) }
    }

    private func leaveTLS() throws(Refusal) {
        guard version.generation == .one, let host = before.settings.tlsHosts.first else { return }
        let place = before.place(of: ["configs", host, "tls"])
        throw Refusal(
            Finding(
                .broken,
                .tlsConflict,
                file: place?.file.path ?? main.path,
                line: place?.line,
                "`configs.tls` cannot be set when `config_path` is provided: configs.\"\(host)\".tls is set",
                remedy: "use --mode mirror, or move its files to \(host)/hosts.toml as ca and client"
            )
        )
    }
}
