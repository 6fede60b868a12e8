import TOMLEdit

/// Edits one `hosts.toml`.
///
/// Call `run` once.
struct HostsEditor {
    /// What the file is to say.
    struct Route {
        let host: String
        let target: RegistryTarget?
        let mirror: Endpoint
        /// Certificates that stood in config.toml, by the host they are for.
        let tls: [String: [TOMLEntry]]
        /// Certificates for the registry itself that lie in the folder.
        var certificates: [TOMLEntry] = []

        /// What goes with a host of that URL; nothing for plain HTTP, where it would switch TLS on.
        func keys(for url: String) -> [TOMLEntry] {
            guard let endpoint = Endpoint(url), endpoint.scheme == "https" else { return [] }
            return tls[endpoint.authority] ?? []
        }
    }

    private let path: String
    private let route: Route
    private var file: HostsFile?
    private var editor: TOMLEditor
    /// Raw tables of `_default`, which this file will hide.
    private var inherited: [UInt8] = []
    private(set) var notes: [Finding] = []

    private var host: String { route.host }
    private var target: RegistryTarget? { route.target }
    private var mirror: Endpoint { route.mirror }

    var bytes: [UInt8] { editor.document.bytes }

    init(new path: String, _ route: Route) throws(Refusal) {
        self.path = path
        self.route = route
        do throws(TOMLError) {
            editor = TOMLEditor(try TOMLDocument([]))
        } catch {
            throw Refusal(Finding(.broken, .invalidTOML, file: path, "\(error)"))
        }
    }

    /// Refuses a file that containerd drops as a whole: put in front of it, our host would be dropped too.
    init(existing file: HostsFile, _ route: Route) throws(Refusal) {
        path = file.path
        self.route = route
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
    ///
    /// `nil` for `_default`, and where only mirrors move here: then containerd asks the image's own registry.
    private var registryURL: String? {
        guard host != RegistryTarget.all.host else { return nil }
        guard let target else {
            let url = file?.server ?? RegistryTarget.defaultURL(of: host)
            return route.keys(for: url).isEmpty ? nil : url
        }
        return target.isExplicit ? target.url : file?.server ?? target.url
    }

    /// What the registry itself needs; nothing where the user's file says it already.
    private var serverKeys: [TOMLEntry] {
        let isKnown = file?.serverKeys.contains(where: HostsKeys.names.contains) ?? false
        return isKnown ? [] : route.certificates + (registryURL.map(route.keys) ?? [])
    }

    private var currentHosts: [String] { editor.document.keys(at: ["host"]) }

    private mutating func putServer() throws(TOMLEditError) {
        guard file?.server == nil, let url = registryURL else {
            if host != RegistryTarget.all.host, let target, let server = file?.server,
                !Endpoint.same(server, target.url)
            {
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
            if !serverKeys.isEmpty { try editor.insert(serverKeys, into: []) }
            return
        }
        try editor.insert([TOMLEntry("server", .string(url))] + serverKeys, into: [])
    }

    private mutating func putOurs() throws(TOMLEditError) {
        guard target != nil else { return }
        let header = registryURL.map { TOMLEntry(HostsPlan.registryHeader, .string($0)) }
        if let existing = currentHosts.first(where: { Endpoint.same($0, mirror.url) }) {
            if existing == currentHosts.first { return try updateOurs(existing, header) }
            try editor.remove(["host", existing])
        }
        var sections = [
            TOMLSectionText(
                path: ["host", mirror.url],
                entries: [HostsPlan.capabilities] + route.keys(for: mirror.url)
            )
        ]
        if let header {
            sections.append(TOMLSectionText(path: ["host", mirror.url, "header"], entries: [header]))
        }
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
            var entries = [HostsPlan.capabilities]
            if !endpoint.path.isEmpty, !endpoint.path.hasSuffix("/v2") {
                entries.append(TOMLEntry("override_path", .boolean(true)))
            }
            entries += route.keys(for: endpoint.url)
            let section = TOMLSectionText(path: ["host", endpoint.url], entries: entries)
            try editor.add([section], before: last.map { ["host", $0] })
        }
    }

    /// The registry as a host of its own, unless the user's file says in its own way where the registry is.
    private mutating func putFallback() throws(TOMLEditError) {
        guard let url = registryURL, target.map({ Endpoint.same(url, $0.url) }) ?? true else { return }
        guard !currentHosts.contains(where: { Endpoint.same($0, url) }), file?.serverKeys.isEmpty ?? true
        else { return }
        let section = TOMLSectionText(path: ["host", url], entries: [HostsPlan.capabilities] + serverKeys)
        try editor.add([section], before: nil)
    }
}
