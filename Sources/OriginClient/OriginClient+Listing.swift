import EventLoop
import HTTPTransfer
package import OCIModel

/// A list, or one page of it, as the registry wrote it; nobody can check it.
package struct OriginListing: Hashable, Sendable {
    package let mediaType: MediaType
    package let bytes: [UInt8]
    /// The query of the next page; `nil` when there is none.
    package let next: URLQuery?
    /// The registry says that it applied the filter `artifactType`.
    package let isFiltered: Bool
}

extension OriginClient {
    /// Fetches a list of a repository (distribution specification, "Content Discovery").
    ///
    /// `list` is what follows the repository, such as `tags/list`. A page that names a next one which is not of the
    /// same list is `badContent(.link)`: who reads the pages would miss the rest without a word.
    package func listing(
        endpoint: OriginEndpoint,
        repository: RepositoryName,
        list: String,
        parameters: URLQuery,
        credential: Credential? = nil
    ) async throws(OriginError) -> OriginListing {
        let call = OriginCall(
            endpoint: endpoint,
            repository: repository,
            method: .get,
            path: parameters.isEmpty ? list : "\(list)?\(parameters)",
            headers: [
                ("Accept", "application/json, \(MediaType.ociIndex)"), ("Accept-Encoding", "identity"),
            ],
            credential: credential,
            totalMillis: timeouts.manifestTotal,
            decodesBody: true
        )
        return try await cancellable { scope throws(OriginError) in
            let sink = CollectingSink(bytesMax: Self.manifestBytesMax, decodes: true)
            try await self.retrying(endpoint, scope) { () throws(OriginError) in
                try await self.attempt(call, sink, scope)
            }
            return try Self.listing(sink, list)
        }
    }

    private static func listing(_ sink: CollectingSink, _ list: String) throws(OriginError) -> OriginListing {
        guard let headers = sink.head?.headers,
            let type = headers.single("content-type").flatMap({ MediaType($0) })
        else { throw .badContent(.contentType) }
        guard JSONStart.isObject(sink.bytes) else { throw .badContent(.notJSON) }
        let filters = headers.values("oci-filters-applied").flatMap { $0.split(separator: ",") }
        return OriginListing(
            mediaType: type,
            bytes: sink.bytes,
            next: try next(headers.values("link"), list),
            isFiltered: filters.contains { $0.trimmingBlanks == "artifactType" }
        )
    }

    /// Only the query is taken from the registry: what host and path it thinks it has is often not so behind a proxy.
    private static func next(_ links: [String], _ list: String) throws(OriginError) -> URLQuery? {
        guard let reference = LinkHeader.next(in: links) else { return nil }
        let parts = reference.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let query = URLQuery(parts[1]), !query.isEmpty,
            parts[0].isEmpty || parts[0].hasSuffix(list)
        else { throw .badContent(.link) }
        return query
    }
}

/// Whether bytes can be a JSON object, by the first that is no white space.
enum JSONStart {
    static func isObject(_ bytes: [UInt8]) -> Bool {
        bytes.first { ![0x20, 0x09, 0x0a, 0x0d].contains($0) } == UInt8(ascii: "{")
    }
}
