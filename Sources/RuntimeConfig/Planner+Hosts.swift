/// The hosts.toml files of a plan.
extension Planner {
    /// `target` is `nil` for a registry whose mirrors or certificates only move here from config.toml.
    mutating func planHosts(of host: String, target: RegistryTarget?, below roots: Roots) throws(Refusal) {
        let plan = HostsPlan(
            mirror: request.mirror, version: version, tree: tree, directories: roots.directories, tls: tls)
        let extra = migrated[host] ?? (target == nil ? [] : migrated["*"] ?? [])
        let file = try plan.make(host, target: target, extra: extra)
        notes += file.notes
        hosts[file.path] = file.bytes
    }
}
