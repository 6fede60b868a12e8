import HTTPHead
import OCIModel

/// Decides, from a request head alone, what a request asks for or why it is turned away.
struct RequestRouter: Sendable {
    /// `Host` names, without port, under which this server may be addressed; in lower case.
    private let hosts: Set<String>
    private let defaultRegistry: RegistryHost?
    private let isAllowed: @Sendable (RegistryHost) -> Bool
    private let serves: @Sendable (RegistryHost, RepositoryName) -> Bool

    enum Decision: Equatable, Sendable {
        /// `/v2/`: the API is there.
        case base
        case manifest(ManifestQuery)
        case blob(BlobQuery)
        case listing(ListingQuery, at: ListingPlace)
        case file(FileTicket)
        case refused(Refusal)
    }

    /// What names the registry in a query.
    private static let namespace = "ns"

    /// `listenHost` is an address or name this server is bound to.
    init(
        listenHost: String,
        defaultRegistry: RegistryHost?,
        isAllowed: @escaping @Sendable (RegistryHost) -> Bool,
        serves: @escaping @Sendable (RegistryHost, RepositoryName) -> Bool = { _, _ in true }
    ) {
        // A wildcard is nobody's name, and browsers have let pages reach 0.0.0.0.
        let own = ["0.0.0.0", "::"].contains(listenHost) ? [] : [listenHost.lowercased()]
        hosts = Set(["127.0.0.1", "::1", "localhost"] + own)
        self.defaultRegistry = defaultRegistry.map(\.canonical)
        self.isAllowed = isAllowed
        self.serves = serves
    }

    func decide(_ head: RequestHead) -> Decision {
        if let refusal = refuseForeign(head) { return .refused(refusal) }
        guard head.path != "/v2/", head.path != "/v2" else { return .base }
        if head.path.hasPrefix(FileTicket.prefix) {
            return FileTicket(head.path.dropFirst(FileTicket.prefix.count)).map(Decision.file) ?? .refused(.unknownPath)
        }
        let prefix = "/v2/"
        guard head.path.hasPrefix(prefix) else { return .refused(.unknownPath) }
        // The name itself has slashes and may hold any word, so the path is read from its end.
        let path = head.path.utf8.dropFirst(prefix.utf8.count)
        guard let lastSlash = path.lastIndex(of: Self.slash),
            let kindSlash = path[..<lastSlash].lastIndex(of: Self.slash)
        else { return .refused(.unknownPath) }
        let last = Substring(path[lastSlash...].dropFirst())
        let kind = String(Substring(path[kindSlash..<lastSlash].dropFirst()))
        guard ["manifests", "blobs", "referrers"].contains(kind) || kind == "tags" && last == "list" else {
            return .refused(.unknownPath)
        }
        let name: Name
        switch self.name(path[..<kindSlash], head) {
        case .success(let read): name = read
        case .failure(let refusal): return .refused(refusal)
        }
        let credential: Credential?
        switch self.credential(head) {
        case .success(let read): credential = read
        case .failure(let refusal): return .refused(refusal)
        }
        switch kind {
        case "manifests": return manifest(last, name, credential, head)
        case "blobs": return blob(last, name, credential, head)
        case "tags": return listing(.tags, name, credential, head)
        default:
            guard let digest = Digest(last) else { return .refused(.unknownManifest) }
            return listing(.referrers(digest), name, credential, head)
        }
    }

    private func manifest(
        _ reference: Substring, _ name: Name, _ credential: Credential?, _ head: RequestHead
    ) -> Decision {
        guard let reference = ManifestReference(reference) else { return .refused(.unknownManifest) }
        return .manifest(
            ManifestQuery(
                registry: name.registry, repository: name.repository, reference: reference,
                isHead: head.method == .head, accept: head.values("accept"), credential: credential))
    }

    private func blob(_ digest: Substring, _ name: Name, _ credential: Credential?, _ head: RequestHead) -> Decision {
        guard let digest = Digest(digest) else { return .refused(.unknownBlob) }
        return .blob(
            BlobQuery(
                registry: name.registry, repository: name.repository, digest: digest, isHead: head.method == .head,
                credential: credential))
    }

    private func listing(
        _ list: ListingQuery.List, _ name: Name, _ credential: Credential?, _ head: RequestHead
    ) -> Decision {
        guard let query = URLQuery(head.query ?? "") else { return .refused(.malformed) }
        return .listing(
            ListingQuery(
                registry: name.registry, repository: name.repository, list: list,
                parameters: query.keeping { $0 != Self.namespace }, credential: credential),
            at: ListingPlace(path: head.path, namespace: query.keeping { $0 == Self.namespace }))
    }

    private func credential(_ head: RequestHead) -> Result<Credential?, Refusal> {
        let values = head.values("authorization")
        guard let value = values.first else { return .success(nil) }
        guard values.count == 1 else { return .failure(.malformed) }
        return Credential(authorization: value).map { .success($0) } ?? .failure(.foreignCredential)
    }

    /// Browsers and rebound names have no business here: a page must not read images through its visitor's
    /// loopback address.
    private func refuseForeign(_ head: RequestHead) -> Refusal? {
        let values = head.values("host")
        guard values.count == 1, let value = values.first, let host = Self.hostName(value) else {
            return .malformed
        }
        guard hosts.contains(host) else { return .foreignHost }
        let isBrowser = head.fields.contains { $0.name == "origin" || $0.name.hasPrefix("sec-fetch-") }
        return isBrowser ? .browser : nil
    }

    /// The host of `host[:port]`, an IPv6 address without its brackets; `nil` if it has another form.
    private static func hostName(_ value: String) -> String? {
        RegistryHost(value)?.name
    }

    private struct Name {
        let registry: RegistryHost
        let repository: RepositoryName
    }

    /// What the request is for: the registry by `X-Dragonfly-Registry`, else `ns`, else the first part of the
    /// path, else by default.
    private func name(_ path: Substring.UTF8View, _ head: RequestHead) -> Result<Name, Refusal> {
        let named: RegistryHost?
        let headers = head.values("x-dragonfly-registry")
        let namespaces = URLQuery.values(of: Self.namespace, in: head.query)
        var path = path
        if headers.isEmpty, namespaces?.isEmpty == true, let (prefix, rest) = prefix(path) {
            named = prefix
            path = rest
        } else if let url = headers.first {
            named = RegistryHost(url: url)
        } else if let namespace = namespaces?.first {
            named = RegistryHost(namespace)
        } else {
            named = defaultRegistry
        }
        guard let repository = RepositoryName(Substring(path)) else {
            return .failure(.invalidName)
        }
        guard headers.count <= 1, let namespaces, namespaces.count <= 1 else { return .failure(.malformed) }
        guard let registry = named?.canonical, isAllowed(registry) else { return .failure(.unknownRegistry) }
        let own = Self.own(repository, of: registry)
        guard serves(registry, own) else { return .failure(.repositoryNotServed) }
        return .success(Name(registry: registry, repository: own))
    }

    /// Docker Hub's own images are in `library/`, which some clients leave out as people do.
    private static func own(_ repository: RepositoryName, of registry: RegistryHost) -> RepositoryName {
        guard registry == .dockerHub, !repository.text.contains("/") else { return repository }
        return RepositoryName("library/\(repository)") ?? repository
    }

    /// The registry that clients without `ns` put in front of the repository, as Podman does with a mirror at
    /// `127.0.0.1:4001/docker.io`; `nil` when the first part of the path is a part of the repository.
    ///
    /// A repository may begin with such a word as well. An allowed registry of that name is meant then: who
    /// writes the mirror's location also writes the prefix. As a reference takes no colon behind its first
    /// slash, `HOST_PORT` stands for `HOST:PORT`; no host has an underscore.
    private func prefix(_ path: Substring.UTF8View) -> (registry: RegistryHost, rest: Substring.UTF8View)? {
        guard let slash = path.firstIndex(of: Self.slash) else { return nil }
        var text = String(Substring(path[..<slash]))
        if !text.utf8.contains(UInt8(ascii: ":")), let underscore = text.lastIndex(of: "_") {
            text.replaceSubrange(underscore...underscore, with: ":")
        }
        let isHost = text.utf8.contains { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") } || text == "localhost"
        // Only the one spelling that the host prints itself as: paths are compared byte by byte elsewhere.
        guard isHost, let host = RegistryHost(text), host.description == text, isAllowed(host.canonical) else {
            return nil
        }
        return (host, path[slash...].dropFirst())
    }

    private static let slash = UInt8(ascii: "/")
}
