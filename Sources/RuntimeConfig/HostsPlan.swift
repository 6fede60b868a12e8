import TOMLEdit

/// One registry's `hosts.toml`: ours in front, the user's hosts behind it, the registry itself last.
///
/// Whoever reads such files may use it: containerd, and Docker with containerd's image store.
struct HostsPlan {
    static let capabilities = TOMLEntry("capabilities", .strings(["pull", "resolve"]))
    static let registryHeader = "X-Dragonfly-Registry"

    let mirror: Endpoint
    /// The release whose reader counts.
    let version: ContainerdVersion
    let tree: any FileTree
    /// Folders in which a registry's folder is looked for, in that order; never empty.
    let directories: [String]
    /// Keys of hosts.toml by the host whose `configs.HOST.tls` said the same.
    var tls: [String: [TOMLEntry]] = [:]

    struct File {
        let path: String
        let bytes: [UInt8]
        let notes: [Finding]
    }

    /// `target` is `nil` for a registry whose mirrors or certificates only move here from config.toml; `extra` are
    /// those mirrors.
    func make(_ host: String, target: RegistryTarget?, extra: [String] = []) throws(Refusal) -> File {
        let name = host == RegistryTarget.all.host ? "_default" : host
        let found = HostsLookup.find(name, below: directories, version: version, tree: tree)
        let own = found.isDefault && name != "_default" ? nil : found.directory
        // `_default` in the first of several folders would hide everything in the others.
        let root = name == "_default" ? directories[directories.count - 1] : directories[0]
        let directory = own ?? Path.join(root, name)
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
        var route = HostsEditor.Route(host: host, target: target, mirror: mirror, tls: tls)
        var editor: HostsEditor
        if own != nil, let file = found.file {
            editor = try HostsEditor(existing: file, route)
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
            editor = try HostsEditor(new: path, route)
            if found.isDefault, own == nil, let file = found.file, name != "_default" {
                try editor.inherit(file)
            }
        }
        let notes = editor.notes
        try editor.run(extra: extra)
        return File(path: path, bytes: editor.bytes, notes: notes)
    }
}

extension HostsPlan {
    /// Why the registry would not be asked through the mirror first and at its own address last; `nil` when it would.
    func fault(of target: RegistryTarget) -> (message: String, file: String)? {
        let found = HostsLookup.find(
            target.isAll ? "_default" : target.host, below: directories, version: version, tree: tree)
        guard let file = found.file, found.fault == nil, file.faults.isEmpty,
            found.isDefault == target.isAll
        else { return ("containerd \(version) would drop the file", found.directory ?? directories[0]) }
        guard let first = file.hosts.first, Endpoint.same(first.url, mirror.url),
            first.capabilities.isSuperset(of: ["pull", "resolve"])
        else { return ("the mirror would not be asked first", file.path) }
        let last = file.server ?? target.url
        guard !Endpoint.same(last, mirror.url) else {
            return ("the registry itself would not be asked last", file.path)
        }
        return nil
    }
}
