import TOMLEdit

/// Files, what they mean to one release, and what is to be said about that.
package struct Judgement: Sendable {
    package let version: ContainerdVersion
    package let files: ConfigFiles
    package let settings: EffectiveSettings
    package let findings: [Finding]

    package init(_ version: ContainerdVersion, _ files: ConfigFiles) {
        self.version = version
        self.files = files
        settings = EffectiveSettings.compute(version, files)
        var rules = Rules(version: version, files: files, settings: settings)
        rules.run()
        findings = files.findings + rules.findings
    }

    package var isBroken: Bool { findings.contains { $0.severity == .broken } }

    /// Where a registry setting that counts is written, `nil` when no file writes it.
    package func place(of key: [String]) -> (file: ConfigFile, line: Int)? {
        Rules.place(of: key, in: files.files)
    }
}

/// The rules by which a containerd starts, or does not, with given settings.
struct Rules {
    let version: ContainerdVersion
    let files: ConfigFiles
    let settings: EffectiveSettings
    private(set) var findings: [Finding] = []

    init(version: ContainerdVersion, files: ConfigFiles, settings: EffectiveSettings) {
        self.version = version
        self.files = files
        self.settings = settings
    }

    mutating func run() {
        checkVersions()
        checkNames()
        checkTypes()
        checkConflict()
        checkPath()
        checkPlugins()
        checkManaged()
    }

    /// The last file, under the name most likely to count, that writes `registry` + `key`.
    static func place(of key: [String], in files: [ConfigFile]) -> (file: ConfigFile, line: Int)? {
        for file in files.reversed() {
            for name in PluginName.all {
                if let line = file.document.line(of: ["plugins", name, "registry"] + key) { return (file, line) }
            }
        }
        return nil
    }

    private mutating func add(
        _ severity: Finding.Severity, _ rule: Finding.Rule, _ file: ConfigFile, _ path: [String], _ message: String,
        remedy: String = ""
    ) {
        let line = file.document.line(of: path)
        findings.append(Finding(severity, rule, file: file.path, line: line, message, remedy: remedy))
    }

    private mutating func checkVersions() {
        for file in files.files where file.version > version.fileVersionMax {
            let isInert = version.generation == .one && file.version == 3 && !version.rejectsFileVersion3
            add(
                .broken, .fileVersion, file, ["version"],
                isInert
                    ? "containerd \(version) takes a version 3 file but ignores its registry settings"
                    : "containerd \(version) does not start with a version \(file.version) file",
                remedy: "use version = \(version.fileVersionMax), with the plugin names of that version")
        }
        if version.generation == .twoThree {
            for file in files.files.dropFirst() where file.version > files.main.version && files.main.exists {
                add(
                    .broken, .fileVersion, file, ["version"],
                    "an imported file of version \(file.version) below a main file of version \(files.main.version)"
                        + " keeps containerd \(version) from starting",
                    remedy: "give both files the same version")
            }
        }
        if version < ContainerdVersion.oldest || version >= ContainerdVersion(2, 5, 0) {
            add(
                version < ContainerdVersion.oldest ? .broken : .advice, .unknownVersion, files.main, [],
                "containerd \(version) is outside 1.5 to 2.4, whose rules are known")
        }
    }

    private mutating func checkNames() {
        for file in files.files {
            let has = { (name: String) in file.document.root[["plugins", name, "registry"]] != nil }
            if version.generation == .one, settings.pluginName == PluginName.old,
                file.document.root[["plugins", PluginName.short]] != nil
            {
                add(
                    .broken, .bothNames, file, ["plugins", PluginName.short],
                    "plugins.cri belongs to a file without version; containerd does not start with it here",
                    remedy: "name the table plugins.\"\(PluginName.old)\"")
            }
            if version.generation == .twoThree, file.version < 2, has(PluginName.short), has(PluginName.old) {
                add(
                    .broken, .bothNames, file, ["plugins", PluginName.short],
                    "both plugins.cri and plugins.\"\(PluginName.old)\" are set without version: at each start"
                        + " containerd takes one of them by chance",
                    remedy: "keep one of the two tables")
            }
            for name in PluginName.all where has(name) && isInert(name, in: file) {
                add(
                    .advice, .inertSettings, file, ["plugins", name, "registry"],
                    "containerd \(version) ignores plugins.\"\(name)\".registry in a"
                        + (file.version == 0 ? " file without version" : " version \(file.version) file"),
                    remedy: "move the settings to the name that counts, or remove them")
            }
        }
    }

    private func isInert(_ name: String, in file: ConfigFile) -> Bool {
        let hasOld = file.document.root[["plugins", PluginName.old, "registry"]] != nil
        switch version.generation {
        case .one:
            return name != settings.pluginName
        case .two:
            let merged = files.files.last.map { $0.version < 2 ? 3 : $0.version } ?? 3
            if name == PluginName.images { return merged < 3 && hasOld }
            return merged >= 3 || name == PluginName.short
        case .twoThree:
            if name == PluginName.images { return file.version < 4 && hasOld }
            return name == PluginName.short ? file.version >= 2 : file.version >= 4
        }
    }

    private mutating func checkTypes() {
        var wrong: [([String], String)] = []
        let registry = settings.registry
        if let path = registry[["config_path"]], path.string == nil { wrong.append((["config_path"], "a string")) }
        if let mirrors = registry[["mirrors"]], mirrors.table == nil { wrong.append((["mirrors"], "a table")) }
        for (host, mirror) in settings.mirrors.sorted(by: { $0.key < $1.key }) {
            if mirror.table == nil { wrong.append((["mirrors", host], "a table")) }
            if let endpoint = mirror[["endpoint"]], endpoint.strings == nil {
                wrong.append((["mirrors", host, "endpoint"], "a list of strings"))
            }
        }
        for (key, kind) in wrong {
            let place = Self.place(of: key, in: files.files)
            findings.append(
                Finding(
                    .broken, .wrongType, file: place?.file.path ?? files.main.path, line: place?.line,
                    "\(key.joined(separator: ".")) must be \(kind); containerd does not start"))
        }
    }
}

extension ContainerdVersion {
    /// From 1.6.32 and 1.7.17 on a version 3 file ends the start; before, its settings were ignored.
    var rejectsFileVersion3: Bool {
        self >= ContainerdVersion(1, 7, 17)
            || (ContainerdVersion(1, 6, 32)..<ContainerdVersion(1, 7, 0)).contains(self)
    }
}

extension Rules {
    mutating func checkConflict() {
        let path = settings.configPath(version)
        guard !path.isEmpty else { return }
        if let host = settings.mirrors.keys.min() {
            let mirror = Self.place(of: ["mirrors", host], in: files.files)
            let other = Self.place(of: ["config_path"], in: files.files)
            let source = other.map { "config_path at \($0.file.path):\($0.line)" } ?? "the built-in config_path"
            append(
                Finding(
                    .broken, .conflict, file: mirror?.file.path ?? files.main.path, line: mirror?.line,
                    "`mirrors` cannot be set when `config_path` is provided: mirrors.\"\(host)\" stands beside"
                        + " \(source), so containerd \(version) starts without its CRI plugin",
                    remedy: "hawker containerd apply --mode config-path --migrate (or --mode mirror --migrate)"))
        }
        for host in settings.tlsHosts {
            let place = Self.place(of: ["configs", host, "tls"], in: files.files)
            let isFatal = version.generation == .one
            append(
                Finding(
                    isFatal ? .broken : .advice, .tlsConflict, file: place?.file.path ?? files.main.path,
                    line: place?.line,
                    isFatal
                        ? "`configs.tls` cannot be set when `config_path` is provided: configs.\"\(host)\".tls keeps"
                            + " the CRI plugin from starting"
                        : "containerd \(version) ignores configs.\"\(host)\".tls",
                    remedy: "move its files to \(host)/hosts.toml as ca and client, and remove the table"))
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
                    isIgnored && !isDefault ? .advice : .note, isDefault ? .defaultPath : .pathList, file: file,
                    line: place?.line,
                    isIgnored
                        ? "containerd \(version) takes the list \(path) for the name of one directory and finds no"
                            + " hosts.toml there"
                        : "the directories \(path) are searched in order, `_default` of the first before all of the"
                            + " second",
                    remedy: isDefault ? "" : "set config_path to one directory"))
        } else if !path.hasPrefix("/") {
            append(
                Finding(
                    .advice, .relativePath, file: file, line: place?.line,
                    "config_path \(path) is taken literally and relative to containerd's working directory",
                    remedy: "write an absolute path"))
        }
    }

    mutating func checkPlugins() {
        if settings.names(cri: "disabled_plugins") {
            let file = files.files.last { $0.document.root[["disabled_plugins"]] != nil } ?? files.main
            append(
                Finding(
                    .advice, .criDisabled, file: file.path, line: file.document.line(of: ["disabled_plugins"]),
                    "disabled_plugins turns the CRI plugin off, so no registry setting has an effect",
                    remedy: "remove the CRI plugin from disabled_plugins if Kubernetes uses this containerd"))
        }
        if !settings.mirrors.isEmpty, let place = Self.place(of: ["mirrors"], in: files.files) {
            append(
                Finding(
                    .note, .deprecated, file: place.file.path, line: place.line,
                    "registry.mirrors is deprecated since containerd 1.5 and still read up to 2.3"))
        }
    }

    mutating func checkManaged() {
        let head = String(decoding: files.main.document.bytes.prefix(512), as: UTF8.self)
        let managers = [
            ("# k0s_managed=true", "k0s", "put a drop-in file into /etc/k0s/containerd.d"),
            ("generated by k3s", "k3s", "set the mirror in /etc/rancher/k3s/registries.yaml"),
            ("generated by rke2", "RKE2", "set the mirror in /etc/rancher/rke2/registries.yaml"),
        ]
        for (mark, manager, remedy) in managers where head.lowercased().contains(mark.lowercased()) {
            append(
                Finding(
                    .note, .managedFile, file: files.main.path, line: 1,
                    "\(manager) writes this file anew at each start, so an edit would be lost", remedy: remedy))
        }
    }

    private mutating func append(_ finding: Finding) { findings.append(finding) }
}
