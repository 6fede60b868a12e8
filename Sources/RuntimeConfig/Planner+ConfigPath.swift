import TOMLEdit

/// Config path mode: a folder of `hosts.toml` files, and `config_path` naming it.
extension Planner {
    /// The folders in which containerd will look for a registry's folder, and what `config_path` becomes.
    struct Roots {
        /// In the order of the lookup; never empty.
        let directories: [String]
        /// `nil` leaves the setting as it is.
        let written: String?
    }

    mutating func planConfigPath() throws(Refusal) {
        let roots = try chooseRoots()
        // Before anything goes, so that it is quoted like what stood there.
        if let written = roots.written { try set(["config_path"], to: .string(written)) }
        try leaveMirrors()
        try leaveTLS()
        for target in request.registries {
            try planHosts(of: target.host, target: target, below: roots)
        }
        let targets = Set(request.registries.map(\.host))
        let moved = Set(migrated.keys).union(tls.keys.map(RegistryTarget.host(ofAuthority:)))
        for host in moved.sorted() where !targets.contains(host) {
            try planHosts(of: host, target: nil, below: roots)
        }
    }

    private func chooseRoots() throws(Refusal) -> Roots {
        let written = before.settings.writtenConfigPath ?? ""
        let asked = request.hostsDirectory
        if let asked, !asked.hasPrefix("/") || asked.contains(":") {
            throw refuse(
                .relativePath,
                "the hosts folder \(asked) is not one absolute path",
                "name one absolute path"
            )
        }
        let isLocal = before.settings.usesLocalPull(version, besidesMirrors: true)
        guard !written.isEmpty else { return builtInRoots(asked: asked, isLocal: isLocal) }
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
        guard written.contains(":"), version.hasTransferService, !isLocal else {
            return Roots(directories: roots.map(Path.clean), written: nil)
        }
        guard request.migrates else {
            throw refuse(
                .pathList,
                "config_path is the list \(written), for which containerd \(version) finds no hosts.toml",
                "add --migrate to keep \(first) alone"
            )
        }
        return Roots(directories: [Path.clean(first)], written: first)
    }

    /// Where the built-in list is in force and its second folder in use, the setting stays as it is: one folder
    /// would put the other out of use.
    private func builtInRoots(asked: String?, isLocal: Bool) -> Roots {
        let effective = before.settings.configPath(version).split(separator: ":").map(String.init)
        if asked == nil, isLocal, before.settings.mirrors.isEmpty,
            // A folder that cannot be read holds nothing for containerd either.
            effective.dropFirst().contains(where: { (try? tree.names(in: $0).get())?.isEmpty == false })
        {
            return Roots(directories: effective, written: nil)
        }
        let directory = Path.clean(asked ?? PlanRequest.hostsDirectoryDefault)
        return Roots(directories: [directory], written: directory)
    }

    private func refuse(_ rule: Finding.Rule, _ message: String, _ remedy: String) -> Refusal {
        let place = before.place(of: ["config_path"])
        let file = place?.file.path ?? main.path
        return Refusal(Finding(.broken, rule, file: file, line: place?.line, message, remedy: remedy))
    }

    private mutating func leaveMirrors() throws(Refusal) {
        let inert = inertKeys(["mirrors"]).filter { _ in version.generation != .one }
        let mirrors = before.settings.mirrors
        guard let host = mirrors.keys.min() ?? inert.first?.host else { return }
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
        try remove(mirrors.keys.sorted().map { ["mirrors", $0] })
        for key in inert {
            try edit(key.path) { editor throws(TOMLEditError) in try editor.remove(key.key) }
        }
    }

    /// Containerd 1 does not start its CRI plugin with both, so what `configs.HOST.tls` says moves to the
    /// hosts.toml of that host.
    private mutating func leaveTLS() throws(Refusal) {
        let hosts = before.settings.tlsHosts
        guard version.generation == .one, let host = hosts.first else { return }
        let place = before.place(of: ["configs", host, "tls"])
        guard request.migrates else {
            throw Refusal(
                Finding(
                    .broken,
                    .tlsConflict,
                    file: place?.file.path ?? main.path,
                    line: place?.line,
                    "`configs.tls` cannot be set when `config_path` is provided: configs.\"\(host)\".tls is set",
                    remedy: "use --mode mirror, or add --migrate to move it to \(host)/hosts.toml"
                )
            )
        }
        for host in hosts {
            let table = before.settings.registry[["configs", host, "tls"]] ?? .table([:])
            guard let keys = HostsKeys(tls: table), RegistryTarget(host) != nil else {
                let place = before.place(of: ["configs", host, "tls"])
                throw Refusal(
                    Finding(
                        .broken,
                        .tlsConflict,
                        file: place?.file.path ?? main.path,
                        line: place?.line,
                        "configs.\"\(host)\".tls cannot be moved: it needs absolute paths, and a certificate its key",
                        remedy: "use --mode mirror, or correct the table"
                    )
                )
            }
            tls[host] = keys.entries
        }
        try remove(hosts.map { ["configs", $0, "tls"] })
    }
}

/// What a `configs.HOST.tls` table says, in the words of hosts.toml.
struct HostsKeys {
    let entries: [TOMLEntry]

    /// `nil` when the words do not carry over: relative paths mean another folder there.
    init?(tls: TOMLNode) {
        guard let table = tls.table else { return nil }
        var files: [String: String] = [:]
        for key in ["ca_file", "cert_file", "key_file"] {
            guard let value = table[key], value != .string("") else { continue }
            guard let path = value.string, path.hasPrefix("/") else { return nil }
            files[key] = path
        }
        guard (files["cert_file"] == nil) == (files["key_file"] == nil) else { return nil }
        var entries: [TOMLEntry] = []
        if let authority = files["ca_file"] { entries.append(TOMLEntry("ca", .string(authority))) }
        if let certificate = files["cert_file"], let key = files["key_file"] {
            entries.append(Self.client([[certificate, key]]))
        }
        switch table["insecure_skip_verify"] {
        case nil, .boolean(false): break
        case .boolean(true): entries.append(TOMLEntry("skip_verify", .boolean(true)))
        default: return nil
        }
        self.entries = entries
    }

    /// `client` in the spelling for several pairs of certificate and key.
    static func client(_ pairs: [[String]]) -> TOMLEntry {
        let node = TOMLNode.array(pairs.map { .array($0.map { .string($0) }) })
        let texts = pairs.map { "[" + $0.map { "\"\($0)\"" }.joined(separator: ", ") + "]" }
        return TOMLEntry(
            "client",
            .raw(Array("[\(texts.joined(separator: ", "))]".utf8), meaning: node)
        )
    }

    static let names: Set<String> = ["ca", "client", "skip_verify"]
}
