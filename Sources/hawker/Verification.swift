import CRIClient
import EventLoop
import FoundationEssentials
import RuntimeConfig

/// One line of `hawker containerd verify`.
struct VerifyRow: Encodable, Sendable {
    enum State: String, Encodable, Sendable {
        case ok, advice, broken
    }

    let check: String
    let state: State
    /// One sentence; more lines where there is a list.
    let detail: String
    var remedy = ""
}

struct VerifyReport: Encodable {
    let status: String
    let rows: [VerifyRow]
}

/// What is looked at, and what was seen so far. Nothing is written.
@LoopActor
final class Verification {
    let options: ContainerdOptions
    let socket: String
    let adminSocket: String
    let client: CRIClient
    private(set) var rows: [VerifyRow] = []
    /// Whether CRI answers, which pulls need.
    private(set) var isReady = false

    init(_ options: ContainerdOptions, socket: String, adminSocket: String) {
        self.options = options
        self.socket = socket
        self.adminSocket = adminSocket
        client = CRIClient(socket: socket)
    }

    func add(_ check: String, _ state: VerifyRow.State, _ detail: String, remedy: String = "") {
        rows.append(VerifyRow(check: check, state: state, detail: detail, remedy: remedy))
    }

    var state: VerifyRow.State {
        if rows.contains(where: { $0.state == .broken }) { return .broken }
        return rows.contains { $0.state == .advice } ? .advice : .ok
    }

    /// The service, its CRI plugin, and the files it reads.
    func lookAtContainerd() async {
        let owner = RunningContainerd.owner(of: socket)
        let health = await ContainerdHealth.ask(socket)
        lookAtService(owner, health)
        switch health {
        case .ready(let version):
            isReady = true
            add("cri", .ok, "served by \(version)")
        case .withoutCRI(let reason):
            add("cri", .broken, reason, remedy: "hawker containerd check says which line to change")
        case .unreachable: break
        }
        let version = options.version ?? RunningContainerd.version(ofBinary: options.binary)
        guard let version else {
            return add("files", .advice, "containerd's release is not known, so its files cannot be judged")
        }
        let wiring = Wiring.look(
            config: options.config, version: version, registries: options.registries, mirror: options.mirror,
            tree: DiskTree())
        lookAtFiles(owner, wiring)
        lookAtWiring(wiring)
        if isReady { await lookAtRunningSettings(wiring, version) }
    }

    private func lookAtService(_ owner: RunningContainerd.Owner, _ health: ContainerdHealth) {
        if case .unreachable(let reason) = health {
            return add(
                "containerd", .broken, "\(socket): \(reason)",
                remedy: "systemctl status containerd; --socket, if it has another socket")
        }
        guard case .process(let process) = owner else { return add("containerd", .ok, "answers on \(socket)") }
        let release = process.version.map { "containerd \($0)" } ?? "containerd"
        let time = Console.duration(UInt64(max(0, process.uptimeSeconds)))
        let detail = "\(release), pid \(process.pid), up \(time)"
        guard process.isBinaryReplaced else { return add("containerd", .ok, detail) }
        add("containerd", .advice, "\(detail); its program was replaced since, and the next start brings another")
    }

    private func lookAtFiles(_ owner: RunningContainerd.Owner, _ wiring: Wiring) {
        guard case .process(let process) = owner, process.sharesFiles else {
            return add("files", .advice, "which file the running containerd reads cannot be seen from here")
        }
        guard process.config == options.config else {
            return add(
                "files", .broken, "the running containerd reads \(process.config), not \(options.config)",
                remedy: "leave --config out")
        }
        guard !wiring.files.isEmpty else {
            return add("files", .ok, "\(process.config) does not exist: containerd runs with its defaults")
        }
        let changed = wiring.files.filter(process.isOlder(thanFile:))
        guard changed.isEmpty else {
            return add(
                "files", .advice, "changed since containerd started: \(changed.joined(separator: ", "))",
                remedy: "systemctl restart containerd")
        }
        add("files", .ok, "\(wiring.files.joined(separator: ", ")), unchanged since containerd started")
    }

    private func lookAtWiring(_ wiring: Wiring) {
        let serious = wiring.findings.filter { $0.severity != .note }
        for finding in serious {
            add(
                "settings", finding.severity == .broken ? .broken : .advice, "\(finding.place): \(finding.message)",
                remedy: finding.remedy)
        }
        let names = options.registries.map(\.option).joined(separator: " ")
        for registry in wiring.registries {
            add(
                "route", registry.isRouted ? .ok : .broken,
                "\(registry.host): \(registry.asks.joined(separator: " then "))",
                remedy: registry.isRouted ? "" : "hawker containerd apply \(names)")
        }
        guard serious.isEmpty, wiring.registries.isEmpty else { return }
        add("settings", .ok, Self.settings(wiring.configPath, wiring.mirrors))
    }

    private static func settings(_ configPath: String, _ mirrors: [String: [String]]) -> String {
        var parts: [String] = []
        if !configPath.isEmpty { parts.append("config_path \(configPath)") }
        if !mirrors.isEmpty { parts.append("mirrors for \(mirrors.keys.sorted().joined(separator: ", "))") }
        return parts.isEmpty ? "neither config_path nor mirrors" : parts.joined(separator: ", ")
    }

    /// What the running process works with, where its release tells: 1.x in full, 2.x only that mirrors are used.
    private func lookAtRunningSettings(_ wiring: Wiring, _ version: ContainerdVersion) async {
        do throws(CRIError) {
            if let running = try await client.registrySettings() {
                let isSame = running.configPath == wiring.configPath && running.mirrors == wiring.mirrors
                let text = Self.settings(running.configPath, running.mirrors)
                return isSame
                    ? add("running", .ok, text)
                    : add(
                        "running", .broken, "\(text), while the files say \(Self.settings(wiring.configPath, wiring.mirrors))",
                        remedy: "systemctl restart containerd")
            }
            let usesMirrors = try await client.conditions().contains {
                $0.type == "ContainerdHasNoDeprecationWarnings" && !$0.isTrue && $0.message.contains("cri-registry-mirrors")
            }
            if usesMirrors == wiring.mirrors.isEmpty, version >= ContainerdVersion(2, 0, 0) {
                add(
                    "running", .advice, "containerd says that it \(usesMirrors ? "uses" : "does not use") mirrors",
                    remedy: "systemctl restart containerd, if the files are as they should be")
            }
        } catch {
            add("running", .advice, "containerd does not tell its settings: \(error.sentence)")
        }
    }
}
