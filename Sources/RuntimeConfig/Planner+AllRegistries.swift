/// All registries at once: `_default/hosts.toml`, or the mirror `*`.
///
/// Containerd looks at either only for a registry that has nothing of its own, so those that have are routed one
/// by one.
extension PlanRequest {
    /// The same request with a target for each registry that hides the general one.
    func namingHidden(
        mode: RuntimeMode,
        settings: EffectiveSettings,
        version: ContainerdVersion,
        tree: any FileTree
    ) -> PlanRequest {
        guard registries.contains(where: \.isAll) else { return self }
        var hosts = settings.mirrorHosts.filter { settings.endpoints(of: $0)?.isEmpty == false }
        if mode == .configPath {
            let written = settings.configPath(version).split(separator: ":").map(String.init)
            for root in written.isEmpty ? [hostsDirectory ?? Self.hostsDirectoryDefault] : written {
                // What cannot be read is refused when the folder is planned.
                let names = (try? tree.names(in: root).get()) ?? []
                hosts += names.filter { tree.isDirectory(Path.join(root, $0)) == true }
                    .map(Self.host(ofFolder:))
            }
        }
        var request = self
        for host in hosts where host != "_default" && host != RegistryTarget.all.host {
            guard let target = RegistryTarget(host), !request.registries.contains(where: { $0.host == host })
            else { continue }
            request.registries.append(target)
        }
        return request
    }

    /// `r_5000_` is the folder of `r:5000`.
    private static func host(ofFolder name: String) -> String {
        guard name.hasSuffix("_") else { return name }
        let parts = name.dropLast()
        guard let separator = parts.lastIndex(of: "_"),
            UInt16(parts[parts.index(after: separator)...]) != nil
        else { return name }
        return parts[..<separator] + ":" + parts[parts.index(after: separator)...]
    }
}
