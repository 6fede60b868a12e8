/// An image as users write it, in its full form.
///
/// Short names mean what they mean to Docker and to containerd's CRI: `busybox` is
/// `docker.io/library/busybox:latest` (distribution/reference, `ParseDockerRef`).
package struct ImageReference: Hashable, Sendable {
    package let registry: RegistryHost
    package let repository: RepositoryName
    /// Never `nil` together with `digest`.
    package let tag: Tag?
    package let digest: Digest?

    package static let bytesMax = 1024

    package init(registry: RegistryHost, repository: RepositoryName, reference: ManifestReference) {
        self.registry = registry
        self.repository = repository
        switch reference {
        case .tag(let tag):
            self.tag = tag
            digest = nil
        case .digest(let digest):
            tag = nil
            self.digest = digest
        }
    }

    /// Takes `[registry/]repository[:tag][@digest]`; without tag and digest the tag is `latest`.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count <= Self.bytesMax else { return nil }
        var name = Substring(text)
        if let at = name.firstIndex(of: "@") {
            guard let parsed = Digest(name[name.index(after: at)...]) else { return nil }
            digest = parsed
            name = name[..<at]
        } else {
            digest = nil
        }
        let lastComponent = name.lastIndex(of: "/").map { name.index(after: $0) } ?? name.startIndex
        var parsedTag: Tag?
        if let colon = name[lastComponent...].firstIndex(of: ":") {
            guard let parsed = Tag(name[name.index(after: colon)...]) else { return nil }
            parsedTag = parsed
            name = name[..<colon]
        }
        guard let (registry, repository) = Self.split(name) else { return nil }
        self.registry = registry
        self.repository = repository
        tag = parsedTag ?? (digest == nil ? Tag.latest : nil)
    }

    /// What to ask the registry for: the digest if there is one, for it cannot move.
    package var reference: ManifestReference {
        if let digest { return .digest(digest) }
        return .tag(tag ?? Tag.latest)
    }

    /// Whether the first part of a name is a registry and not the beginning of a repository.
    private static func isHost(_ first: some StringProtocol) -> Bool {
        first.contains(".") || first.contains(":") || first == "localhost"
    }

    private static func split(_ name: Substring) -> (RegistryHost, RepositoryName)? {
        var registry = RegistryHost.dockerHub
        var path = name
        if let slash = name.firstIndex(of: "/") {
            let first = name[..<slash]
            if isHost(first) || first.utf8.contains(where: ASCII.isUpper) {
                // In small letters `Host/name` would be a repository of Docker Hub: it has to be written with a port.
                guard let parsed = RegistryHost(first), isHost(parsed.description) else { return nil }
                // Docker rewrites its first registry's name, and only that one.
                registry = parsed.description == "index.docker.io" ? .dockerHub : parsed
                path = name[name.index(after: slash)...]
            }
        }
        if registry == .dockerHub, !path.contains("/") { path = "library/" + path }
        guard let repository = RepositoryName(path) else { return nil }
        return (registry, repository)
    }
}

extension ImageReference: CustomStringConvertible {
    /// The full form, which parses back to an equal value.
    package var description: String {
        var text = "\(registry)/\(repository)"
        if let tag { text += ":\(tag)" }
        if let digest { text += "@\(digest)" }
        return text
    }
}
