package import HTTPTransfer
package import OCIModel

/// Where and how one registry is reached; made from an operator's settings.
package struct OriginEndpoint: Hashable, Sendable {
    /// The registry's canonical name: the key of its tokens, counters and limits.
    package let registry: RegistryHost
    /// Scheme, host and port; the target is `/`.
    package let url: TransferURL
    /// PEM file of authorities trusted for this registry, and for what it redirects to, beside the system's.
    package let caFile: String?
    /// Parallel blob transfers at most; manifests and tokens do not count.
    package let transfersMax: Int

    package static let transfersMaxDefault = 8

    /// Without a URL the registry is reached over https at its own endpoint (Docker Hub's is not its name).
    ///
    /// `nil` when the URL is not `http[s]://host[:port]` with at most a slash behind it.
    package init?(
        registry: RegistryHost,
        url: String? = nil,
        caFile: String? = nil,
        transfersMax: Int = transfersMaxDefault
    ) {
        guard let parsed = TransferURL(url ?? "https://\(registry.endpoint)"), parsed.target == "/" else {
            return nil
        }
        self.registry = registry.canonical
        self.url = parsed
        self.caFile = caFile
        self.transfersMax = max(1, transfersMax)
    }
}
