import TOMLEdit

/// Makes one plan: judge, edit, and judge the edited bytes.
///
/// Nothing is written here. States: the edits collected so far are in `editors` (configuration, by path) and
/// `hosts`; `plan` turns them into changes only after the proof.
struct Planner {
    let request: PlanRequest
    let mode: RuntimeMode
    let tree: any FileTree
    let before: Judgement
    /// Name of the plugin section that a setting which stands nowhere yet is added to.
    private(set) var pluginName = ""
    /// One for each configuration file.
    private(set) var editors: [String: TOMLEditor]
    /// New hosts.toml files by path.
    var hosts: [String: [UInt8]] = [:]
    var notes: [Finding] = []
    /// Hosts whose mirror entries became hosts.toml files.
    var migrated: [String: [String]] = [:]
    /// Keys of hosts.toml by the host whose `configs.HOST.tls` said the same.
    var tls: [String: [TOMLEntry]] = [:]

    var version: ContainerdVersion { before.version }
    var main: ConfigFile { before.files.main }

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
        self.request = request.namingHidden(
            mode: mode,
            settings: before.settings,
            version: version,
            tree: tree
        )
        editors = [String: TOMLEditor](
            files.files.map { ($0.path, TOMLEditor($0.document)) },
            uniquingKeysWith: { first, _ in first }
        )
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
        let isRestart = changes.contains { hosts[$0.path] == nil }
        let findings = after.findings.filter { $0.severity != .broken } + notes
        return Plan(mode: mode, reason: reason, changes: changes, findings: findings, needsRestart: isRestart)
    }

    private func checkNode() throws(Refusal) {
        let curable: Set<Finding.Rule> = request.migrates ? [.conflict, .tlsConflict] : []
        let broken = before.findings.filter { $0.severity == .broken && !curable.contains($0.rule) }
        if !broken.isEmpty { throw Refusal(broken) }
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
        // An imported file is in force only together with the others: the main file goes last.
        for file in before.files.files.reversed() {
            guard let bytes = editors[file.path]?.document.bytes else { continue }
            guard bytes != file.document.bytes || !file.exists else { continue }
            let before = file.exists ? file.document.bytes : nil
            changes.append(FileChange(path: file.path, before: before, after: bytes))
        }
        return changes
    }

    /// Runs an edit and turns its failure into a refusal that names the place.
    mutating func edit(
        _ path: String,
        _ body: (inout TOMLEditor) throws(TOMLEditError) -> Void
    ) throws(Refusal) {
        guard var editor = editors[path] else { return }
        do throws(TOMLEditError) {
            try body(&editor)
        } catch {
            throw Refusal(Self.finding(error, file: path))
        }
        editors[path] = editor
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
