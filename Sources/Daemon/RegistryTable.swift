import OCIModel
import OriginClient

/// Which registries this node fetches from, where each answers, and which of their repositories it serves.
struct RegistryTable: Sendable {
    private let endpoints: [RegistryHost: OriginEndpoint]
    private let filters: [RegistryHost: RepositoryFilter]
    private let anyRegistry: Bool

    init(_ settings: Settings) {
        var endpoints: [RegistryHost: OriginEndpoint] = [:]
        var filters: [RegistryHost: RepositoryFilter] = [:]
        for registry in settings.registries {
            // The settings reader has checked the URL, so there is always an endpoint.
            endpoints[registry.host.canonical] = OriginEndpoint(registry)
            filters[registry.host.canonical] = registry.repositories
        }
        self.endpoints = endpoints
        self.filters = filters
        anyRegistry = settings.anyRegistry
    }

    /// `nil`: not a registry this node may fetch from.
    func endpoint(for registry: RegistryHost) -> OriginEndpoint? {
        if let named = endpoints[registry.canonical] { return named }
        guard anyRegistry else { return nil }
        var options = OriginEndpoint.Options()
        options.isForeign = true
        return OriginEndpoint(registry, options)
    }

    /// Whether a repository may be asked for, at a registry that has an endpoint.
    func serves(_ repository: RepositoryName, of registry: RegistryHost) -> Bool {
        filters[registry.canonical]?.permits(repository) ?? true
    }
}

extension OriginEndpoint {
    fileprivate init?(_ settings: RegistrySettings) {
        var options = Options()
        options.url = settings.url
        options.overridesPath = settings.overridesPath
        options.caFile = settings.caFile
        if let file = settings.certificateFile, let keyFile = settings.keyFile {
            options.certificate = (file, keyFile)
        }
        options.proxy = settings.proxy
        self.init(settings.host, options)
    }
}
