import TOMLEdit

/// The rules by which a containerd starts, or does not, with given settings.
struct Rules {
    let version: ContainerdVersion
    let files: ConfigFiles
    let settings: EffectiveSettings
    var findings: [Finding] = []

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
        checkFiles()
        checkPath()
        checkPlugins()
        checkManaged()
    }

    /// The last file, under the name most likely to count, that writes `registry` + `key`.
    static func place(of key: [String], in files: [ConfigFile]) -> (file: ConfigFile, line: Int)? {
        for file in files.reversed() {
            for name in PluginName.all {
                if let line = file.document.line(of: ["plugins", name, "registry"] + key) {
                    return (file, line)
                }
            }
        }
        return nil
    }

    private mutating func add(
        _ severity: Finding.Severity,
        _ rule: Finding.Rule,
        _ file: ConfigFile,
        _ path: [String],
        _ message: String,
        remedy: String = ""
    ) {
        let line = file.document.line(of: path)
        findings.append(Finding(severity, rule, file: file.path, line: line, message, remedy: remedy))
    }

    private mutating func checkVersions() {
        for file in files.files where file.version > version.fileVersionMax {
            let isInert = version.generation == .one && file.version == 3 && !version.rejectsFileVersion3
            add(
                .broken,
                .fileVersion,
                file,
                ["version"],
                isInert
                    ? "containerd \(version) takes a version 3 file but ignores its registry settings"
                    : "containerd \(version) does not start with a version \(file.version) file",
                remedy: "use version = \(version.fileVersionMax), with the plugin names of that version"
            )
        }
        if version.generation == .twoThree {
            for file in files.files.dropFirst() where file.version > files.main.version && files.main.exists {
                add(
                    .broken,
                    .fileVersion,
                    file,
                    ["version"],
                    "an imported file of version \(file.version) below a main file of version \(files.main.version)"
                        + " keeps containerd \(version) from starting",
                    remedy: "give both files the same version"
                )
            }
        }
        if version < ContainerdVersion.oldest || version >= ContainerdVersion(2, 5, 0) {
            add(
                version < ContainerdVersion.oldest ? .broken : .advice,
                .unknownVersion,
                files.main,
                [],
                "containerd \(version) is outside 1.5 to 2.4, whose rules are known"
            )
        }
    }

    private mutating func checkNames() {
        for file in files.files {
            let has = { (name: String) in file.document.root[["plugins", name, "registry"]] != nil }
            let hasSection = { (name: String) in file.document.root[["plugins", name]] != nil }
            if version.generation == .one, settings.pluginName == PluginName.old,
                file.document.root[["plugins", PluginName.short]] != nil
            {
                add(
                    .broken,
                    .bothNames,
                    file,
                    ["plugins", PluginName.short],
                    "plugins.cri belongs to a file without version; containerd does not start with it here",
                    remedy: "name the table plugins.\"\(PluginName.old)\""
                )
            }
            if version.generation == .twoThree, file.version < 2, hasSection(PluginName.short),
                hasSection(PluginName.old)
            {
                add(
                    .broken,
                    .bothNames,
                    file,
                    ["plugins", PluginName.short],
                    "both plugins.cri and plugins.\"\(PluginName.old)\" are set without version: at each start"
                        + " containerd takes one of them by chance",
                    remedy: "keep one of the two tables"
                )
            }
            for name in PluginName.all where has(name) && settings.isInert(name, in: file, files, version) {
                add(
                    .advice,
                    .inertSettings,
                    file,
                    ["plugins", name, "registry"],
                    "containerd \(version) ignores plugins.\"\(name)\".registry in a"
                        + (file.version == 0 ? " file without version" : " version \(file.version) file"),
                    remedy: "move the settings to the name that counts, or remove them"
                )
            }
        }
    }

    private mutating func checkTypes() {
        var wrong: [([String], String)] = []
        let registry = settings.registry
        if let path = registry[["config_path"]], path.string == nil {
            wrong.append((["config_path"], "a string"))
        }
        if let mirrors = registry[["mirrors"]], mirrors.table == nil {
            wrong.append((["mirrors"], "a table"))
        }
        for (host, mirror) in settings.mirrors.sorted(by: { $0.key < $1.key }) {
            if mirror.table == nil { wrong.append((["mirrors", host], "a table")) }
            if let endpoint = mirror[["endpoint"]], endpoint.strings == nil {
                wrong.append((["mirrors", host, "endpoint"], "a list of strings"))
            }
        }
        wrong += wrongTypesOfHosts(registry)
        for (key, kind) in wrong {
            let place = Self.place(of: key, in: files.files)
            findings.append(
                Finding(
                    .broken,
                    .wrongType,
                    file: place?.file.path ?? files.main.path,
                    line: place?.line,
                    "\(key.joined(separator: ".")) must be \(kind); containerd does not start"
                )
            )
        }
    }

    /// Containerd 2 does not read `tls` any more.
    private func wrongTypesOfHosts(_ registry: TOMLNode) -> [([String], String)] {
        var wrong: [([String], String)] = []
        guard let configs = registry[["configs"]] else { return [] }
        guard let hosts = configs.table else { return [(["configs"], "a table")] }
        let tls = ["ca_file", "cert_file", "key_file"].map { ["tls", $0] }
        let auth = ["username", "password", "auth", "identitytoken"].map { ["auth", $0] }
        for (host, node) in hosts.sorted(by: { $0.key < $1.key }) {
            let base = ["configs", host]
            if node.table == nil { wrong.append((base, "a table")) }
            for key in auth + (version.generation == .one ? tls : []) {
                if let value = node[key], value.string == nil { wrong.append((base + key, "a string")) }
            }
            let flag = ["tls", "insecure_skip_verify"]
            if version.generation == .one, let value = node[flag], value.boolean == nil {
                wrong.append((base + flag, "true or false"))
            }
        }
        return wrong
    }
}
