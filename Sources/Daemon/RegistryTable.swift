import OCIModel
import OriginClient

/// Which registries this node fetches from, and where each answers.
struct RegistryTable: Sendable {
    private let endpoints: [RegistryHost: OriginEndpoint]
    private let anyRegistry: Bool

    init(_ settings: Settings) {
        var endpoints: [RegistryHost: OriginEndpoint] = [:]
        for registry in settings.registries {
            // The settings reader has checked the URL, so there is always an endpoint.
            endpoints[registry.host.canonical] = OriginEndpoint(
                registry: registry.host, url: registry.url, caFile: registry.caFile)
        }
        self.endpoints = endpoints
        anyRegistry = settings.anyRegistry
    }

    /// `nil`: not a registry this node may fetch from.
    func endpoint(for registry: RegistryHost) -> OriginEndpoint? {
        if let named = endpoints[registry.canonical] { return named }
        return anyRegistry ? OriginEndpoint(registry: registry) : nil
    }
}
