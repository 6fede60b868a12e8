/// Puts the mirror in front of registries in the registries.yaml of k3s and RKE2.
///
/// They make containerd's configuration from it at every start, with the registry itself behind the mirrors.
/// containerd names the registry to the mirror by `ns`.
struct K3sRegistriesPlanner: RuntimePlanner {
    let config: String
    let mirror: Endpoint

    func isReadable(_ bytes: [UInt8]) -> Bool {
        // Only whether it can be read is asked.
        (try? PlainYAMLDocument(bytes)) != nil
    }

    private func read(_ tree: any FileTree) throws(Refusal) -> (bytes: [UInt8]?, document: PlainYAMLDocument)
    {
        var bytes: [UInt8]?
        switch tree.read(config) {
        case .success(let content): bytes = content
        case .failure(.missing): bytes = nil
        case .failure(let fault):
            throw Refusal(Finding(.broken, .unreadable, file: config, "\(config) \(fault.sentence)"))
        }
        return (bytes, try parse(bytes ?? []))
    }

    private func parse(_ bytes: [UInt8]) throws(Refusal) -> PlainYAMLDocument {
        do throws(PlainYAML.Fault) {
            return try PlainYAMLDocument(bytes)
        } catch {
            throw Refusal(
                Finding(
                    .broken, .unknownYAML, file: config, line: error.line,
                    "this line cannot be edited without guessing: \(error.message)",
                    remedy:
                        "spell it as plain blocks (key: value, - item), or add by hand below mirrors: the registry"
                        + " with endpoint: [\"\(mirror.url)\"]"))
        }
    }

    /// The endpoints written for a host; `nil` when there is no such entry.
    private func endpoints(_ host: String, _ document: PlainYAMLDocument) throws(Refusal) -> [String]? {
        guard let mirrors = document.root?["mirrors"], mirrors != .scalar("") else { return nil }
        guard case .mapping(let hosts) = mirrors else {
            throw wrong(document, ["mirrors"], "mirrors must hold hosts")
        }
        switch hosts[host] {
        case nil: return nil
        case .scalar("")?: return []
        case .mapping(let settings)?:
            switch settings["endpoint"] {
            case nil, .scalar("")?: return []
            case .sequence(let items)?: return items
            default: throw wrong(document, ["mirrors", host, "endpoint"], "endpoint must be a list")
            }
        default: throw wrong(document, ["mirrors", host], "\(host) must hold endpoint")
        }
    }

    private func line(_ path: [String], _ document: PlainYAMLDocument) -> Int? {
        var block = document.block
        for key in path.dropLast() { block = block?.children[key] }
        return path.last.flatMap { block?.keys[$0] }.map { $0 + 1 }
    }

    private func wrong(_ document: PlainYAMLDocument, _ path: [String], _ message: String) -> Refusal {
        Refusal(Finding(.broken, .wrongType, file: config, line: line(path, document), message))
    }

    private func isOurs(_ text: String) -> Bool { Endpoint.same(text, mirror.url) }

    func inspect(_ targets: [RegistryTarget], tree: any FileTree) throws(Refusal) -> RuntimeState {
        let document = try read(tree).document
        var state = RuntimeState()
        for target in targets {
            let own = try endpoints(target.host, document)
            let wildcard = try endpoints("*", document)
            let list = own ?? wildcard ?? []
            state.registries.append(
                RegistryReport(
                    host: target.host, asks: list + (list.contains(target.url) ? [] : [target.url]),
                    file: list.isEmpty ? nil : config, isRouted: list.first.map(isOurs) ?? false))
        }
        return state
    }

    func plan(_ targets: [RegistryTarget], tree: any FileTree) throws(Refusal) -> RuntimePlan {
        let (before, original) = try read(tree)
        var bytes = before ?? []
        var document = original
        for target in targets {
            guard let edited = try edit(target, document, bytes) else { continue }
            let next = try parse(edited)
            try prove(target, document, next)
            (bytes, document) = (edited, next)
        }
        guard bytes != before ?? [] else { return RuntimePlan() }
        return RuntimePlan(changes: [FileChange(path: config, before: before, after: bytes)])
    }

    /// The mirror, and behind it a registry that is not where its name says.
    private func wanted(_ target: RegistryTarget) -> [String] {
        [mirror.url] + (target.isExplicit ? [target.url] : [])
    }

    /// `nil` when there is nothing to do.
    private func edit(_ target: RegistryTarget, _ document: PlainYAMLDocument, _ bytes: [UInt8])
        throws(Refusal) -> [UInt8]?
    {
        let host = target.host
        let quoted = host.contains(":") ? "\"\(host)\"" : host
        if let existing = try endpoints(host, document) {
            if let position = existing.firstIndex(where: isOurs) {
                guard position == 0 else {
                    throw refuse(
                        .mirrorNotFirst, document, host,
                        "\(mirror.url) is an endpoint of \(host) already, but not the first",
                        "remove it there")
                }
                return nil
            }
            guard document.root?["mirrors"]?[host]?["rewrite"] == nil else {
                throw refuse(
                    .rewritten, document, host,
                    "rewrite changes the names that the mirror would be asked for",
                    "remove rewrite, or leave this registry out")
            }
            return insert(existing, target, document)
        }
        guard try endpoints("*", document) == nil else {
            throw refuse(
                .wildcardEntry, document, "*",
                "an entry for \(host) would take the endpoints of \"*\" away from it",
                "write an entry for \(host) by hand")
        }
        guard let root = document.block else {
            return append(["mirrors:"] + entry(quoted, target, "  ", step: "  "), document)
        }
        let top = String(repeating: " ", count: root.indent)
        guard let line = root.keys["mirrors"] else {
            return append(
                ["mirrors:"].map { top + $0 } + entry(quoted, target, top + "  ", step: "  "), document)
        }
        guard let mirrors = root.children["mirrors"] else {
            return insert(entry(quoted, target, top + "  ", step: "  "), below: line, document)
        }
        let indent = String(repeating: " ", count: mirrors.indent)
        let step = String(repeating: " ", count: max(1, mirrors.indent - root.indent))
        return insert(entry(quoted, target, indent, step: step), below: mirrors.lines.upperBound, document)
    }

    private func refuse(
        _ rule: Finding.Rule, _ document: PlainYAMLDocument, _ host: String, _ message: String,
        _ remedy: String
    ) -> Refusal {
        Refusal(
            Finding(
                .broken, rule, file: config, line: line(["mirrors", host], document), message, remedy: remedy)
        )
    }

    private func entry(_ host: String, _ target: RegistryTarget, _ indent: String, step: String) -> [String] {
        [indent + host + ":", indent + step + "endpoint:"]
            + wanted(target).map { indent + step + step + "- \"\($0)\"" }
    }

    /// Into a host's own entry, in front of its endpoints.
    private func insert(_ existing: [String], _ target: RegistryTarget, _ document: PlainYAMLDocument)
        -> [UInt8]?
    {
        guard let mirrors = document.block?.children["mirrors"], let line = mirrors.keys[target.host] else {
            return nil
        }
        let added = wanted(target).filter { new in !existing.contains { Endpoint.same($0, new) } }
        guard let host = mirrors.children[target.host] else {
            let indent = String(repeating: " ", count: mirrors.indent + 2)
            return insert(
                [indent + "endpoint:"] + added.map { "\(indent)  - \"\($0)\"" }, below: line, document)
        }
        let indent = String(repeating: " ", count: host.indent)
        guard let key = host.keys["endpoint"] else {
            return insert(
                [indent + "endpoint:"] + added.map { "\(indent)  - \"\($0)\"" }, below: line, document)
        }
        guard let list = host.children["endpoint"] else {
            return insert(added.map { "\(indent)  - \"\($0)\"" }, below: key, document)
        }
        let dash = String(repeating: " ", count: list.indent)
        return insert(["\(dash)- \"\(mirror.url)\""], below: key, document)
    }

    private func insert(_ texts: [String], below line: Int, _ document: PlainYAMLDocument) -> [UInt8] {
        var result: [UInt8] = []
        for (number, bytes) in document.lines.enumerated() {
            result += bytes
            if number == line { result += block(texts, after: bytes) }
        }
        return result
    }

    private func append(_ texts: [String], _ document: PlainYAMLDocument) -> [UInt8] {
        guard let last = document.lines.last else { return block(texts, after: [0x0A]) }
        return document.lines.flatMap { Array($0) } + block(texts, after: last)
    }

    /// Whole lines with the line break of their neighbour, which gets one first if it has none.
    private func block(_ texts: [String], after line: ArraySlice<UInt8>) -> [UInt8] {
        let isWindows = line.suffix(2) == [0x0D, 0x0A]
        let lineBreak: [UInt8] = isWindows ? [0x0D, 0x0A] : [0x0A]
        let open = line.last == 0x0A ? [] : lineBreak
        return open + texts.flatMap { Array($0.utf8) + lineBreak }
    }

    /// The mirror is the host's first endpoint, and everything else means what it meant.
    private func prove(_ target: RegistryTarget, _ before: PlainYAMLDocument, _ after: PlainYAMLDocument)
        throws(Refusal)
    {
        let list = try endpoints(target.host, after) ?? []
        let old = try endpoints(target.host, before) ?? []
        let rest = Array(list.dropFirst())
        let isKept = rest == old || (old.isEmpty && rest == Array(wanted(target).dropFirst()))
        guard list.first == mirror.url, isKept, without(target.host, before) == without(target.host, after)
        else {
            throw Refusal(
                Finding(.broken, .proofFailed, file: config, "the planned file does not read as intended"))
        }
    }

    /// The document without one host's endpoints; an entry that holds nothing else is as good as none.
    private func without(_ host: String, _ document: PlainYAMLDocument) -> PlainYAML {
        guard case .mapping(var root)? = document.root else { return .mapping([:]) }
        var hosts: [String: PlainYAML] = [:]
        if case .mapping(let members)? = root["mirrors"] { hosts = members }
        var own: [String: PlainYAML] = [:]
        if case .mapping(let members)? = hosts[host] { own = members }
        own["endpoint"] = nil
        hosts[host] = own.isEmpty ? nil : .mapping(own)
        root["mirrors"] = hosts.isEmpty ? nil : .mapping(hosts)
        return .mapping(root)
    }
}
