import TOMLEdit

/// One registry's `hosts.toml`: ours in front, the user's hosts behind it, the registry itself last.
extension Planner {
    static let capabilities = TOMLEntry("capabilities", .strings(["pull", "resolve"]))
    static let registryHeader = "X-Dragonfly-Registry"

    /// `target` is `nil` for a registry whose mirrors only move here from config.toml.
    mutating func planHosts(of host: String, target: RegistryTarget?, below root: String) throws(Refusal) {
        let name = host == RegistryTarget.all.host ? "_default" : host
        let found = HostsLookup.find(name, below: root, version: version, tree: tree)
        let own = found.isDefault && name != "_default" ? nil : found.directory
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
        var hostsEditor: HostsEditor
        if own != nil, let file = found.file {
            hostsEditor = try HostsEditor(existing: file, host: host, target: target, mirror: request.mirror)
            notes += hostsEditor.notes
        } else {
            let certificates =
                try own.map { directory throws(Refusal) in try self.certificates(in: directory) } ?? []
            if let directory = own, target?.isAll == true, !certificates.isEmpty {
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
            hostsEditor = try HostsEditor(
                new: path,
                host: host,
                target: target,
                mirror: request.mirror,
                certificates: certificates
            )
            if found.isDefault, own == nil, let file = found.file, name != "_default" {
                try hostsEditor.inherit(file)
            }
        }
        try hostsEditor.run(extra: migrated[host] ?? (target == nil ? [] : migrated["*"] ?? []))
        hosts[path] = hostsEditor.bytes
    }
}

/// Edits one `hosts.toml`.
///
/// Call `run` once.
struct HostsEditor {
    private let path: String
    private let host: String
    private let target: RegistryTarget?
    private let mirror: Endpoint
    private let certificates: [TOMLEntry]
    private var file: HostsFile?
    private var editor: TOMLEditor
    /// Raw tables of `_default`, which this file will hide.
    private var inherited: [UInt8] = []
    private(set) var notes: [Finding] = []

    var bytes: [UInt8] { editor.document.bytes }

    init(
        new path: String,
        host: String,
        target: RegistryTarget?,
        mirror: Endpoint,
        certificates: [TOMLEntry]
    ) throws(Refusal) {
        self.path = path
        self.host = host
        self.target = target
        self.mirror = mirror
        self.certificates = certificates
        do throws(TOMLError) {
            editor = TOMLEditor(try TOMLDocument([]))
        } catch {
            throw Refusal(Finding(.broken, .invalidTOML, file: path, "\(error)"))
        }
    }

    /// Refuses a file that containerd drops as a whole: put in front of it, our host would be dropped too.
    init(existing file: HostsFile, host: String, target: RegistryTarget?, mirror: Endpoint) throws(Refusal) {
        path = file.path
        self.host = host
        self.target = target
        self.mirror = mirror
        certificates = []
        self.file = file
        editor = TOMLEditor(file.document)
        let isServerOnly = file.hosts.isEmpty && file.document.root[["host"]] == nil
        let faults = file.faults.filter {
            !(isServerOnly && $0.line == nil && !file.document.hasByteOrderMark)
        }
        if !faults.isEmpty { throw Refusal(faults) }
        for entry in file.hosts {
            let spelling = file.document.spelling(of: ["host", entry.url])
            guard spelling == .header || spelling == .impliedByHeader else {
                throw Refusal(
                    Finding(
                        .broken,
                        .deadHostsFile,
                        file: path,
                        line: entry.line,
                        "host.\"\(entry.url)\" is not written as a table header, which containerd 2 would not see",
                        remedy: "write it as [host.\"\(entry.url)\"]"
                    )
                )
            }
        }
        if isServerOnly, !file.faults.isEmpty {
            notes.append(
                Finding(
                    .note,
                    .deadHostsFile,
                    file: path,
                    "containerd 1 dropped this file for want of a host; with ours its server comes into force"
                )
            )
        }
    }

    /// Takes over the hosts of `_default`, which containerd does not look at beside a folder of the
    /// registry's own.
    mutating func inherit(_ file: HostsFile) throws(Refusal) {
        let document = file.document
        let (path, host) = (path, host)
        let refuse = { (line: Int?, message: String) in
            Refusal(
                Finding(
                    .broken,
                    .hiddenDefault,
                    file: file.path,
                    line: line,
                    message,
                    remedy: "make \(path) with the settings that \(host) needs, and apply again"
                )
            )
        }
        if let fault = file.faults.first { throw refuse(fault.line, fault.message) }
        if file.server != nil || !file.serverKeys.isEmpty {
            throw refuse(1, "_default names a server, which a folder for \(host) would hide")
        }
        for entry in file.hosts {
            let key = ["host", entry.url]
            let table = document.root[key]
            let isRelative = ["ca", "client"].contains { table?[[$0]] != nil }
            guard let block = document.headerBlock(of: key), !isRelative else {
                throw refuse(entry.line, "host.\"\(entry.url)\" of _default cannot be copied as it stands")
            }
            if !inherited.isEmpty { inherited.append(0x0A) }
            inherited += document.bytes[block]
        }
    }

    mutating func run(extra: [String]) throws(Refusal) {
        do throws(TOMLEditError) {
            try putServer()
            try putOurs()
            try appendInherited()
            try putExtra(extra)
            try putFallback()
        } catch {
            throw Refusal(Planner.finding(error, file: path))
        }
    }

    /// Where the registry itself is: what the user says, then what their file says.
    private var registryURL: String? {
        guard let target else { return nil }
        if target.isAll { return file?.server }
        return target.isExplicit ? target.url : file?.server ?? target.url
    }

    private var currentHosts: [String] { editor.document.keys(at: ["host"]) }

    private mutating func putServer() throws(TOMLEditError) {
        guard file?.server == nil, let url = registryURL else {
            if let target, let server = file?.server, !Endpoint.same(server, target.url) {
                notes.append(
                    Finding(
                        .note,
                        .userServer,
                        file: path,
                        line: file?.document.line(of: ["server"]),
                        "\(host) is served by \(server), which stays the last host"
                    )
                )
            }
            return
        }
        try editor.insert([TOMLEntry("server", .string(url))] + certificates, into: [])
    }

    private mutating func putOurs() throws(TOMLEditError) {
        guard let target else { return }
        // For a general host the mirror learns the registry from the request.
        let header =
            target.isAll ? nil : registryURL.map { TOMLEntry(Planner.registryHeader, .string($0)) }
        if let existing = currentHosts.first(where: { Endpoint.same($0, mirror.url) }) {
            if existing == currentHosts.first { return try updateOurs(existing, header) }
            try editor.remove(["host", existing])
        }
        let sections = [
            TOMLSectionText(path: ["host", mirror.url], entries: [Planner.capabilities])
        ] + (header.map { [TOMLSectionText(path: ["host", mirror.url, "header"], entries: [$0])] } ?? [])
        try editor.add(sections, before: ["host"])
    }

    private mutating func updateOurs(_ existing: String, _ header: TOMLEntry?) throws(TOMLEditError) {
        let key = ["host", existing]
        let named = editor.document.root[key + ["capabilities"]]?.strings?.map { $0.lowercased() } ?? []
        if !named.isEmpty, !Set(named).isSuperset(of: ["pull", "resolve"]) {
            try editor.set(key + ["capabilities"], to: .strings(["pull", "resolve"]))
        }
        guard let header else { return }
        let value = key + ["header", header.key]
        let current = editor.document.root[value]
        if current != header.value.node, current?.strings != header.value.node.string.map({ [$0] }) {
            try editor.set(value, to: header.value)
        }
    }

    private mutating func appendInherited() throws(TOMLEditError) {
        guard !inherited.isEmpty else { return }
        let gap: [UInt8] = editor.document.bytes.isEmpty ? [] : [0x0A]
        do throws(TOMLError) {
            editor = TOMLEditor(try TOMLDocument(editor.document.bytes + gap + inherited))
        } catch {
            throw .notAsIntended(path: ["host"])
        }
    }

    /// Mirrors that stood in config.toml.
    ///
    /// There an endpoint's path is used as it is; here that takes a word.
    private mutating func putExtra(_ endpoints: [String]) throws(TOMLEditError) {
        let own = registryURL ?? RegistryTarget.defaultURL(of: host)
        let last = currentHosts.last { Endpoint.same($0, own) }
        for text in endpoints {
            guard let endpoint = Endpoint(text), !Endpoint.same(text, mirror.url), !Endpoint.same(text, own),
                !currentHosts.contains(where: { Endpoint.same($0, text) })
            else { continue }
            var entries = [Planner.capabilities]
            if !endpoint.path.isEmpty, !endpoint.path.hasSuffix("/v2") {
                entries.append(TOMLEntry("override_path", .boolean(true)))
            }
            let section = TOMLSectionText(path: ["host", endpoint.url], entries: entries)
            try editor.add([section], before: last.map { ["host", $0] })
        }
    }

    /// The registry as a host of its own, unless the user's file says in its own way where the registry is.
    private mutating func putFallback() throws(TOMLEditError) {
        guard let target, let url = registryURL, Endpoint.same(url, target.url) else { return }
        guard !currentHosts.contains(where: { Endpoint.same($0, url) }), file?.serverKeys.isEmpty ?? true
        else { return }
        let section = TOMLSectionText(path: ["host", url], entries: [Planner.capabilities] + certificates)
        try editor.add([section], before: nil)
    }
}
