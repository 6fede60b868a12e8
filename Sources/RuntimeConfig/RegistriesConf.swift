import TOMLEdit

/// What Podman, Buildah, Skopeo and CRI-O know of registries.
///
/// As containers/image reads it (`pkg/sysregistriesv2`): the main file, then `registries.conf.d/*.conf` in
/// byte order; an entry replaces every earlier one of the same prefix as a whole.
struct RegistriesConf {
    struct Mirror: Equatable {
        let location: String
        let insecure: Bool
        let pullFrom: String
    }

    struct Entry: Equatable {
        let path: String
        /// Its number among the `[[registry]]` of its file.
        let element: Int
        let line: Int
        let prefix: String
        let location: String
        let insecure: Bool
        let blocked: Bool
        let digestOnly: Bool
        var mirrors: [Mirror]

        /// The same settings, wherever they are written.
        func means(_ other: Entry) -> Bool {
            location == other.location && insecure == other.insecure && blocked == other.blocked
                && digestOnly == other.digestOnly && mirrors == other.mirrors
        }
    }

    private(set) var documents: [String: TOMLDocument] = [:]
    /// Those that count, by prefix.
    private(set) var entries: [String: Entry] = [:]

    static func dropIns(of main: String) -> String { main + ".d" }

    init(main: String, tree: any FileTree) throws(Refusal) {
        let folder = Self.dropIns(of: main)
        var paths: [String] = []
        switch tree.names(in: folder) {
        case .success(let names): paths = names.filter { $0.hasSuffix(".conf") }.map { Path.join(folder, $0) }
        case .failure(.missing): break
        case .failure(let fault):
            throw Refusal(Finding(.broken, .unreadable, file: folder, "\(folder) \(fault.sentence)"))
        }
        for path in [main] + paths where tree.isDirectory(path) != true {
            switch tree.read(path) {
            case .success(let bytes): try add(path, bytes)
            case .failure(.missing) where path == main: break
            case .failure(let fault):
                throw Refusal(Finding(.broken, .unreadable, file: path, "\(path) \(fault.sentence)"))
            }
        }
    }

    private mutating func add(_ path: String, _ bytes: [UInt8]) throws(Refusal) {
        let document: TOMLDocument
        do throws(TOMLError) {
            document = try TOMLDocument(bytes)
        } catch {
            throw Refusal(
                Finding(
                    .broken, .invalidTOML, file: path, line: error.line, "not valid TOML: \(error)",
                    remedy: "repair the line; nothing is changed before")
            )
        }
        guard document.root[["registries"]] == nil else {
            throw Refusal(
                Finding(
                    .broken, .registriesV1, file: path, line: document.line(of: ["registries"]),
                    "this is the old format ([registries.search] and its kin), which has no mirrors",
                    remedy: "write its registries as [[registry]] and unqualified-search-registries"
                        + " (man 5 containers-registries.conf)")
            )
        }
        documents[path] = document
        var own: [String: Entry] = [:]
        for entry in try Self.entries(of: document, path) {
            if let other = own.updateValue(entry, forKey: entry.prefix) {
                throw Refusal(
                    Finding(
                        .broken, .duplicateEntry, file: path, line: entry.line,
                        "\(entry.prefix) has an entry in line \(other.line) already, and which counts depends"
                            + " on other files",
                        remedy: "keep one of the two")
                )
            }
        }
        entries.merge(own) { _, later in later }
    }

    private static func entries(of document: TOMLDocument, _ path: String) throws(Refusal) -> [Entry] {
        guard let value = document.root[["registry"]] else { return [] }
        guard case .array(let elements) = value else {
            throw wrong(path, document.line(of: ["registry"]), "registry must be written as [[registry]]")
        }
        var result: [Entry] = []
        for (number, element) in elements.enumerated() {
            let line =
                document.line(ofElement: number, at: ["registry"], key: nil)
                ?? document.nearestLine(of: ["registry"])
            result.append(try entry(element, number: number, path: path, line: line))
        }
        return result
    }

    private static func entry(_ node: TOMLNode, number: Int, path: String, line: Int) throws(Refusal) -> Entry
    {
        let table = Table(node: node, path: path, line: line)
        try table.check(["prefix", "location", "insecure", "blocked", "mirror-by-digest-only", "mirror"])
        var prefix = try table.place("prefix")
        let location = try table.place("location")
        if prefix.isEmpty { prefix = location }
        guard !prefix.isEmpty, !location.isEmpty || prefix.hasPrefix("*.") else {
            throw wrong(path, line, "an entry without location makes every pull fail")
        }
        var mirrors: [Mirror] = []
        if let value = node[["mirror"]] {
            guard case .array(let elements) = value else {
                throw wrong(path, line, "mirror must be written as [[registry.mirror]]")
            }
            for element in elements {
                let mirror = Table(node: element, path: path, line: line)
                try mirror.check(["location", "insecure", "pull-from-mirror"])
                let place = try mirror.place("location")
                guard !place.isEmpty else {
                    throw wrong(path, line, "a mirror without location makes every pull fail")
                }
                mirrors.append(
                    Mirror(
                        location: place, insecure: try mirror.flag("insecure"),
                        pullFrom: try mirror.text("pull-from-mirror")))
            }
        }
        return Entry(
            path: path, element: number, line: line, prefix: prefix, location: location,
            insecure: try table.flag("insecure"), blocked: try table.flag("blocked"),
            digestOnly: try table.flag("mirror-by-digest-only"), mirrors: mirrors)
    }

    private static func wrong(_ path: String, _ line: Int?, _ message: String) -> Refusal {
        Refusal(Finding(.broken, .wrongType, file: path, line: line, message))
    }

    /// Typed access to one table of the file.
    private struct Table {
        let node: TOMLNode
        let path: String
        let line: Int

        /// Readers in Go take keys in any case; which of two counts would be a guess.
        func check(_ known: [String]) throws(Refusal) {
            guard let members = node.table else { throw wrong(path, line, "not a table") }
            for key in members.keys where !known.contains(key) && known.contains(key.lowercased()) {
                throw wrong(path, line, "write \(key) in lower case")
            }
        }

        func text(_ key: String) throws(Refusal) -> String {
            guard let value = node[[key]] else { return "" }
            guard let text = value.string else {
                throw wrong(path, line, "\(key) must be a string and is \(value.kindName)")
            }
            return text
        }

        func flag(_ key: String) throws(Refusal) -> Bool {
            guard let value = node[[key]] else { return false }
            guard let flag = value.boolean else {
                throw wrong(path, line, "\(key) must be true or false and is \(value.kindName)")
            }
            return flag
        }

        func place(_ key: String) throws(Refusal) -> String {
            var text = try text(key)
            guard !text.contains("://") else {
                throw wrong(path, line, "\(key) = \"\(text)\" has a scheme, with which every pull fails")
            }
            while text.hasSuffix("/") { text.removeLast() }
            return text
        }
    }
}
