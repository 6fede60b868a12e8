import ContentStore
import OCIModel
import OriginClient

/// Which registries this node fetches from, where each answers, and which of their repositories it serves.
struct RegistryTable: Sendable {
    private let endpoints: [RegistryHost: OriginEndpoint]
    private let filters: [RegistryHost: RepositoryFilter]
    private let unshared: [RegistryHost: Unshared]
    private let anyRegistry: Bool

    /// Repositories of one registry.
    private enum Unshared {
        case all
        case those([RepositoryPattern])
    }

    init(_ settings: Settings) {
        var endpoints: [RegistryHost: OriginEndpoint] = [:]
        var filters: [RegistryHost: RepositoryFilter] = [:]
        var unshared: [RegistryHost: Unshared] = [:]
        for registry in settings.registries {
            // The settings reader has checked the URL, so there is always an endpoint.
            endpoints[registry.host.canonical] = OriginEndpoint(registry)
            filters[registry.host.canonical] = registry.repositories
            if !registry.isShared || !registry.unshared.isEmpty {
                unshared[registry.host.canonical] = registry.isShared ? .those(registry.unshared) : .all
            }
        }
        self.unshared = unshared
        self.endpoints = endpoints
        self.filters = filters
        anyRegistry = settings.anyRegistry
    }

    /// Whether it is a registry this node may fetch from: one that has an endpoint.
    func isNamed(_ registry: RegistryHost) -> Bool {
        endpoints.index(forKey: registry.canonical) != nil || endpoint(for: registry) != nil
    }

    /// `nil`: not a registry this node may fetch from.
    func endpoint(for registry: RegistryHost) -> OriginEndpoint? {
        if let named = endpoints[registry.canonical] { return named }
        guard anyRegistry else { return nil }
        var options = OriginEndpoint.Options()
        options.isForeign = true
        return OriginEndpoint(registry, options)
    }

    /// Whether other nodes may have what the repository, or a file of that path, holds, and be asked for it.
    func isShared(_ name: String, of registry: RegistryHost) -> Bool {
        switch unshared[registry.canonical] {
        case nil: true
        case .all: false
        case .those(let patterns): !patterns.contains { $0.matches(name) }
        }
    }

    /// Whether a blob of the cache may be offered: some repository that shares names it. With nothing unshared all may.
    func mayOffer(_ digest: Digest, of store: ContentStore) -> Bool {
        guard !unshared.isEmpty else { return true }
        return store.places(naming: digest).contains { place in
            RegistryHost(place.registry).map { isShared(FilePlace.path(place.repository), of: $0) } ?? false
        }
    }

    /// Whether a file may be asked for, at a host that has an endpoint.
    func serves(path: String, of host: RegistryHost) -> Bool { filters[host.canonical]?.permits(path) ?? true }

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

/// How the catalogue names a file's place: as a path that no repository's name can be.
enum FilePlace {
    static func name(_ path: String) -> String { "/" + path }

    /// Of a file its path, of a repository its name.
    static func path(_ name: String) -> String { name.hasPrefix("/") ? String(name.dropFirst()) : name }
}
