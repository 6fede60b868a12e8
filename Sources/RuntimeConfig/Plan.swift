/// How containerd is pointed at the mirror.
///
/// Containerd allows one of the two, never both.
package enum RuntimeMode: String, CaseIterable, Sendable {
    /// `registry.mirrors."HOST".endpoint` in config.toml.
    case mirror
    /// `registry.config_path` in config.toml and `HOST/hosts.toml` below it.
    case configPath = "config-path"
}

/// What is asked of a plan.
package struct PlanRequest: Sendable {
    /// Containerd's main file.
    package var config: String
    /// `nil` takes the mode that suits the node.
    package var mode: RuntimeMode?
    package var registries: [RegistryTarget]
    package var mirror: Endpoint
    /// `nil` takes the folder in use, else `/etc/containerd/certs.d`.
    package var hostsDirectory: String?
    /// Whether settings of the other mode may be turned into this one.
    package var migrates: Bool

    package init(
        config: String,
        mode: RuntimeMode?,
        registries: [RegistryTarget],
        mirror: Endpoint,
        hostsDirectory: String? = nil,
        migrates: Bool = false
    ) {
        self.config = config
        self.mode = mode
        self.registries = registries
        self.mirror = mirror
        self.hostsDirectory = hostsDirectory
        self.migrates = migrates
    }

    static let hostsDirectoryDefault = "/etc/containerd/certs.d"
}

/// One file before and after; `nil` is a file that is not there.
package struct FileChange: Equatable, Sendable {
    package let path: String
    package let before: [UInt8]?
    package let after: [UInt8]?
}

/// Changes that were proved, on their bytes, to do what was asked.
package struct Plan: Sendable {
    package let mode: RuntimeMode
    /// Why that mode, when it was not asked for by name.
    package let reason: String
    /// In the order in which they are to be written: a folder is filled before config.toml names it.
    package let changes: [FileChange]
    /// Advice and notes about the result.
    package let findings: [Finding]
    /// Whether a file changes that containerd reads only when it starts.
    package let needsRestart: Bool

    /// Plans one mode, or, when none is named, the one that suits the node.
    package static func make(
        _ request: PlanRequest,
        version: ContainerdVersion,
        tree: any FileTree
    ) throws(Refusal) -> Plan {
        guard let mode = request.mode else { return try automatic(request, version: version, tree: tree) }
        var planner = try Planner(request, mode: mode, version: version, tree: tree)
        return try planner.plan(reason: "as --mode says")
    }

    private static func automatic(
        _ request: PlanRequest,
        version: ContainerdVersion,
        tree: any FileTree
    ) throws(Refusal) -> Plan {
        let files = try ConfigFiles.load(main: request.config, version: version, tree: tree)
        let (mode, reason) = preferred(
            request,
            settings: EffectiveSettings.compute(version, files),
            version: version
        )
        do throws(Refusal) {
            var planner = try Planner(request, mode: mode, version: version, tree: tree)
            return try planner.plan(reason: reason)
        } catch {
            let other: RuntimeMode = mode == .mirror ? .configPath : .mirror
            let first = error
            do throws(Refusal) {
                var planner = try Planner(request, mode: other, version: version, tree: tree)
                return try planner.plan(
                    reason: "\(mode.rawValue) mode is not possible: \(first.findings[0].message)"
                )
            } catch {
                throw first
            }
        }
    }

    /// What the node uses already; else mirrors for one or two plain registries where they are not yet on
    /// their way out, and a config path for anything more.
    private static func preferred(
        _ request: PlanRequest,
        settings: EffectiveSettings,
        version: ContainerdVersion
    ) -> (RuntimeMode, String) {
        if settings.writtenConfigPath?.isEmpty == false {
            return (.configPath, "the node already has a config_path")
        }
        if !settings.mirrors.isEmpty { return (.mirror, "the node already uses mirrors") }
        if version.major >= 2 { return (.configPath, "containerd 2 deprecates mirrors") }
        let isPlain =
            request.registries.count <= 2 && request.registries.allSatisfy { $0.url.hasPrefix("https://") }
        return isPlain
            ? (.mirror, "one or two plain registries need no more than mirrors")
            : (.configPath, "several registries, or one without TLS, are told apart better by a config_path")
    }
}
