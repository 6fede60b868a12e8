package import OCIModel

/// A request for a list that a registry makes of one of its repositories, with validated names.
///
/// Lists are the registry's word alone and its answer to one caller: they are neither kept nor shared.
package struct ListingQuery: Hashable, Sendable {
    package enum List: Hashable, Sendable {
        case tags
        /// What refers to the manifest: signatures, attestations, other artifacts.
        case referrers(Digest)
    }

    /// In canonical form: Docker Hub is always `docker.io`.
    package let registry: RegistryHost
    package let repository: RepositoryName
    package let list: List
    /// What the caller asked for beyond the list's name, such as `n` and `last`; without what named the registry.
    package let parameters: URLQuery
    /// What the caller proves its rights with; `nil` for an anonymous one.
    package let credential: Credential?

    package init(
        registry: RegistryHost,
        repository: RepositoryName,
        list: List,
        parameters: URLQuery = .empty,
        credential: Credential? = nil
    ) {
        self.registry = registry
        self.repository = repository
        self.list = list
        self.parameters = parameters
        self.credential = credential
    }
}

/// A list, or a page of it, or none.
package enum ListingAnswer: Sendable {
    case found(Listing)
    /// The registry wants a token, or a better one: what it said goes to the caller.
    case challenged(BearerChallenge)
    /// The reason goes to the client, so it must hold no secret.
    case declined(reason: String)
}

/// A list as the registry wrote it.
package struct Listing: Hashable, Sendable {
    package let mediaType: MediaType
    package let bytes: [UInt8]
    /// How the next page is asked for; `nil` after the last one.
    package let next: URLQuery?
    /// The registry left out what the caller's `artifactType` does not name.
    package let isFiltered: Bool

    package init(mediaType: MediaType, bytes: [UInt8], next: URLQuery? = nil, isFiltered: Bool = false) {
        self.mediaType = mediaType
        self.bytes = bytes
        self.next = next
        self.isFiltered = isFiltered
    }
}

/// Where a list was asked for, as its next page has to be.
struct ListingPlace: Equatable, Sendable {
    /// The request's own; it was read as names only, so it holds no character that could end a link.
    let path: String
    /// What named the registry in the request's query; empty when something else did.
    let namespace: URLQuery
}
