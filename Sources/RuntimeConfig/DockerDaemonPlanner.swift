import FoundationEssentials
import TOMLEdit

/// Puts the mirror in front of Docker Hub in Docker's daemon.json, and of other registries in hosts.toml files.
///
/// Docker's `registry-mirrors` are for Docker Hub alone. They are asked without a word about the registry, so
/// the mirror's own default has to be Docker Hub. The others are looked up as containerd does, below certs.d beside
/// daemon.json, from Docker 28 on and only with containerd's image store.
struct DockerDaemonPlanner: RuntimePlanner {
    let config: String
    let mirror: Endpoint
    /// Command lines of the Docker daemons that run here.
    var daemons: @Sendable () -> [[String]] = DockerDaemonPlanner.runningDaemons

    init(config: String, mirror: Endpoint) {
        self.config = config
        self.mirror = mirror
    }

    static let hub = "docker.io"
    static let key = "registry-mirrors"

    func isReadable(_ bytes: [UInt8]) -> Bool {
        // Only whether it can be read is asked; a hosts.toml is TOML.
        Self.isBlank(bytes) || (try? JSONSyntax.parse(bytes)) != nil || (try? TOMLDocument(bytes)) != nil
    }

    private static func isBlank(_ bytes: [UInt8]) -> Bool {
        bytes.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }
    }

    /// The file's root object; `nil` for a file that is missing or blank, which Docker takes as empty.
    struct File {
        let bytes: [UInt8]?
        let members: [JSONSyntax.Member]?
        let mirrors: [String]
        /// `features.containerd-snapshotter`; `nil` leaves it to Docker.
        var usesContainerdStore: Bool?
    }

    private func read(_ tree: any FileTree) throws(Refusal) -> File {
        let bytes: [UInt8]
        switch tree.read(config) {
        case .success(let content): bytes = content
        case .failure(.missing): return File(bytes: nil, members: nil, mirrors: [])
        case .failure(let fault):
            throw Refusal(Finding(.broken, .unreadable, file: config, "\(config) \(fault.sentence)"))
        }
        if Self.isBlank(bytes) { return File(bytes: bytes, members: nil, mirrors: []) }
        let root: JSONSyntax
        do throws(JSONSyntax.Fault) {
            root = try JSONSyntax.parse(bytes)
        } catch {
            throw refusal(.invalidJSON, bytes, error.offset, "not valid JSON: \(error.message)")
        }
        guard case .object(let members, _) = root else {
            throw refusal(.invalidJSON, bytes, 0, "not a JSON object, with which Docker does not start")
        }
        var mirrors: [String] = []
        if let member = members.first(where: { $0.name == Self.key }) {
            guard case .array(let elements, _) = member.value else {
                throw refusal(.wrongType, bytes, member.start, "\(Self.key) must be a list of strings")
            }
            for element in elements {
                guard case .string(let text, _) = element else {
                    throw refusal(
                        .wrongType, bytes, element.span.lowerBound, "\(Self.key) must be a list of strings")
                }
                mirrors.append(text)
            }
        }
        return File(
            bytes: bytes, members: members, mirrors: mirrors,
            usesContainerdStore: Self.usesContainerdStore(members, bytes))
    }

    private static func usesContainerdStore(_ members: [JSONSyntax.Member], _ bytes: [UInt8]) -> Bool? {
        guard case .object(let features, _)? = members.first(where: { $0.name == "features" })?.value,
            case .scalar(let span)? = features.first(where: { $0.name == "containerd-snapshotter" })?.value
        else { return nil }
        return bytes[span].elementsEqual("true".utf8)
    }

    private func refusal(_ rule: Finding.Rule, _ bytes: [UInt8], _ offset: Int, _ message: String) -> Refusal
    {
        let line = bytes.prefix(offset).count { $0 == UInt8(ascii: "\n") } + 1
        return Refusal(Finding(.broken, rule, file: config, line: line, message, remedy: "repair the line"))
    }

    private func isOurs(_ text: String) -> Bool { Endpoint.same(text, mirror.url) }

    func inspect(_ targets: [RegistryTarget], tree: any FileTree) throws(Refusal) -> RuntimeState {
        let file = try read(tree)
        return RuntimeState(
            registries: targets.map { target in
                guard target.host == Self.hub else { return hostsPlan(tree).report(target) }
                return RegistryReport(
                    host: target.host, asks: file.mirrors + [target.url], file: file.mirrors.isEmpty ? nil : config,
                    isRouted: file.mirrors.first.map(isOurs) ?? false)
            },
            findings: flagConflicts(hasMirrors: !file.mirrors.isEmpty))
    }

    func plan(_ targets: [RegistryTarget], tree: any FileTree) throws(Refusal) -> RuntimePlan {
        if targets.contains(where: { $0.host == Self.hub && $0.isExplicit }) {
            throw Refusal(
                Finding(
                    .broken, .unsupported, file: config,
                    "\(Self.hub): Docker's \(Self.key) are for Docker Hub at its own address only",
                    remedy: "name \(Self.hub) without a URL"))
        }
        let file = try read(tree)
        var plan = RuntimePlan()
        if targets.contains(where: { $0.host == Self.hub }) { plan = try planHub(file) }
        let others = targets.filter { $0.host != Self.hub }
        if !others.isEmpty { try planHosts(others, file, tree, &plan) }
        return plan
    }

    private func planHub(_ file: File) throws(Refusal) -> RuntimePlan {
        let conflicts = flagConflicts(hasMirrors: true)
        guard conflicts.isEmpty else { throw Refusal(conflicts) }
        let note = Finding(
            .note, .defaultRegistry, file: config,
            "Docker does not name the registry to its mirrors: mirror.default_registry in Hawker's settings must be"
                + " \"\(Self.hub)\"")
        if let position = file.mirrors.firstIndex(where: isOurs) {
            guard position == 0 else {
                throw Refusal(
                    Finding(
                        .broken, .mirrorNotFirst, file: config,
                        "\(mirror.url) is in \(Self.key) already, but not the first",
                        remedy: "remove it there"))
            }
            return RuntimePlan(findings: [note])
        }
        let after = edited(file)
        try prove(file, after)
        return RuntimePlan(
            changes: [FileChange(path: config, before: file.bytes, after: after)], findings: [note])
    }

    /// Docker does not start when a setting is both a flag and in the file.
    private func flagConflicts(hasMirrors: Bool) -> [Finding] {
        let hasFlag = daemons().contains { line in
            line.contains { $0 == "--registry-mirror" || $0.hasPrefix("--registry-mirror=") }
        }
        guard hasFlag, hasMirrors else { return [] }
        return [
            Finding(
                .broken, .flagConflict, file: config,
                "dockerd runs with --registry-mirror, and does not start when the file has \(Self.key) as well",
                remedy: "move the flag's value from the unit into \(config)")
        ]
    }

    private func edited(_ file: File) -> [UInt8] {
        let value = "\"\(mirror.url)\""
        guard let bytes = file.bytes, let members = file.members else {
            return Array("{\n  \"\(Self.key)\": [\(value)]\n}\n".utf8)
        }
        if let member = members.first(where: { $0.name == Self.key }),
            case .array(let list, let span) = member.value
        {
            guard let first = list.first else { return Self.splice(bytes, span, "[\(value)]") }
            let gap = span.lowerBound + 1..<first.span.lowerBound
            // On one line the first element often follows its bracket directly.
            let blank = gap.isEmpty ? " " : String(decoding: bytes[gap], as: UTF8.self)
            return Self.splice(bytes, first.span.lowerBound..<first.span.lowerBound, value + "," + blank)
        }
        guard let last = members.last, let first = members.first else {
            let open = bytes.firstIndex(of: UInt8(ascii: "{")) ?? 0
            let close = bytes.lastIndex(of: UInt8(ascii: "}")) ?? open
            return Self.splice(bytes, open..<(close + 1), "{\n  \"\(Self.key)\": [\(value)]\n}")
        }
        // The blanks in front of the first name: a line break with its indentation, or none.
        let blanks = bytes[..<first.start].reversed().prefix {
            $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D
        }
        let blank = blanks.isEmpty ? " " : String(decoding: blanks.reversed(), as: UTF8.self)
        let end = last.value.span.upperBound
        return Self.splice(bytes, end..<end, ",\(blank)\"\(Self.key)\": [\(value)]")
    }

    private static func splice(_ bytes: [UInt8], _ range: Range<Int>, _ text: String) -> [UInt8] {
        Array(bytes[..<range.lowerBound]) + Array(text.utf8) + bytes[range.upperBound...]
    }

    /// Another reader has to agree: with our address taken out, the planned file means what the old one meant.
    private func prove(_ file: File, _ after: [UInt8]) throws(Refusal) {
        let failed = Refusal(
            Finding(.broken, .proofFailed, file: config, "the planned file does not read as intended"))
        guard var planned = Self.object(after), case .array(var mirrors)? = planned[Self.key],
            mirrors.first == .string(mirror.url)
        else { throw failed }
        var old: [String: JSONMeaning] = [:]
        if let bytes = file.bytes, file.members != nil {
            guard let object = Self.object(bytes) else { throw failed }
            old = object
        }
        mirrors.removeFirst()
        planned[Self.key] = old[Self.key] == nil && mirrors.isEmpty ? nil : .array(mirrors)
        guard old == planned else { throw failed }
    }

    private static func object(_ bytes: [UInt8]) -> [String: JSONMeaning]? {
        // What cannot be read proves nothing.
        try? JSONDecoder().decode([String: JSONMeaning].self, from: Data(bytes))
    }

    /// Command lines below /proc whose program is `dockerd`.
    @Sendable private static func runningDaemons() -> [[String]] {
        let tree = DiskTree()
        // Processes that end meanwhile, or are not ours to see, are not the daemon that will be restarted.
        let names = (try? tree.names(in: "/proc").get()) ?? []
        return names.filter { $0.allSatisfy(\.isNumber) }.compactMap { name in
            guard case .success(let bytes) = tree.read("/proc/\(name)/cmdline") else { return nil }
            let words = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            return words.first.map(Path.name) == "dockerd" ? words : nil
        }
    }
}

/// A JSON value as Foundation's decoder reads it, which is not the reader that planned.
private indirect enum JSONMeaning: Decodable, Equatable {
    case null
    case bool(Bool)
    case number(Decimal)
    case string(String)
    case array([JSONMeaning])
    case object([String: JSONMeaning])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        // Each is tried in turn; what is none of them is the last one's error.
        if value.decodeNil() { self = .null }
        else if let bool = try? value.decode(Bool.self) { self = .bool(bool) }  // As above.
        else if let text = try? value.decode(String.self) { self = .string(text) }  // As above.
        else if let number = try? value.decode(Decimal.self) { self = .number(number) }  // As above.
        else if let list = try? value.decode([JSONMeaning].self) { self = .array(list) }  // As above.
        else { self = .object(try value.decode([String: JSONMeaning].self)) }
    }
}
