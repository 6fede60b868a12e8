import FoundationEssentials

/// What a running containerd 1.x says of its registries, without anything secret.
package struct CRIRegistrySettings: Equatable, Sendable {
    /// Empty when there is none.
    package let configPath: String
    /// Endpoints by host.
    package let mirrors: [String: [String]]

    private struct Config: Decodable {
        let registry: Registry?
    }

    private struct Registry: Decodable {
        let configPath: String?
        let mirrors: [String: Mirror]?
    }

    private struct Mirror: Decodable {
        let endpoint: [String]?
    }

    /// Reads the `config` of CRI's verbose status; `nil` when it names no registry settings.
    init?(json: String) {
        // Another release's form is the same as none.
        let config = try? JSONDecoder().decode(Config.self, from: Data(json.utf8))
        guard let registry = config?.registry else { return nil }
        configPath = registry.configPath ?? ""
        mirrors = (registry.mirrors ?? [:]).mapValues { $0.endpoint ?? [] }
    }
}
