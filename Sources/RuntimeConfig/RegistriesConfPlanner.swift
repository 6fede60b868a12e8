import OCIModel
import TOMLEdit

/// Puts the mirror in front of registries for Podman, Buildah, Skopeo and CRI-O.
///
/// They name the registry to a mirror by a prefix of the path. A registry without an entry gets one in a
/// drop-in of ours; an entry of the user gets the mirror in front of its own.
struct RegistriesConfPlanner: RuntimePlanner {
    let config: String
    let mirror: Endpoint

    static let entryKey = "registry"

    var dropIn: String { Path.join(RegistriesConf.dropIns(of: config), "99-hawker.conf") }

    func isReadable(_ bytes: [UInt8]) -> Bool {
        // Only whether it can be read is asked.
        (try? TOMLDocument(bytes)) != nil
    }

    func inspect(_ targets: [RegistryTarget], tree: any FileTree) throws(Refusal) -> RuntimeState {
        let conf = try RegistriesConf(main: config, tree: tree)
        var state = RuntimeState()
        for target in targets {
            guard let entry = conf.entries[target.host] else {
                state.registries.append(
                    RegistryReport(host: target.host, asks: [target.host], file: nil, isRouted: false))
                continue
            }
            let wanted = try location(of: entry, target)
            state.registries.append(
                RegistryReport(
                    host: target.host,
                    asks: entry.blocked ? [] : entry.mirrors.map(\.location) + [entry.location],
                    file: entry.path,
                    isRouted: !entry.blocked && entry.mirrors.first.map { isOurs($0, wanted) } ?? false
                        && wildcard(target, conf) == nil))
            state.findings += longerPrefixes(target, conf, severity: .advice)
        }
        return state
    }

    func plan(_ targets: [RegistryTarget], tree: any FileTree) throws(Refusal) -> RuntimePlan {
        let conf = try RegistriesConf(main: config, tree: tree)
        guard conf.documents[dropIn] == nil else {
            throw Refusal(
                Finding(
                    .broken, .foreignFile, file: dropIn,
                    "this file is there already and was not written by hawker",
                    remedy: "give it another name"))
        }
        var plan = RuntimePlan()
        var editors: [String: TOMLEditor] = [:]
        var ours: [UInt8] = []
        for target in targets {
            if let entry = wildcard(target, conf) {
                throw refusal(
                    .wildcardEntry, entry,
                    "\(entry.prefix) decides for \(target.host), whatever other entries say",
                    remedy: "write an entry for each registry in its place")
            }
            plan.findings += longerPrefixes(target, conf, severity: .advice)
            if let entry = conf.entries[target.host] {
                try merge(entry, target, conf, &editors, &plan.findings)
            } else {
                ours += try section(target)
            }
        }
        for (path, editor) in editors.sorted(by: { $0.key < $1.key }) {
            plan.changes.append(
                FileChange(path: path, before: conf.documents[path]?.bytes, after: editor.document.bytes))
        }
        if !ours.isEmpty {
            let head = "# Written by `hawker runtime apply`; `hawker runtime revert` removes it.\n"
            plan.changes.append(FileChange(path: dropIn, before: nil, after: Array(head.utf8) + ours))
        }
        try prove(plan, targets, conf, tree)
        return plan
    }

    /// The mirror's location for images that an entry takes from `location`.
    ///
    /// It has to be a valid image name with a tag behind it, which allows no colon after the first slash:
    /// `HOST_PORT` stands for `HOST:PORT`.
    private func mirrorLocation(_ location: String, _ place: (file: String, line: Int?)) throws(Refusal)
        -> String
    {
        let parts = location.split(separator: "/", maxSplits: 1).map(String.init)
        let host = parts.first ?? ""
        let isRegistry = host == "localhost" || host.contains(".") || host.contains(":")
        let name = ([host.lowercased().replacing(":", with: "_")] + parts.dropFirst()).joined(separator: "/")
        guard isRegistry, let known = RegistryHost(host), !known.isIPv6, RepositoryName(name) != nil else {
            throw Refusal(
                Finding(
                    .broken, .unsupported, file: place.file, line: place.line,
                    "\(location) cannot be put behind the mirror's address as a part of an image's name"))
        }
        return mirror.authority + "/" + name
    }

    /// An entry that takes its images from elsewhere means elsewhere, unless that is where the registry was
    /// said to be: then the mirror knows it by its name.
    private func location(
        of entry: RegistriesConf.Entry,
        _ target: RegistryTarget
    ) throws(Refusal) -> String {
        let origin = origin(target).location
        let name = origin == entry.location ? target.host : entry.location
        return try mirrorLocation(name, (entry.path, entry.line))
    }

    private func isOurs(_ other: RegistriesConf.Mirror, _ location: String) -> Bool {
        other.location == location && (other.insecure || mirror.scheme == "https")
    }

    /// A wildcard that matches is as long as the host itself, and is looked at first ("*" sorts before every
    /// letter and digit).
    private func wildcard(_ target: RegistryTarget, _ conf: RegistriesConf) -> RegistriesConf.Entry? {
        let name = target.host.split(separator: ":").first.map(String.init) ?? target.host
        return conf.entries.values.filter { $0.prefix.hasPrefix("*.") }
            .first { name.hasSuffix($0.prefix.dropFirst()) || target.host.hasSuffix($0.prefix.dropFirst()) }
    }

    private func longerPrefixes(
        _ target: RegistryTarget, _ conf: RegistriesConf, severity: Finding.Severity
    ) -> [Finding] {
        conf.entries.values.filter { $0.prefix.hasPrefix(target.host + "/") }.sorted { $0.prefix < $1.prefix }
            .map {
                Finding(
                    severity, .longerPrefix, file: $0.path, line: $0.line,
                    "images below \($0.prefix) go by this entry and not through the mirror")
            }
    }

    private func refusal(
        _ rule: Finding.Rule, _ entry: RegistriesConf.Entry, _ message: String, remedy: String = ""
    ) -> Refusal {
        Refusal(Finding(.broken, rule, file: entry.path, line: entry.line, message, remedy: remedy))
    }

    private func merge(
        _ entry: RegistriesConf.Entry,
        _ target: RegistryTarget,
        _ conf: RegistriesConf,
        _ editors: inout [String: TOMLEditor],
        _ findings: inout [Finding]
    ) throws(Refusal) {
        guard !entry.blocked else {
            throw refusal(
                .blocked, entry, "pulls of \(entry.prefix) are blocked", remedy: "remove blocked = true")
        }
        let location = try location(of: entry, target)
        if let position = entry.mirrors.firstIndex(where: { $0.location == location }) {
            guard position == 0, isOurs(entry.mirrors[0], location) else {
                throw refusal(
                    .mirrorNotFirst, entry,
                    "\(location) is a mirror of \(entry.prefix) already, but not the first"
                        + " or without insecure = true",
                    remedy: "remove it there")
            }
            return
        }
        if entry.location != origin(target).location {
            findings.append(
                Finding(
                    .note, .longerPrefix, file: entry.path, line: entry.line,
                    "\(entry.prefix) is taken from \(entry.location), so that is what the mirror is asked for"
                ))
        }
        if entry.digestOnly {
            findings.append(
                Finding(
                    .advice, .notRouted, file: entry.path, line: entry.line,
                    "mirror-by-digest-only: pulls by tag of \(entry.prefix) do not ask the mirror"))
        }
        guard let document = conf.documents[entry.path] else { return }
        var editor = editors[entry.path] ?? TOMLEditor(document)
        do throws(TOMLEditError) {
            try editor.insertFirst(
                mirrorEntries(location), into: "mirror", ofElement: entry.element, at: [Self.entryKey])
        } catch {
            throw refusal(
                .editFailed, entry,
                "\(entry.prefix) is spelled in a way that cannot be edited without rewriting it",
                remedy: "write it as [[registry]] with [[registry.mirror]]")
        }
        editors[entry.path] = editor
    }

    private func mirrorEntries(_ location: String) -> [TOMLEntry] {
        var entries = [TOMLEntry("location", .string(location))]
        if mirror.scheme == "http" { entries.append(TOMLEntry("insecure", .boolean(true))) }
        return entries
    }

    /// Where a registry without an entry is, as the entry has to say it.
    private func origin(_ target: RegistryTarget) -> (location: String, insecure: Bool) {
        guard target.isExplicit, let endpoint = Endpoint(target.url) else { return (target.host, false) }
        return (endpoint.authority, endpoint.scheme == "http")
    }

    private func section(_ target: RegistryTarget) throws(Refusal) -> [UInt8] {
        let origin = origin(target)
        // The mirror knows the registry by its own name, and from its settings where it is.
        let location = try mirrorLocation(target.host, (config, nil))
        // Hosts, ports and paths hold nothing that TOML would escape.
        let text = """

            [[registry]]
            prefix = "\(target.host)"
            location = "\(origin.location)"
            \(origin.insecure ? "insecure = true\n" : "")
            [[registry.mirror]]
            location = "\(location)"
            \(mirror.scheme == "http" ? "insecure = true\n" : "")
            """
        return Array(text.utf8)
    }

    /// Reads the planned files and compares: the mirror is first, the registry is last, nothing else moved.
    private func prove(
        _ plan: RuntimePlan, _ targets: [RegistryTarget], _ before: RegistriesConf, _ tree: any FileTree
    ) throws(Refusal) {
        let planned = [String: [UInt8]?](
            plan.changes.map { ($0.path, $0.after) }, uniquingKeysWith: { _, last in last })
        let after = try RegistriesConf(main: config, tree: PlannedTree(base: tree, planned: planned))
        func fail(_ what: String) -> Refusal {
            Refusal(
                Finding(
                    .broken, .proofFailed, file: config, "the planned files do not do what was asked: \(what)"
                ))
        }
        let hosts = Set(targets.map(\.host))
        for target in targets {
            guard let entry = after.entries[target.host], let first = entry.mirrors.first else {
                throw fail(target.host)
            }
            let old = before.entries[target.host]
            let wanted = try location(of: old ?? entry, target)
            guard isOurs(first, wanted) else { throw fail(target.host) }
            if let old {
                var rest = entry
                if !(old.mirrors.first.map { isOurs($0, wanted) } ?? false) { rest.mirrors.removeFirst() }
                guard rest.means(old) else { throw fail(target.host) }
            } else {
                let origin = origin(target)
                guard entry.location == origin.location, entry.insecure == origin.insecure, !entry.blocked,
                    entry.mirrors.count == 1
                else { throw fail(target.host) }
            }
        }
        let others = before.entries.filter { !hosts.contains($0.key) }
        let kept = after.entries.filter { !hosts.contains($0.key) }
        guard others.count == kept.count, others.allSatisfy({ kept[$0.key]?.means($0.value) == true }) else {
            throw fail("other entries changed")
        }
    }
}
