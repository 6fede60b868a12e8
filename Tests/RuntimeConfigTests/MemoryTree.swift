import RuntimeConfig

/// Files that exist only here, by absolute path.
struct MemoryTree: FileTree {
    var files: [String: [UInt8]] = [:]
    var folders: Set<String> = []

    init(_ files: [String: String] = [:], folders: Set<String> = []) {
        self.files = files.mapValues { Array($0.utf8) }
        self.folders = folders
    }

    func read(_ path: String) -> Result<[UInt8], FileFault> {
        if let bytes = files[path] { return .success(bytes) }
        return .failure(isDirectory(path) == true ? .isDirectory : .missing)
    }

    func names(in directory: String) -> Result<[String], FileFault> {
        let prefix = directory == "/" ? "/" : directory + "/"
        let below = (Array(files.keys) + Array(folders)).filter { $0.hasPrefix(prefix) }
        let names = Set(
            below.compactMap { $0.dropFirst(prefix.count).split(separator: "/").first.map(String.init) }
        )
        return isDirectory(directory) == true ? .success(names.sorted()) : .failure(.missing)
    }

    func isDirectory(_ path: String) -> Bool? {
        if files[path] != nil { return false }
        let prefix = path == "/" ? "/" : path + "/"
        let isFolder =
            folders.contains(path) || (Array(files.keys) + Array(folders)).contains { $0.hasPrefix(prefix) }
        return isFolder ? true : nil
    }
}

/// What a plan came to, as text: each changed file with its new content, or the refusal.
func outcome(
    _ text: String?,
    version: String = "1.6.20",
    mode: RuntimeMode?,
    registries: [String] = ["artifactory-registry.com"],
    migrates: Bool = false,
    hostsDirectory: String? = nil,
    others: [String: String] = [:],
    folders: Set<String> = []
) -> [String: String] {
    var files = others
    files["/etc/containerd/config.toml"] = text
    guard let release = ContainerdVersion(version), let mirror = Endpoint("http://127.0.0.1:4001") else {
        return [:]
    }
    let request = PlanRequest(
        config: "/etc/containerd/config.toml",
        mode: mode,
        registries: registries.compactMap(RegistryTarget.init),
        mirror: mirror,
        hostsDirectory: hostsDirectory,
        migrates: migrates
    )
    do throws(Refusal) {
        let plan = try Plan.make(request, version: release, tree: MemoryTree(files, folders: folders))
        var result = [String: String](
            plan.changes.map { ($0.path, String(decoding: $0.after ?? [], as: UTF8.self)) },
            uniquingKeysWith: { _, last in last }
        )
        result["mode"] = plan.mode.rawValue
        return result
    } catch {
        let first = error.findings[0]
        return ["refused": "\(first.rule.rawValue) \(first.place)"]
    }
}

let configFile = "/etc/containerd/config.toml"

func hostsFile(_ host: String) -> String { "/etc/containerd/certs.d/\(host)/hosts.toml" }
