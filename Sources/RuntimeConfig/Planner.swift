import TOMLEdit

/// Makes one plan: judge, edit, and judge the edited bytes.
///
/// Nothing is written here. States: the edits collected so far are in `documents` (configuration) and
/// `hosts`; `plan` turns them into changes only after the proof.
struct Planner {
    let request: PlanRequest
    let mode: RuntimeMode
    let tree: any FileTree
    let before: Judgement
    /// Name of the plugin section that is edited in the main file.
    private(set) var pluginName = ""
    var editor: TOMLEditor
    /// New hosts.toml files by path.
    var hosts: [String: [UInt8]] = [:]
    var notes: [Finding] = []
    /// Hosts whose mirror entries became hosts.toml files.
    var migrated: [String: [String]] = [:]

    var version: ContainerdVersion { before.version }
    var main: ConfigFile { before.files.main }
    var registryPath: [String] { ["plugins", pluginName, "registry"] }

    init(
        _ request: PlanRequest,
        mode: RuntimeMode,
        version: ContainerdVersion,
        tree: any FileTree
    ) throws(Refusal) {
        self.mode = mode
        self.tree = tree
        let files = try ConfigFiles.load(main: request.config, version: version, tree: tree)
        before = Judgement(version, files)
        self.request = request.namingHidden(mode: mode, settings: before.settings, tree: tree)
        editor = TOMLEditor(files.main.document)
    }

    mutating func plan(reason: String) throws(Refusal) -> Plan {
        try checkNode()
        pluginName = try chooseSection()
        switch mode {
        case .mirror: try planMirrors()
        case .configPath: try planConfigPath()
        }
        let changes = collectChanges()
        let after = try prove(changes)
        let isRestart = changes.contains { $0.path == main.path }
        let findings = after.findings.filter { $0.severity != .broken } + notes
        return Plan(mode: mode, reason: reason, changes: changes, findings: findings, needsRestart: isRestart)
    }

    private func checkNode() throws(Refusal) {
        let curable: Set<Finding.Rule> = request.migrates ? [.conflict] : []
        let broken = before.findings.filter { $0.severity == .broken && !curable.contains($0.rule) }
        let isOnlyTLS = broken.allSatisfy { $0.rule == .tlsConflict } && mode == .mirror && request.migrates
        if !broken.isEmpty, !isOnlyTLS { throw Refusal(broken) }
        let stops = before.findings.filter { $0.rule == .managedFile || $0.rule == .criDisabled }
        if !stops.isEmpty { throw Refusal(stops) }
    }

    private func collectChanges() -> [FileChange] {
        var changes: [FileChange] = []
        for (path, bytes) in hosts.sorted(by: { $0.key < $1.key }) {
            // A missing file is `nil`; an unreadable one was refused.
            let before = try? tree.read(path).get()
            if before != bytes { changes.append(FileChange(path: path, before: before, after: bytes)) }
        }
        let bytes = editor.document.bytes
        if bytes != main.document.bytes || !main.exists {
            let before = main.exists ? main.document.bytes : nil
            changes.append(FileChange(path: main.path, before: before, after: bytes))
        }
        return changes
    }

    /// Runs an edit and turns its failure into a refusal that names the place.
    mutating func edit(_ body: (inout TOMLEditor) throws(TOMLEditError) -> Void) throws(Refusal) {
        do throws(TOMLEditError) {
            try body(&editor)
        } catch {
            throw Refusal(Self.finding(error, file: main.path))
        }
    }

    static func finding(_ error: TOMLEditError, file: String) -> Finding {
        let remedy = "write that table as a [header] of its own"
        switch error {
        case .notATable(let path, let line):
            return Finding(
                .broken,
                .wrongType,
                file: file,
                line: line,
                "\(path.joined(separator: ".")) holds no keys",
                remedy: "make it a table"
            )
        case .isATable(let path, let line):
            return Finding(
                .broken,
                .wrongType,
                file: file,
                line: line,
                "\(path.joined(separator: ".")) must not be a table",
                remedy: "make it a value"
            )
        case .spelling(let path, let line):
            return Finding(
                .broken,
                .editFailed,
                file: file,
                line: line,
                "\(path.joined(separator: ".")) is spelled in a way that cannot be extended without loss",
                remedy: remedy
            )
        case .notAsIntended(let path):
            return Finding(
                .broken,
                .editFailed,
                file: file,
                "an edit of \(path.joined(separator: ".")) would not read as meant",
                remedy: remedy
            )
        }
    }
}

extension Planner {
    /// Chooses the section whose `registry` counts for this release, and makes a version where there is
    /// nothing yet.
    private mutating func chooseSection() throws(Refusal) -> String {
        let isBlank = before.files.files.allSatisfy { $0.document.root == .table([:]) }
        if isBlank {
            let number: Int64 = version.generation == .one ? 2 : 3
            try edit { editor throws(TOMLEditError) in try editor.set(["version"], to: .integer(number)) }
            return version.generation == .one ? PluginName.old : PluginName.images
        }
        switch version.generation {
        case .one: return try chooseSectionOne()
        case .two: return try chooseSectionTwo()
        case .twoThree: return try chooseSectionTwoThree()
        }
    }

    private func has(_ name: String, registry: Bool = true, in files: [ConfigFile]) -> Bool {
        let path = ["plugins", name] + (registry ? ["registry"] : [])
        return files.contains { $0.document.root[path] != nil }
    }

    private func chooseSectionOne() throws(Refusal) -> String {
        let name = before.settings.pluginName
        let files = before.files.files
        if name == PluginName.short,
            let inert = files.first(where: { $0.document.root[["plugins", PluginName.old]] != nil })
        {
            throw Refusal(
                Finding(
                    .broken,
                    .inertSettings,
                    file: inert.path,
                    line: inert.document.line(of: ["plugins", PluginName.old]),
                    "the file has no version, so containerd \(version) ignores plugins.\"\(PluginName.old)\"; adding"
                        + " the version would bring all of it into force",
                    remedy: "read the section, then write version = 2 as the first line"
                )
            )
        }
        if let last = files.last(where: { $0.document.root[["plugins", name]] != nil }),
            last.path != main.path
        {
            throw Refusal(
                Finding(
                    .broken,
                    .overridden,
                    file: last.path,
                    line: last.document.line(of: ["plugins", name]),
                    "this imported file replaces the whole section plugins.\"\(name)\", so an edit of \(main.path)"
                        + " would have no effect",
                    remedy: "hawker containerd apply --config \(last.path), or remove the section there"
                )
            )
        }
        return name
    }

    private func chooseSectionTwo() throws(Refusal) -> String {
        let files = before.files.files
        if main.version < 2, !has(PluginName.images, registry: false, in: [main]) { throw unversioned() }
        if before.settings.fileVersion >= 3 { return PluginName.images }
        if has(PluginName.old, in: files) { return PluginName.old }
        return has(PluginName.images, registry: false, in: files) ? PluginName.images : PluginName.old
    }

    private func chooseSectionTwoThree() throws(Refusal) -> String {
        if main.version < 2 {
            for name in [PluginName.short, PluginName.old] where has(name, in: [main]) { return name }
            if has(PluginName.images, registry: false, in: [main]) { return PluginName.images }
            throw unversioned()
        }
        if main.version < 4, has(PluginName.old, in: [main]) { return PluginName.old }
        if has(PluginName.images, registry: false, in: [main]) { return PluginName.images }
        return main.version == 2 ? PluginName.old : PluginName.images
    }

    private func unversioned() -> Refusal {
        Refusal(
            Finding(
                .broken,
                .inertSettings,
                file: main.path,
                line: 1,
                "the file has no version, and containerd \(version) ignores registry settings in such a file",
                remedy: "bring it to version 3 (containerd config migrate) and apply again"
            )
        )
    }

    /// Refuses when an imported file writes `registry` + `key` and so has the last word.
    func checkNotOverridden(_ key: [String]) throws(Refusal) {
        for file in before.files.files.dropFirst() {
            for name in PluginName.all {
                let path = ["plugins", name, "registry"] + key
                guard let line = file.document.line(of: path) else { continue }
                throw Refusal(
                    Finding(
                        .broken,
                        .overridden,
                        file: file.path,
                        line: line,
                        "this imported file sets registry.\(key.joined(separator: ".")) and is read after \(main.path)",
                        remedy: "remove the setting there, and apply again"
                    )
                )
            }
        }
    }
}
