@testable import RuntimeConfig

/// Files that exist only here.
private struct Files: FileTree {
    var files: [String: [UInt8]]

    func read(_ path: String) -> Result<[UInt8], FileFault> { files[path].map { .success($0) } ?? .failure(.missing) }

    func names(in directory: String) -> Result<[String], FileFault> {
        let below = files.keys.filter { $0.hasPrefix(directory + "/") }
        let names = Set(below.map { String($0.dropFirst(directory.count + 1).prefix { $0 != "/" }) })
        return names.isEmpty ? .failure(.missing) : .success(names.sorted())
    }

    func isDirectory(_ path: String) -> Bool? {
        if files[path] != nil { return false }
        return files.keys.contains { $0.hasPrefix(path + "/") } ? true : nil
    }

    mutating func make(_ changes: [FileChange]) {
        for change in changes { files[change.path] = change.after }
    }
}

/// Parts of the input, which a byte that no text holds keeps apart.
private func parts(_ input: ArraySlice<UInt8>) -> [[UInt8]] {
    input.split(separator: 0xFF, omittingEmptySubsequences: false).map { Array($0) }
}

/// Any config.toml, import and hosts.toml: a plan is proved, and planned again on its own result changes nothing.
///
/// The first byte chooses release and mode.
enum ContainerdPlanFuzz {
    private static let releases = [
        ContainerdVersion(1, 5, 18),
        ContainerdVersion(1, 6, 20),
        ContainerdVersion(1, 7, 27),
        ContainerdVersion(2, 0, 11),
        ContainerdVersion(2, 1, 9),
        ContainerdVersion(2, 2, 1),
        ContainerdVersion(2, 2, 2),
        ContainerdVersion(2, 3, 4),
    ]

    static func run(_ input: UnsafeRawBufferPointer) {
        guard let choice = input.first, let mirror = Endpoint("http://127.0.0.1:4001") else { return }
        let parts = parts(Array(input)[1...])
        let places = ["/etc/containerd/config.toml", "/etc/containerd/certs.d/docker.io/hosts.toml", "/i/a.toml"]
        var tree = Files(files: [:])
        for (place, bytes) in zip(places, parts) { tree.files[place] = bytes }
        let version = releases[Int(choice & 7)]
        let modes: [RuntimeMode?] = [nil, .mirror, .configPath, .configPath]
        let request = PlanRequest(
            config: places[0], mode: modes[Int(choice >> 3 & 3)],
            registries: ["docker.io", "r.example:5000=http://10.0.0.1:5000"].compactMap(RegistryTarget.init),
            mirror: mirror, migrates: choice & 0x20 != 0)
        do throws(Refusal) {
            let plan = try Plan.make(request, version: version, tree: tree)
            tree.make(plan.changes)
            var again = request
            again.mode = plan.mode
            let second = try Plan.make(again, version: version, tree: tree)
            precondition(second.changes.isEmpty, "a second plan changes something")
        } catch {
            precondition(!error.findings.isEmpty, "a refusal without a reason")
        }
    }
}

/// The same for the other runtimes' files; the first byte chooses the runtime.
enum RuntimePlanFuzz {
    static func run(_ input: UnsafeRawBufferPointer) {
        guard let choice = input.first, let mirror = Endpoint("http://127.0.0.1:4001") else { return }
        let runtime = OtherRuntime.allCases[Int(choice) % OtherRuntime.allCases.count]
        let planner = OtherRuntimeOptions(runtime: runtime, mirror: mirror).planner
        let config = runtime.configDefault
        let parts = parts(Array(input)[1...])
        var tree = Files(files: [config: parts[0]])
        if parts.count > 1 { tree.files[config + ".d/50-other.conf"] = parts[1] }
        let targets = ["hub.example", "docker.io"].compactMap(RegistryTarget.init)
        do throws(Refusal) {
            let plan = try planner.plan(targets, tree: tree)
            tree.make(plan.changes)
            let second = try planner.plan(targets, tree: tree)
            precondition(second.changes.isEmpty, "a second plan changes something")
        } catch {
            precondition(!error.findings.isEmpty, "a refusal without a reason")
        }
    }
}

/// Undoing a step in what somebody edited since.
enum ThreeWayFuzz {
    static func run(_ input: UnsafeRawBufferPointer) {
        let parts = parts(Array(input)[...])
        guard parts.count == 3 else { return }
        let (original, applied, current) = (parts[0], parts[1], parts[2])
        precondition(ThreeWay.undo(applied: applied, original: original, current: applied) == original)
        precondition(ThreeWay.undo(applied: applied, original: original, current: original) == original)
        // No step of ours leaves what is there.
        let nothing = ThreeWay.undo(applied: applied, original: applied, current: current)
        precondition(nothing == current, "undoing nothing changed something")
        _ = ThreeWay.undo(applied: applied, original: original, current: current)
    }
}
