package import HTTPTransfer
package import OCIModel

/// Where and how one registry is reached; made from an operator's settings.
package struct OriginEndpoint: Hashable, Sendable {
    /// The registry's canonical name: the key of its tokens, counters and limits.
    package let registry: RegistryHost
    /// Scheme, host and port; the target is `/`.
    package let url: TransferURL
    /// What goes in front of `/REPOSITORY/…` in a request; begins with `/`, or is empty.
    let apiPath: String
    let caFile: String?
    /// Shown to the registry's own scheme, host and port only.
    let clientCertificate: TransferRequest.ClientCertificate?
    let proxy: TransferProxy?
    /// Which addresses the registry's own name may lead to.
    let dialled: AddressPolicy
    let transfersMax: Int

    package struct Options: Sendable {
        /// `http[s]://host[:port][/path]`; without it the registry is reached over https at its own endpoint
        /// (Docker Hub's is not its name).
        package var url: String?
        /// The API is at the path of `url` as it stands, instead of at `/v2` behind it; containerd reads the URLs
        /// of hosts.toml so (`override_path`).
        package var overridesPath = false
        /// PEM file of authorities trusted for this registry, and for what it redirects to, beside the system's.
        package var caFile: String?
        /// PEM files with which this side proves who it is.
        package var certificate: (file: String, keyFile: String)?
        /// `http://host:port` or `socks5://host:port`: dials all requests on behalf of this registry, those to
        /// redirect targets and token servers included, and resolves their names.
        package var proxy: String?
        /// The name came from a request and not from an operator: it may not lead to this machine or its cloud's
        /// metadata service.
        package var isForeign = false
        /// Parallel blob transfers at most; manifests and tokens do not count.
        package var transfersMax = 8

        package init() {}
    }

    /// `nil` when the URL or the proxy is not as it should be.
    package init?(_ registry: RegistryHost, _ options: Options = Options()) {
        guard let parsed = TransferURL(options.url ?? "https://\(registry.endpoint)"),
            !parsed.target.contains("?"), let root = parsed.replacingTarget("/")
        else { return nil }
        proxy = options.proxy.flatMap { TransferProxy($0) }
        guard (proxy == nil) == (options.proxy == nil) else { return nil }
        var path = parsed.target[...]
        while path.hasSuffix("/") { path = path.dropLast() }
        self.registry = registry.canonical
        url = root
        apiPath = options.overridesPath || path.hasSuffix("/v2") ? String(path) : path + "/v2"
        caFile = options.caFile
        clientCertificate = options.certificate.map { .init(certificateFile: $0.file, keyFile: $0.keyFile) }
        dialled = options.isForeign ? .reachable(from: .private) : .any
        transfersMax = max(1, options.transfersMax)
    }

    package init?(registry: RegistryHost, url: String? = nil, caFile: String? = nil, transfersMax: Int = 8) {
        var options = Options()
        options.url = url
        options.caFile = caFile
        options.transfersMax = transfersMax
        self.init(registry, options)
    }

    /// Whether a text can be `Options.proxy`.
    package static func isProxy(_ text: String) -> Bool { TransferProxy(text) != nil }

    /// The URL of `rest`, such as `manifests/latest`, in a repository.
    func url(of repository: RepositoryName, _ rest: String) -> TransferURL? {
        url.replacingTarget("\(apiPath)/\(repository)/\(rest)")
    }

    /// The repository as the registry itself calls it: what its token server grants rights to.
    ///
    /// A mirror below a path, such as `/v2/hub-cache`, keeps it as `hub-cache/REPOSITORY`.
    func remoteName(_ repository: RepositoryName) -> RepositoryName {
        guard apiPath.hasPrefix("/v2/") else { return repository }
        return RepositoryName("\(apiPath.dropFirst("/v2/".count))/\(repository)") ?? repository
    }
}
