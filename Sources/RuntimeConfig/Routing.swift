/// Whom containerd asks for a registry's images, by the files as they are.
struct Routing {
    let judgement: Judgement
    let mirror: Endpoint
    let tree: any FileTree

    private var settings: EffectiveSettings { judgement.settings }
    private var version: ContainerdVersion { judgement.version }

    /// What is wrong with the hosts file that containerd would take.
    func findings(_ target: RegistryTarget) -> [Finding] { lookup(target).file?.faults ?? [] }

    private func lookup(_ target: RegistryTarget) -> HostsLookup.Result {
        let path = settings.configPath(version)
        let roots =
            path.contains(":") && !settings.usesLocalPull(version)
            ? [path] : path.split(separator: ":").map(String.init)
        return HostsLookup.find(target.host, below: roots, version: version, tree: tree)
    }

    /// What containerd asks for one registry today, in order.
    func report(_ target: RegistryTarget) -> RegistryReport {
        let own = target.isAll ? "the registry itself" : target.url
        var asks: [String]
        var file: String?
        if settings.configPath(version).isEmpty {
            asks = settings.endpoints(of: target.host) ?? settings.endpoints(of: "*") ?? []
            let authority = Endpoint(own)?.authority
            if !asks.contains(where: { Endpoint($0)?.authority == authority }) { asks.append(own) }
        } else {
            let found = lookup(target).file
            file = found?.path
            let isAlive = found?.faults.isEmpty ?? false
            asks = isAlive ? found?.hosts.map(\.url) ?? [] : []
            let last = (isAlive ? found?.server : nil) ?? own
            if asks.last.map({ Endpoint.same($0, last) }) != true { asks.append(last) }
        }
        let isRouted = asks.first.map { Endpoint.same($0, mirror.url) } ?? false
        return RegistryReport(
            host: target.host,
            asks: asks,
            file: file,
            isRouted: isRouted && !judgement.isBroken
        )
    }
}
