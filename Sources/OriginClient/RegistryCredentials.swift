import FoundationEssentials
package import OCIModel

/// What a registry or its token server takes as proof of who asks; keeps out of logs.
package enum RegistryCredential: Hashable, Sendable, CustomStringConvertible {
    case password(user: String, password: String)
    /// A refresh token of OAuth 2, to be exchanged at the token server.
    case identityToken(String)
    /// Sent to the registry as it is.
    case registryToken(String)

    package var description: String { "RegistryCredential(redacted)" }
}

/// Credentials by registry, as `docker login`, Podman and Kubernetes secrets write them
/// (`~/.docker/config.json`, `.dockerconfigjson`).
///
/// Credential helpers are programs, and are not run: `helped` says which registries would need one.
package struct RegistryCredentials: Sendable {
    package static let bytesMax = 1 << 20

    private let entries: [Place: RegistryCredential]
    private let helpers: Set<Place>
    private let helpsAll: Bool

    /// A registry and maybe the beginning of a repository's path, as Podman allows.
    private struct Place: Hashable {
        let registry: RegistryHost
        let path: String

        /// Reads `host[:port][/path]` with or without a scheme; the API's own path counts for nothing.
        init?(_ key: String) {
            var rest = key[...]
            for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
            let hasScheme = rest.count != key.count
            let parts = rest.split(separator: "/", maxSplits: 1)
            guard let host = parts.first, let registry = RegistryHost(host) else { return nil }
            var path = parts.count > 1 ? parts[1] : ""
            while path.hasSuffix("/") { path = path.dropLast() }
            // `https://index.docker.io/v1/` is what Docker itself writes for Docker Hub.
            if hasScheme || ["v1", "v2"].contains(path) { path = "" }
            self.registry = registry.canonical
            self.path = String(path)
        }

        init(_ registry: RegistryHost, _ path: String) {
            self.registry = registry.canonical
            self.path = path
        }
    }

    private struct Document: Decodable {
        let auths: [String: Entry]?
        let credHelpers: [String: String]?
        let credsStore: String?
    }

    private struct Entry: Decodable {
        let auth: String?
        let username: String?
        let password: String?
        let identitytoken: String?
        let registrytoken: String?
    }

    /// `nil` when the content is not such a file; entries that cannot be read are left out.
    package init?(_ content: [UInt8]) {
        guard content.count <= Self.bytesMax,
            let document = try? JSONDecoder().decode(Document.self, from: Data(content))
        else { return nil }
        var entries: [Place: RegistryCredential] = [:]
        for (key, entry) in (document.auths ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard let place = Place(key), let credential = Self.credential(entry) else { continue }
            // Of two spellings of one place the plain one counts.
            if entries[place] == nil || !key.contains("://") { entries[place] = credential }
        }
        self.entries = entries
        helpers = Set((document.credHelpers ?? [:]).keys.compactMap { Place($0) })
        helpsAll = document.credsStore?.isEmpty == false
    }

    /// The credential of the longest path that a repository is below, or of its registry.
    package func credential(_ registry: RegistryHost, _ repository: RepositoryName) -> RegistryCredential? {
        for path in Self.paths(repository) {
            if let found = entries[Place(registry, path)] { return found }
        }
        return nil
    }

    /// Whether the file leaves this to a credential helper.
    package func helped(_ registry: RegistryHost, _ repository: RepositoryName) -> Bool {
        guard credential(registry, repository) == nil else { return false }
        return helpsAll || Self.paths(repository).contains { helpers.contains(Place(registry, $0)) }
    }

    /// `a/b/c`, `a/b`, `a` and the empty path.
    private static func paths(_ repository: RepositoryName) -> [String] {
        let parts = repository.text.split(separator: "/")
        return (0...parts.count).reversed().map { parts.prefix($0).joined(separator: "/") }
    }

    private static func credential(_ entry: Entry) -> RegistryCredential? {
        func given(_ text: String?) -> String? { text.flatMap { $0.isEmpty ? nil : $0 } }
        if let token = given(entry.identitytoken) { return .identityToken(token) }
        if let token = given(entry.registrytoken) { return .registryToken(token) }
        if let auth = given(entry.auth) {
            guard let data = Data(base64Encoded: auth), let pair = String(validating: data, as: UTF8.self),
                let colon = pair.firstIndex(of: ":"), colon != pair.startIndex
            else { return nil }
            return .password(user: String(pair[..<colon]), password: String(pair[pair.index(after: colon)...]))
        }
        guard let user = given(entry.username), let password = entry.password else { return nil }
        return .password(user: user, password: password)
    }
}
