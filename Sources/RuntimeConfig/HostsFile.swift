import TOMLEdit

/// A `hosts.toml`: where containerd looks for the images of one registry.
struct HostsFile: Sendable {
    struct Host: Equatable, Sendable {
        /// As written.
        let url: String
        let capabilities: Set<String>
        let line: Int
    }

    let path: String
    let document: TOMLDocument
    /// In the order in which they are asked.
    let hosts: [Host]
    /// Asked last; `nil` leaves the registry's own address.
    let server: String?
    /// Not empty when this release drops the whole file, or hosts in it, without a word.
    let faults: [Finding]

    /// Reads what one release would read.
    init(path: String, bytes: [UInt8], version: ContainerdVersion) {
        self.path = path
        do throws(TOMLError) {
            document = try TOMLDocument(bytes)
        } catch {
            document = Self.emptyDocument
            hosts = []
            server = nil
            faults = [
                Finding(
                    .advice,
                    .deadHostsFile,
                    file: path,
                    line: error.line,
                    "not valid TOML: \(error); containerd drops the whole file and goes to the public registry",
                    remedy: "repair the line"
                )
            ]
            return
        }
        server = document.root[["server"]]?.string
        var reader = HostsReader(path: path, document: document, version: version)
        hosts = reader.read()
        faults = reader.faults
    }

    private static let emptyDocument: TOMLDocument = {
        do throws(TOMLError) { return try TOMLDocument([]) } catch {
            preconditionFailure("an empty document is valid")
        }
    }()

    /// Keys at the front of the file that belong to `server`, other than `server` itself.
    var serverKeys: [String] { document.keys(at: []).filter { $0 != "server" && $0 != "host" } }
}

/// Applies the checks of containerd's own reader.
///
/// Any of them drops the file as a whole.
private struct HostsReader {
    let path: String
    let document: TOMLDocument
    let version: ContainerdVersion
    private(set) var faults: [Finding] = []

    init(path: String, document: TOMLDocument, version: ContainerdVersion) {
        self.path = path
        self.document = document
        self.version = version
    }

    private mutating func fail(_ key: [String], _ message: String, remedy: String) {
        let line = document.line(of: key)
        faults.append(Finding(.advice, .deadHostsFile, file: path, line: line, message, remedy: remedy))
    }

    mutating func read() -> [HostsFile.Host] {
        if document.hasByteOrderMark, version.generation != .one {
            fail(
                [],
                "a byte order mark makes containerd 2 drop the file",
                remedy: "remove the first three bytes"
            )
        }
        if let server = document.root[["server"]], server.string == nil {
            fail(["server"], "server must be a string; containerd drops the whole file", remedy: "quote it")
        }
        checkKeys(at: [])
        guard let host = document.root[["host"]] else {
            if version.generation == .one {
                fail(
                    [],
                    "containerd 1 drops a file without a [host] table",
                    remedy: "add an empty [host] at the end of the file"
                )
            }
            return []
        }
        guard let entries = host.table else {
            fail(
                ["host"],
                "host must be a table; containerd drops the whole file",
                remedy: "write [host.\"URL\"]"
            )
            return []
        }
        return document.keys(at: ["host"]).compactMap { url in
            readHost(url, entries[url] ?? .table([:]))
        }
    }

    private mutating func readHost(_ url: String, _ node: TOMLNode) -> HostsFile.Host? {
        let key = ["host", url]
        guard node.table != nil else {
            fail(
                key,
                "host.\"\(url)\" must be a table; containerd drops the whole file",
                remedy: "write [host.\"\(url)\"]"
            )
            return nil
        }
        let spelling = document.spelling(of: key)
        if version.generation != .one, spelling != .header, spelling != .impliedByHeader {
            fail(
                key,
                "containerd 2 finds hosts only by [host.\"URL\"] headers, so it does not see this one",
                remedy: "write it as a table header"
            )
        }
        checkKeys(at: key)
        let named = node[["capabilities"]]?.strings?.map { $0.lowercased() } ?? []
        let capabilities = Set(named.isEmpty ? ["pull", "resolve", "push"] : named)
        return HostsFile.Host(url: url, capabilities: capabilities, line: document.nearestLine(of: key))
    }

    private mutating func checkKeys(at base: [String]) {
        guard let table = document.root[base]?.table else { return }
        let known: Set<String> =
            version >= ContainerdVersion(2, 2, 0)
            ? ["pull", "resolve", "push", "referrers"] : ["pull", "resolve", "push"]
        if let capabilities = table["capabilities"] {
            let words = capabilities.strings
            if words == nil || words?.allSatisfy({ known.contains($0.lowercased()) }) != true {
                fail(
                    base + ["capabilities"],
                    "containerd \(version) does not know one of these capabilities and drops the whole file",
                    remedy: "keep to \(known.sorted().joined(separator: ", "))"
                )
            }
        }
        for key in ["skip_verify", "override_path"] where table[key].map({ $0.boolean == nil }) == true {
            fail(
                base + [key],
                "\(key) must be true or false; containerd drops the whole file",
                remedy: "unquote it"
            )
        }
        for key in ["ca", "client"] where table[key].map({ !Self.isFileList($0) }) == true {
            fail(
                base + [key],
                "\(key) must name files; containerd drops the whole file",
                remedy: "write a string"
            )
        }
        if let header = table["header"], !Self.isHeader(header) {
            fail(
                base + ["header"],
                "headers must be strings or lists of strings; containerd drops the whole file",
                remedy: "quote the values"
            )
        }
        if let timeout = table["dial_timeout"], version.readsDialTimeout, !Self.isDuration(timeout) {
            fail(
                base + ["dial_timeout"],
                "dial_timeout must be a duration in quotes; containerd drops the whole file",
                remedy: "write \"200ms\""
            )
        }
    }

    private static func isFileList(_ node: TOMLNode) -> Bool {
        guard case .array(let elements) = node else { return node.string != nil }
        return elements.allSatisfy { $0.string != nil || $0.strings != nil }
    }

    private static func isHeader(_ node: TOMLNode) -> Bool {
        node.table?.values.allSatisfy { $0.string != nil || $0.strings != nil } ?? false
    }

    private static func isDuration(_ node: TOMLNode) -> Bool {
        guard let text = node.string, let first = text.first, first.isNumber || first == "." else {
            return false
        }
        let units = ["ns", "us", "µs", "ms", "s", "m", "h"]
        return units.contains { text.hasSuffix($0) }
            && text.allSatisfy { $0.isNumber || ".nuµmsh".contains($0) }
    }
}

extension ContainerdVersion {
    var readsDialTimeout: Bool {
        self >= ContainerdVersion(2, 1, 0)
            || (ContainerdVersion(2, 0, 7)..<ContainerdVersion(2, 1, 0)).contains(self)
    }
}

/// The folder of a registry below a `config_path`, as containerd looks it up.
enum HostsLookup {
    struct Result {
        /// The folder that is used; `nil` when there is none.
        let directory: String?
        let isDefault: Bool
        /// `nil` when the folder holds no `hosts.toml`, or what stands there is no file.
        let file: HostsFile?
        let fault: FileFault?
    }

    /// Names under which `host` may have a folder, in the order of the lookup.
    static func names(of host: String) -> [String] {
        guard let colon = host.lastIndex(of: ":"), colon != host.startIndex else { return [host] }
        let mangled = host[..<colon] + "_" + host[host.index(after: colon)...] + "_"
        return [String(mangled), host]
    }

    /// Looks through several folders, as containerd does where it knows lists: `_default` of the first comes
    /// before everything in the second.
    static func find(
        _ host: String,
        below roots: [String],
        version: ContainerdVersion,
        tree: any FileTree
    ) -> Result {
        for root in roots {
            let found = find(host, below: root, version: version, tree: tree)
            if found.directory != nil { return found }
        }
        return Result(directory: nil, isDefault: false, file: nil, fault: nil)
    }

    /// The first existing folder is used, also when it holds nothing.
    static func find(_ host: String, below root: String, version: ContainerdVersion, tree: any FileTree)
        -> Result
    {
        for name in names(of: host) + ["_default"] {
            let directory = Path.join(root, name)
            guard let isDirectory = tree.isDirectory(directory) else { continue }
            let isDefault = name == "_default"
            guard isDirectory else {
                return Result(directory: directory, isDefault: isDefault, file: nil, fault: .notAFile)
            }
            let path = Path.join(directory, "hosts.toml")
            switch tree.read(path) {
            case .success(let bytes):
                let file = HostsFile(path: path, bytes: bytes, version: version)
                return Result(directory: directory, isDefault: isDefault, file: file, fault: nil)
            case .failure(.missing):
                return Result(directory: directory, isDefault: isDefault, file: nil, fault: nil)
            case .failure(let fault):
                return Result(directory: directory, isDefault: isDefault, file: nil, fault: fault)
            }
        }
        return Result(directory: nil, isDefault: false, file: nil, fault: nil)
    }
}
