import TOMLEdit

/// One registry's `hosts.toml`: ours in front, the user's hosts behind it, the registry itself last.
extension Planner {
    static let capabilities = TOMLEntry("capabilities", .strings(["pull", "resolve"]))
    static let registryHeader = "X-Dragonfly-Registry"

    /// `target` is `nil` for a registry whose mirrors or certificates only move here from config.toml.
    mutating func planHosts(of host: String, target: RegistryTarget?, below roots: Roots) throws(Refusal) {
        let name = host == RegistryTarget.all.host ? "_default" : host
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
            if let directory = own, target?.isAll == true, !route.certificates.isEmpty {
                throw Refusal(
                    Finding(
                        .broken,
                        .unsupported,
                        file: directory,
                        "the certificates in this folder count only as long as it has no hosts.toml",
                        remedy: "name them in \(path) as ca and client, and apply again"
                    )
                )
            }
            hostsEditor = try HostsEditor(new: path, route)
            if found.isDefault, own == nil, let file = found.file, name != "_default" {
                try hostsEditor.inherit(file)
            }
        }
        try hostsEditor.run(extra: migrated[host] ?? (target == nil ? [] : migrated["*"] ?? []))
        hosts[path] = hostsEditor.bytes
    }
}
