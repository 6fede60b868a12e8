import EventLoop
import MirrorServer
import OCIModel
import OriginClient

/// Lists of a repository: asked of the registry each time, with the caller's own credential, and kept by nobody.
extension NodeImages {
    func listing(_ query: ListingQuery) async -> ListingAnswer {
        guard let endpoint = registries.endpoint(for: query.registry) else {
            return .declined(reason: notNamed(query.registry))
        }
        guard !isSilent(query.registry.canonical) else { return .declined(reason: Self.unreachable) }
        do throws(OriginError) {
            return .found(try await listed(query, endpoint))
        } catch {
            noteFailure(error, query.registry)
            // Who may not have a list may have the images all the same: nothing is learned of that here.
            if case .denied(401, let challenge?) = error { return .challenged(challenge) }
            return .declined(reason: sentence(error))
        }
    }

    private func listed(_ query: ListingQuery, _ endpoint: OriginEndpoint) async throws(OriginError) -> Listing {
        do throws(OriginError) {
            let listing = try await origin.listing(
                endpoint: endpoint, repository: query.repository, list: query.path, parameters: query.parameters,
                credential: query.credential)
            return Listing(
                mediaType: listing.mediaType, bytes: listing.bytes, next: listing.next,
                isFiltered: listing.isFiltered)
        } catch .notFound {
            guard case .referrers(let digest) = query.list else { throw .notFound }
            return try await tagged(digest, query, endpoint)
        }
    }

    /// What refers to a manifest as registries without that list keep it: an index under a tag made of the manifest's
    /// digest, which clients write (distribution specification, "Referrers Tag Schema"). None means that nothing does.
    ///
    /// It is passed on as it is, without a filter: clients have to expect that.
    private func tagged(
        _ digest: Digest, _ query: ListingQuery, _ endpoint: OriginEndpoint
    ) async throws(OriginError) -> Listing {
        guard let tag = Tag("sha256-\(digest.hex)") else { throw .notFound }
        do throws(OriginError) {
            let index = try await origin.manifest(
                endpoint: endpoint, repository: query.repository, reference: .tag(tag), head: false,
                accept: [MediaType.ociIndex.text], credential: query.credential)
            guard index.mediaType == .ociIndex else { throw .badContent(.contentType) }
            return Listing(mediaType: .ociIndex, bytes: index.bytes)
        } catch .notFound {
            return Listing(mediaType: .ociIndex, bytes: Self.emptyIndex)
        }
    }

    private static let emptyIndex =
        Array(#"{"schemaVersion":2,"mediaType":"\#(MediaType.ociIndex)","manifests":[]}"#.utf8)
}

extension ListingQuery {
    /// What follows the repository in the registry's API.
    fileprivate var path: String {
        switch list {
        case .tags: "tags/list"
        case .referrers(let digest): "referrers/\(digest)"
        }
    }
}
