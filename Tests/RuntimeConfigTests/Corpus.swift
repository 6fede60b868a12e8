import Foundation
import RuntimeConfig
import Testing

/// Inputs of containerd configuration, what is to become of each, and the exact bytes that became of it.
///
/// `Corpus/NAME.case` is written by hand:
///
///     registries docker.io                what is to go through the mirror
///     want mirror 1 2.0: ok               verdicts by lane and release; later lines win; `+migrate` lanes take
///     want config-path *: refused RULE    the verdict of the lane without it unless they have their own
///     --- name of one input               the lines above hold for all inputs of the file
///     file config.toml                    below /etc/containerd unless absolute
///     |a line as it is
///     ~a line with escapes: \r \xFF \c    \c takes the line break away
///     folder certs.d/quay.io              an empty folder
///
/// `Corpus/NAME.golden` is recorded (`HAWKER_RECORD_CORPUS=1`), read by a human, and compared byte for byte.
struct CorpusInput: Sendable {
    var name: String
    var registries = ["docker.io"]
    var wants: [(lane: String, releases: [String], verdict: String)] = []
    var files: [String: [UInt8]] = [:]
    var folders: Set<String> = []

    var tree: MemoryTree {
        var tree = MemoryTree([:], folders: folders)
        tree.files = files
        return tree
    }

    func verdict(_ lane: Corpus.Lane, _ release: String) -> String? {
        let fits = { (name: String) in
            wants.last { want in
                want.lane == name
                    && want.releases.contains { $0 == "*" || release == $0 || release.hasPrefix($0 + ".") }
            }?.verdict
        }
        return fits(lane.name) ?? fits(lane.mode.rawValue)
    }
}

/// What became of one input.
enum CorpusOutcome: Hashable {
    case accepted(files: [String: [UInt8]], findings: [String])
    case refused(String)

    var verdict: String {
        switch self {
        case .accepted(let files, _): files.isEmpty ? "same" : "ok"
        case .refused(let reason): "refused " + reason.prefix { $0 != " " }
        }
    }
}

enum Corpus {
    struct Lane: Hashable, Sendable {
        let mode: RuntimeMode
        let migrates: Bool

        var name: String { mode.rawValue + (migrates ? "+migrate" : "") }
    }

    static let lanes = RuntimeMode.allCases.flatMap {
        [Lane(mode: $0, migrates: false), Lane(mode: $0, migrates: true)]
    }
    static let releases = ["1.5.18", "1.6.20", "1.7.27", "2.0.11", "2.1.9", "2.2.1", "2.2.2", "2.3.4"]
    static let mirror = "http://127.0.0.1:4001"

    /// Names of the case files, without the ending.
    static let names: [String] = {
        let folder = Bundle.module.resourcePath.map { $0 + "/Corpus" } ?? ""
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".case") }.map { String($0.dropLast(5)) }.sorted()
    }()

    static func text(_ file: String) throws -> String {
        let folder = try #require(Bundle.module.resourcePath) + "/Corpus/"
        return try String(contentsOfFile: folder + file, encoding: .utf8)
    }

    static func inputs(_ name: String) throws -> [CorpusInput] {
        var shared = CorpusInput(name: "")
        var inputs: [CorpusInput] = []
        var current: CorpusInput?
        var file = ""
        for line in try text(name + ".case").split(separator: "\n", omittingEmptySubsequences: false) {
            let words = line.split(separator: " ").map(String.init)
            var input = current ?? shared
            switch line.first {
            case nil, "#": continue
            case "|": input.files[file, default: []] += Array((line.dropFirst() + "\n").utf8)
            case "~": input.files[file, default: []] += unescaped(line.dropFirst())
            case "-":
                if let current { inputs.append(current) }
                input = shared
                input.name = line.dropFirst(4).description
                current = input
            default:
                switch words.first {
                case "registries": input.registries = Array(words.dropFirst())
                case "folder": input.folders.insert(absolute(words[1]))
                case "file":
                    file = absolute(words[1])
                    input.files[file] = []
                case "want":
                    let colon = try #require(words.firstIndex { $0.hasSuffix(":") })
                    let releases = words[2...colon].map { $0.replacing(":", with: "") }
                    input.wants.append((words[1], releases, words[(colon + 1)...].joined(separator: " ")))
                default: Issue.record("\(name).case: \(line)")
                }
            }
            if current == nil { shared = input } else { current = input }
        }
        if let current { inputs.append(current) }
        return inputs
    }

    private static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : "/etc/containerd/" + path
    }

    private static func unescaped(_ line: Substring) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(line.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let next = rest.popFirst() else {
                bytes.append(byte)
                continue
            }
            switch next {
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "c") where rest.isEmpty: return bytes
            case UInt8(ascii: "x"):
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                bytes.append(UInt8(digits, radix: 16) ?? 0)
                rest = rest.dropFirst(2)
            default: bytes += [byte, next]
            }
        }
        return bytes + [0x0A]
    }

    static func plan(_ input: CorpusInput, _ lane: Lane, _ release: String, tree: any FileTree)
        throws(Refusal) -> Plan
    {
        guard let version = ContainerdVersion(release), let mirror = Endpoint(mirror) else {
            preconditionFailure("the corpus names a release and a mirror")
        }
        let request = PlanRequest(
            config: configFile,
            mode: lane.mode,
            registries: input.registries.compactMap(RegistryTarget.init),
            mirror: mirror,
            migrates: lane.migrates
        )
        return try Plan.make(request, version: version, tree: tree)
    }

    static func outcome(_ input: CorpusInput, _ lane: Lane, _ release: String, tree: MemoryTree)
        -> CorpusOutcome
    {
        do throws(Refusal) {
            let plan = try plan(input, lane, release, tree: tree)
            let files = [String: [UInt8]](
                plan.changes.map { ($0.path, $0.after ?? []) },
                uniquingKeysWith: { _, last in last }
            )
            let findings = plan.findings.map { "\($0.severity.rawValue) \($0.rule.rawValue) \($0.place)" }
            return .accepted(files: files, findings: findings)
        } catch {
            return .refused("\(error.findings[0].rule.rawValue) \(error.findings[0].place)")
        }
    }
}

extension Corpus {
    /// The golden text of all outcomes of one input: equal ones stand together.
    static func golden(_ outcomes: [(lane: Lane, release: String, outcome: CorpusOutcome)]) -> String {
        var order: [CorpusOutcome] = []
        var places: [CorpusOutcome: [(Lane, String)]] = [:]
        for (lane, release, outcome) in outcomes {
            if places[outcome] == nil { order.append(outcome) }
            places[outcome, default: []].append((lane, release))
        }
        return order.map { outcome in
            let heads = lanes.compactMap { lane -> String? in
                let releases = (places[outcome] ?? []).filter { $0.0 == lane }.map(\.1)
                return releases.isEmpty ? nil : "= \(lane.name) \(releases.joined(separator: " "))\n"
            }
            return heads.joined() + text(of: outcome)
        }.joined()
    }

    private static func text(of outcome: CorpusOutcome) -> String {
        switch outcome {
        case .refused(let reason): return "refused \(reason)\n"
        case .accepted(let files, let findings):
            let contents = files.sorted { $0.key < $1.key }.map { path, bytes in
                "file \(path.replacing("/etc/containerd/", with: "", maxReplacements: 1))\n" + escaped(bytes)
            }
            return (files.isEmpty ? "same\n" : contents.joined()) + findings.map { $0 + "\n" }.joined()
        }
    }

    private static func escaped(_ bytes: [UInt8]) -> String {
        var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
        let isOpen = lines.last?.isEmpty == false
        if !isOpen { lines.removeLast() }
        return lines.enumerated().map { number, line in
            let isLast = isOpen && number == lines.count - 1
            let isPlain = line.allSatisfy { $0 == 0x09 || (0x20..<0x7F).contains($0) || $0 >= 0x80 }
            if isPlain, !isLast, let text = String(validating: line, as: UTF8.self),
                !text.contains("\u{FEFF}")
            {
                return "|\(text)\n"
            }
            let text = line.map { byte in
                switch byte {
                case 0x0D: "\\r"
                case 0x20..<0x7F: String(UnicodeScalar(byte))
                default: "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
                }
            }
            return "~\(text.joined())\(isLast ? "\\c" : "")\n"
        }.joined()
    }
}
