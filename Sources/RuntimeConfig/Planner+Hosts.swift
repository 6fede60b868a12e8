import TOMLEdit

/// One registry's `hosts.toml`: ours in front, the user's hosts behind it, the registry itself last.
extension Planner {
    static let capabilities = TOMLEntry("capabilities", .strings(["pull", "resolve"]))
    static let registryHeader = "X-Dragonfly-Registry"

    /// `target` is `nil` for a registry whose mirrors or certificates only move here from config.toml.
    mutating func planHosts(of host: String, target: RegistryTarget?, below roots: Roots) throws(Refusal) {
        let name = host == "*" ? "_default" : host
        let found = HostsLookup.find(name, below: roots.directories, version: version, tree: tree)
        let own = found.isDefault && name != "_default" ? nil : found.directory
        // `_default` in the first of several folders would hide everything in the others.
        let directory = own ?? Path.join(name == "_default" ? roots.last : roots.first, name)
        let path = Path.join(directory, "hosts.toml")
        if let fault = found.fault {
            throw Refusal(
                Finding(
                    .broken,
                    .unreadable,
                    file: fault == .notAFile ? directory : path,
                    "\(path) \(fault.sentence), and containerd fails each pull there",
                    remedy: "move it away"
                )
            )
        }
        var route = HostsEditor.Route(host: host, target: target, mirror: request.mirror, tls: tls)
        var hostsEditor: HostsEditor
        if own != nil, let file = found.file {
            hostsEditor = try HostsEditor(existing: file, route)
            notes += hostsEditor.notes
        } else {
            route.certificates =
                try own.map { directory throws(Refusal) in try self.certificates(in: directory) } ?? []
            hostsEditor = try HostsEditor(new: path, route)
            if found.isDefault, own == nil, let file = found.file, host != "*" {
                try hostsEditor.inherit(file)
            }
        }
        try hostsEditor.run(extra: migrated[host] ?? (target == nil ? [] : migrated["*"] ?? []))
        hosts[path] = hostsEditor.bytes
    }

    /// Certificates laid out as Docker has them.
    ///
    /// Containerd stops looking at them once a hosts.toml exists.
    private func certificates(in directory: String) throws(Refusal) -> [TOMLEntry] {
        let names: [String]
        do throws(FileFault) {
            names = try tree.names(in: directory).get()
        } catch {
            throw Refusal(Finding(.broken, .unreadable, file: directory, "\(directory) \(error.sentence)"))
        }
        let authorities = names.filter { $0.hasSuffix(".crt") }
        let pairs = names.filter { $0.hasSuffix(".cert") }.compactMap { certificate -> [String]? in
            let key = certificate.dropLast(4) + "key"
            return names.contains(String(key)) ? [certificate, String(key)] : nil
        }
        var entries: [TOMLEntry] = []
        if !authorities.isEmpty { entries.append(TOMLEntry("ca", .strings(authorities))) }
        if !pairs.isEmpty { entries.append(HostsKeys.client(pairs)) }
        return entries
    }
}
