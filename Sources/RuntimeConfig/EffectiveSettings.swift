package import TOMLEdit

/// The names under which registry settings have stood.
enum PluginName {
    static let short = "cri"
    static let old = "io.containerd.grpc.v1.cri"
    static let images = "io.containerd.cri.v1.images"
    static let all = [images, old, short]
}

/// What one containerd release makes of a set of files: the registry settings that really count.
///
/// A pure function of the release and the files. How the releases differ was found by running them and
/// reading their sources:
///
///     1.x      the last non-zero version decides the name; the last file with that section gives all of it
///     2.0–2.2  tables united over all files, then below version 3 the old name's registry replaces the new one's
///     2.3+     below version 4 the same replacement in each file by itself, then tables united
package struct EffectiveSettings: Equatable, Sendable {
    /// Everything, merged; plugin sections under the names that count.
    package let root: TOMLNode
    /// Name of the section whose `registry` counts.
    package let pluginName: String
    /// The version that decides for all files together; below 2 for files without one.
    let fileVersion: Int
    /// That section's `registry` table; empty when there is none.
    package let registry: TOMLNode

    package static func compute(_ version: ContainerdVersion, _ files: ConfigFiles) -> EffectiveSettings {
        switch version.generation {
        case .one: computeOne(files)
        case .two: computeTwo(files)
        case .twoThree: computeTwoThree(files)
        }
    }

    private init(root: TOMLNode, pluginName: String, fileVersion: Int) {
        self.fileVersion = fileVersion
        self.root = root
        self.pluginName = pluginName
        registry = root[["plugins", pluginName, "registry"]] ?? .table([:])
    }

    private static func computeOne(_ files: ConfigFiles) -> EffectiveSettings {
        let fileVersion = files.files.last { $0.version > 0 }?.version ?? 1
        var merged = TOMLNode.table([:])
        for file in files.files {
            var root = file.document.root
            let plugins = root[["plugins"]]?.table ?? [:]
            root.set(["plugins"], to: .table([:]))
            merged = merge(merged, root, isTop: true)
            for (name, section) in plugins { merged.set(["plugins", name], to: section) }
        }
        let name = fileVersion == 1 ? PluginName.short : PluginName.old
        return EffectiveSettings(root: merged, pluginName: name, fileVersion: fileVersion)
    }

    private static func computeTwo(_ files: ConfigFiles) -> EffectiveSettings {
        var merged = TOMLNode.table([:])
        var fileVersion = 0
        for file in files.files {
            let isUnversioned = file.version < 2
            merged = merge(
                merged,
                isUnversioned ? renamingShort(file.document.root) : file.document.root,
                isTop: true
            )
            fileVersion = isUnversioned ? 3 : file.version
        }
        let root = fileVersion < 3 ? migratingOld(merged) : merged
        return EffectiveSettings(root: root, pluginName: PluginName.images, fileVersion: fileVersion)
    }

    private static func computeTwoThree(_ files: ConfigFiles) -> EffectiveSettings {
        var merged = TOMLNode.table([:])
        for file in files.files {
            var root = file.version < 2 ? renamingShort(file.document.root) : file.document.root
            if file.version < 4 { root = migratingOld(root) }
            merged = merge(merged, root, isTop: true)
        }
        return EffectiveSettings(root: merged, pluginName: PluginName.images, fileVersion: files.main.version)
    }

    private static func renamingShort(_ root: TOMLNode) -> TOMLNode {
        guard let section = root[["plugins", PluginName.short]] else { return root }
        var result = root
        result.remove(["plugins", PluginName.short]) { _ in false }
        if root[["plugins", PluginName.old]] == nil { result.set(["plugins", PluginName.old], to: section) }
        return result
    }

    private static func migratingOld(_ root: TOMLNode) -> TOMLNode {
        guard let registry = root[["plugins", PluginName.old, "registry"]] else { return root }
        var result = root
        result.set(["plugins", PluginName.images, "registry"], to: registry)
        return result
    }

    /// Tables are united, everything else is replaced; lists at the top level are united too.
    static func merge(_ base: TOMLNode, _ over: TOMLNode, isTop: Bool = false) -> TOMLNode {
        switch (base, over) {
        case (.table(var entries), .table(let others)):
            for (key, value) in others {
                guard let existing = entries[key] else {
                    entries[key] = value
                    continue
                }
                if isTop, case .array(let first) = existing, case .array(let second) = value {
                    entries[key] = .array(first + second.filter { !first.contains($0) })
                } else {
                    entries[key] = merge(existing, value)
                }
            }
            return .table(entries)
        default:
            return over
        }
    }
}

extension EffectiveSettings {
    /// `registry.config_path` as set; `nil` when no file that counts sets it.
    package var writtenConfigPath: String? { registry[["config_path"]]?.string }

    package var mirrors: [String: TOMLNode] { registry[["mirrors"]]?.table ?? [:] }

    package var mirrorHosts: [String] { mirrors.keys.sorted() }

    /// Endpoints of the mirror entry `host`, empty when it has none; `nil` when there is no such entry.
    package func endpoints(of host: String) -> [String]? {
        mirrors[host].map { $0[["endpoint"]]?.strings ?? [] }
    }

    /// Hosts that have a `configs.HOST.tls` table, even an empty one.
    package var tlsHosts: [String] {
        (registry[["configs"]]?.table ?? [:]).filter { $0.value[["tls"]] != nil }.keys.sorted()
    }

    /// The directory, or list of directories, that this release looks for hosts in; empty for none.
    package func configPath(_ version: ContainerdVersion) -> String {
        if let written = writtenConfigPath, !written.isEmpty { return written }
        if version.hasStubbornDefaultPath, !isPathEmptied { return ContainerdVersion.defaultPathList }
        return version.hasDefaultPath && mirrors.isEmpty && !version.hasStubbornDefaultPath
            ? ContainerdVersion.defaultPathList : ""
    }

    /// On 2.2.0 and 2.2.1 only a version 3 file empties the default.
    private var isPathEmptied: Bool { writtenConfigPath == "" && fileVersion >= 3 }

    /// Whether CRI pulls bypass the transfer service, by its own switch or by a setting it cannot honour.
    ///
    /// `besidesMirrors` asks whether they would without the mirrors.
    package func usesLocalPull(_ version: ContainerdVersion, besidesMirrors: Bool = false) -> Bool {
        guard version.hasTransferService else { return true }
        if !mirrors.isEmpty, !besidesMirrors { return true }
        for key in ["configs", "auths"] where registry[[key]]?.table?.isEmpty == false { return true }
        let old = root[["plugins", PluginName.old]] ?? .table([:])
        let images = root[["plugins", PluginName.images]] ?? .table([:])
        let value = { (key: String) in images[[key]] ?? old[[key]] ?? old[["containerd", key]] }
        if let parallel = value("max_concurrent_downloads"), parallel != .integer(3) { return true }
        return value("use_local_image_pull") == .boolean(true)
            || value("discard_unpacked_layers") == .boolean(true)
            || value("disable_snapshot_annotations") == .boolean(false)
            || value("image_pull_with_sync_fs") == .boolean(true)
    }

    /// Whether a list at the top level names the CRI plugin.
    package func names(cri list: String) -> Bool {
        (root[[list]]?.strings ?? []).contains(where: PluginName.all.contains)
    }

    /// Whether `version` does not look at the registry settings under plugin `name` in `file`, one of `files`.
    func isInert(
        _ name: String,
        in file: ConfigFile,
        _ files: ConfigFiles,
        _ version: ContainerdVersion
    ) -> Bool {
        let hasOld = { (file: ConfigFile) in
            file.document.root[["plugins", PluginName.old, "registry"]] != nil
        }
        switch version.generation {
        case .one:
            return name != pluginName
        case .two:
            if name == PluginName.images { return fileVersion < 3 && files.files.contains(where: hasOld) }
            return fileVersion >= 3 || name == PluginName.short
        case .twoThree:
            let isShortInForce =
                file.version < 2 && file.document.root[["plugins", PluginName.short, "registry"]] != nil
            if name == PluginName.images { return file.version < 4 && (hasOld(file) || isShortInForce) }
            return name == PluginName.short ? file.version >= 2 : file.version >= 4
        }
    }
}
