import TOMLEdit

/// What the registry settings themselves come to.
extension Rules {
    /// Containerd 1 opens the files of `tls` as they are named, and fails the pull when one is not there.
    mutating func checkFiles() {
        guard version.generation == .one, settings.configPath(version).isEmpty else { return }
        for host in settings.tlsHosts {
            for name in ["ca_file", "cert_file", "key_file"] {
                let key = ["configs", host, "tls", name]
                guard let path = settings.registry[key]?.string, !path.isEmpty, !path.hasPrefix("/") else { continue }
                let place = Self.place(of: key, in: files.files)
                append(
                    Finding(
                        .advice,
                        .relativeFile,
                        file: place?.file.path ?? files.main.path,
                        line: place?.line,
                        "containerd looks for the \(name) of \(host) in its working directory, which is / under systemd;"
                            + " where it is not there, every pull from \(host) fails",
                        remedy: "write an absolute path"
                    )
                )
            }
        }
    }

    mutating func checkConflict() {
        let path = settings.configPath(version)
        guard !path.isEmpty else { return }
        if let host = settings.mirrors.keys.min() {
            let mirror = Self.place(of: ["mirrors", host], in: files.files)
            let other = Self.place(of: ["config_path"], in: files.files)
            let source =
                other.map { "config_path at \($0.file.path):\($0.line)" } ?? "the built-in config_path"
            append(
                Finding(
                    .broken,
                    .conflict,
                    file: mirror?.file.path ?? files.main.path,
                    line: mirror?.line,
                    "`mirrors` cannot be set when `config_path` is provided: mirrors.\"\(host)\" stands beside"
                        + " \(source), so containerd \(version) starts without its CRI plugin",
                    remedy:
                        "hawker containerd apply --migrate --registry HOST, with --mode config-path or --mode mirror"
                )
            )
        }
        for host in settings.tlsHosts {
            let place = Self.place(of: ["configs", host, "tls"], in: files.files)
            let isFatal = version.generation == .one
            append(
                Finding(
                    isFatal ? .broken : .advice,
                    .tlsConflict,
                    file: place?.file.path ?? files.main.path,
                    line: place?.line,
                    isFatal
                        ? "`configs.tls` cannot be set when `config_path` is provided: configs.\"\(host)\".tls keeps"
                            + " the CRI plugin from starting"
                        : "containerd \(version) ignores configs.\"\(host)\".tls",
                    remedy: "move its files to \(host)/hosts.toml as ca and client, and remove the table"
                )
            )
        }
    }

    mutating func checkPath() {
        let path = settings.configPath(version)
        let place = Self.place(of: ["config_path"], in: files.files)
        let file = place?.file.path ?? files.main.path
        guard !path.isEmpty else { return }
        if path.contains(":") {
            let isIgnored = !settings.usesLocalPull(version)
            let isDefault = place == nil || settings.writtenConfigPath?.isEmpty != false
            append(
                Finding(
                    isIgnored && !isDefault ? .advice : .note,
                    isDefault ? .defaultPath : .pathList,
                    file: file,
                    line: place?.line,
                    isIgnored
                        ? "containerd \(version) takes the list \(path) for the name of one directory and finds no"
                            + " hosts.toml there"
                        : "the directories \(path) are searched in order, `_default` of the first before all of the"
                            + " second",
                    remedy: isDefault ? "" : "set config_path to one directory"
                )
            )
        } else if !path.hasPrefix("/") {
            append(
                Finding(
                    .advice,
                    .relativePath,
                    file: file,
                    line: place?.line,
                    "config_path \(path) is taken literally and relative to containerd's working directory",
                    remedy: "write an absolute path"
                )
            )
        }
    }

    mutating func checkPlugins() {
        if settings.names(cri: "disabled_plugins") {
            let file = files.files.last { $0.document.root[["disabled_plugins"]] != nil } ?? files.main
            append(
                Finding(
                    .advice,
                    .criDisabled,
                    file: file.path,
                    line: file.document.line(of: ["disabled_plugins"]),
                    "disabled_plugins turns the CRI plugin off, so no registry setting has an effect",
                    remedy: "remove the CRI plugin from disabled_plugins if Kubernetes uses this containerd"
                )
            )
        }
        for file in files.files where file.document.hasByteOrderMark {
            append(
                Finding(
                    .advice,
                    .byteOrderMark,
                    file: file.path,
                    line: 1,
                    "the file begins with a byte order mark, with which containerd 2 does not start",
                    remedy: "remove the first three bytes before an upgrade"
                )
            )
        }
        if settings.names(cri: "required_plugins") {
            let file = files.files.last { $0.document.root[["required_plugins"]] != nil } ?? files.main
            append(
                Finding(
                    .note,
                    .criRequired,
                    file: file.path,
                    line: file.document.line(of: ["required_plugins"]),
                    "required_plugins names the CRI plugin, so with a mistake here containerd would not start at all"
                )
            )
        }
        if !settings.mirrors.isEmpty, let place = Self.place(of: ["mirrors"], in: files.files) {
            append(
                Finding(
                    .note,
                    .deprecated,
                    file: place.file.path,
                    line: place.line,
                    "registry.mirrors is deprecated since containerd 1.5 and still read up to 2.3"
                )
            )
        }
    }

    mutating func checkManaged() {
        let head = String(decoding: files.main.document.bytes.prefix(512), as: UTF8.self)
        let managers = [
            ("# k0s_managed=true", "k0s", "put a drop-in file into /etc/k0s/containerd.d"),
            ("generated by k3s", "k3s", "hawker runtime apply --runtime k3s, which sets the mirror in /etc/rancher/k3s/registries.yaml"),
            ("generated by rke2", "RKE2", "hawker runtime apply --runtime rke2, which sets the mirror in /etc/rancher/rke2/registries.yaml"),
        ]
        for (mark, manager, remedy) in managers where head.lowercased().contains(mark.lowercased()) {
            append(
                Finding(
                    .note,
                    .managedFile,
                    file: files.main.path,
                    line: 1,
                    "\(manager) writes this file anew at each start, so an edit would be lost",
                    remedy: remedy
                )
            )
        }
    }

    mutating func append(_ finding: Finding) { findings.append(finding) }
}
