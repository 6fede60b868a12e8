import HTTPTransfer
package import OCIModel

/// A file that a host serves by plain GET, outside of any registry's API.
package struct OriginFile: Hashable, Sendable {
    /// The host as settings name it: with the port only if it is not the scheme's own.
    package let host: RegistryHost
    /// The path without its first slash and with its escapes undone: what rules about paths are asked of.
    package let path: String
    /// Path and query as they go into a request.
    package let target: String
    private let origin: String

    /// `nil` for what is no http or https URL, for one with user information, and for a path with empty or dot
    /// segments: a server may take it for another path than a rule does.
    package init?(url text: String) {
        guard let url = TransferURL(text),
            let host = RegistryHost(url.port == Self.port(of: url.scheme) ? url.host : "\(url.host):\(url.port)"),
            let path = Self.plain(url.target.prefix { $0 != "?" })
        else { return nil }
        self.host = host
        self.path = path
        target = url.target
        origin = url.origin
    }

    /// Whether the endpoint's settings are about the very scheme, host and port of this file.
    package func isAt(_ endpoint: OriginEndpoint) -> Bool { endpoint.url.origin == origin }

    private static func port(of scheme: TransferURL.Scheme) -> UInt16 { scheme == .https ? 443 : 80 }

    private static func plain(_ path: Substring) -> String? {
        guard let decoded = URLQuery.decodedPath(path.dropFirst()),
            decoded.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "\\") })
        else { return nil }
        let segments = decoded.split(separator: "/", omittingEmptySubsequences: false)
        return segments.contains { ["", ".", ".."].contains($0) } ? nil : decoded
    }
}

extension OriginClient {
    /// What a host says of the size of a file: by HEAD, or where that is refused or says nothing by asking for its
    /// first byte.
    package func fileSize(
        endpoint: OriginEndpoint, target: String, credential: Credential? = nil
    ) async throws(OriginError) -> Int64 {
        try await size(
            OriginCall(
                endpoint: endpoint, repository: nil, method: .head, path: target,
                headers: [("Accept-Encoding", "identity")], credential: credential,
                totalMillis: timeouts.manifestTotal))
    }
}
