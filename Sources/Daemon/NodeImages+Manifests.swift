import ContentStore
import EventLoop
import Glibc
import Logging
import MirrorServer
import OCIModel
import OriginClient
import PeerTransport

extension NodeImages {
    /// How long peers are waited for before the registry is asked, and how long the registry before a tag is served
    /// as last seen: together with what follows less than the mirror gives the answer.
    private static let peersMillis: UInt64 = 2_000
    private static let registryMillis: UInt64 = 3_000

    func manifest(_ query: ManifestQuery) async -> ManifestAnswer {
        if probes.take(query.registry, query.repository, query.reference) {
            return .declined(reason: "a probe: it has arrived")
        }
        guard let endpoint = registries.endpoint(for: query.registry) else {
            return .declined(reason: notNamed(query.registry))
        }
        switch query.reference {
        case .digest(let digest): return await manifest(of: digest, query, endpoint)
        case .tag(let tag): return await manifest(tagged: tag, query, endpoint)
        }
    }

    private func manifest(
        of digest: Digest, _ query: ManifestQuery, _ endpoint: OriginEndpoint
    ) async -> ManifestAnswer {
        let item = Item(
            registry: query.registry, repository: query.repository, digest: digest, isManifest: true,
            credential: query.credential)
        switch await access(to: item, endpoint) {
        case .allowed: break
        case .challenged(let challenge): return .challenged(challenge)
        case .declined(let reason): return .declined(reason: reason)
        }
        do throws(OriginError) {
            return .found(try await content(of: digest, query, endpoint))
        } catch {
            NodeLog.registryFailed(error, query.registry, logger)
            return answer(error, query)
        }
    }

    /// The manifest itself, for a caller who may have it.
    private func content(
        of digest: Digest, _ query: ManifestQuery, _ endpoint: OriginEndpoint
    ) async throws(OriginError) -> OriginManifest {
        let cached = await cachedManifest(digest)
        note(cached, query)
        if let cached { return cached }
        let taking = Task { @LoopActor in await takeFromPeers(digest, of: query.registry) }
        let isTaken = await Patience.value(of: taking, millis: Self.peersMillis)
        if isTaken == true, let taken = await cachedManifest(digest) {
            await remember(taken.bytes, digest, taken.mediaType, query)
            return taken
        }
        return try await fetched(query, .digest(digest), endpoint, isHead: false)
    }

    /// What a GET finds here, or not, is counted.
    private func note(_ cached: OriginManifest?, _ query: ManifestQuery) {
        guard !query.isHead else { return }
        counters.looked(for: .manifest, at: query.registry, isHit: cached != nil)
        if let cached { counters.manifestWasHere(query.registry, bytes: cached.bytes.count) }
    }

    private func answer(_ error: OriginError, _ query: ManifestQuery) -> ManifestAnswer {
        switch refused(error, query.place, query.credential) {
        case .challenged(let challenge): .challenged(challenge)
        case .declined(let reason): .declined(reason: reason)
        case .allowed: .declined(reason: sentence(error))
        }
    }

    /// A HEAD asks the registry which manifest the tag names now; a GET fetches it. Either is answered of a manifest
    /// that is here: the caller asks for it next, and some registries give a HEAD another length.
    private func manifest(
        tagged tag: Tag, _ query: ManifestQuery, _ endpoint: OriginEndpoint
    ) async -> ManifestAnswer {
        if isSilent(query.registry.canonical) {
            return await lastKnown(tag, query).map { .found($0) } ?? .declined(reason: Self.unreachable)
        }
        let resolving = Task { @LoopActor in await resolved(tag, query, endpoint) }
        return await withTaskCancellationHandler {
            let prompt = await Patience.value(of: resolving, millis: Self.registryMillis)
            if case .success(let manifest)? = prompt { return .found(manifest) }
            if prompt?.failure?.mayPass != false, let stale = await lastKnown(tag, query) {
                resolving.cancel()
                return .found(stale)
            }
            switch await resolving.value {
            case .success(let manifest): return .found(manifest)
            case .failure(let error): return answer(error, query)
            }
        } onCancel: {
            resolving.cancel()
        }
    }

    private func resolved(
        _ tag: Tag, _ query: ManifestQuery, _ endpoint: OriginEndpoint
    ) async -> Result<OriginManifest, OriginError> {
        do throws(OriginError) {
            let told = try await fetched(query, query.reference, endpoint, isHead: query.isHead)
            let manifest = query.isHead ? try await content(of: told.digest, query, endpoint) : told
            await remember(tag, manifest, query)
            return .success(manifest)
        } catch {
            noteFailure(error, query.registry)
            return .failure(error)
        }
    }

    private func fetched(
        _ query: ManifestQuery, _ reference: ManifestReference, _ endpoint: OriginEndpoint, isHead: Bool
    ) async throws(OriginError) -> OriginManifest {
        let manifest = try await origin.manifest(
            endpoint: endpoint, repository: query.repository, reference: reference, head: isHead,
            accept: accept(query, reference), credential: query.credential)
        await affirm(query.place, query.credential)
        if !isHead { await remember(manifest.bytes, manifest.digest, manifest.mediaType, query) }
        return manifest
    }

    /// The caller's media types where they choose what a tag means to it. A digest means one thing, and a caller that
    /// names no type of manifest takes any.
    private func accept(_ query: ManifestQuery, _ reference: ManifestReference) -> [String] {
        guard case .tag = reference, query.accept.contains(where: { $0.contains("vnd.") }) else { return [] }
        return query.accept
    }

    /// What the tag meant when the registry last said it, where the caller may have that still.
    private func lastKnown(_ tag: Tag, _ query: ManifestQuery) async -> OriginManifest? {
        let (store, registry, repository) = (store, query.registry.canonical.description, query.repository.text)
        let record = await Loop.offload { store.lastDigest(registry: registry, repository: repository, tag: tag.text) }
        guard let record, await isOpenMeanwhile(query.place, query.credential) else { return nil }
        logger.warning(
            "registry unreachable: tag served as last seen",
            metadata: ["registry": "\(query.registry)", "repository": "\(query.repository)", "tag": "\(tag)"])
        let cached = await cachedManifest(record.digest)
        note(cached, query)
        if let cached { return cached }
        return await takeFromPeers(record.digest, of: query.registry) ? await cachedManifest(record.digest) : nil
    }

    /// Brings a manifest that a connected peer holds whole into the cache; whether it is there now.
    private func takeFromPeers(_ digest: Digest, of registry: RegistryHost) async -> Bool {
        guard let bytes = await swarm.locate(digest)?.bytes, bytes <= Int64(ManifestSummary.bytesMax) else {
            return false
        }
        do throws(DownloadFailure) {
            let download = try await swarm.download(
                digest, bytes: bytes, source: nil, registry: registry.canonical.description)
            let progress = await withCheckedContinuation { continuation in
                download.onProgress(from: bytes - 1) { continuation.resume(returning: $0) }
            }
            download.release()
            if case .failed = progress { return false }
            return true
        } catch {
            return false
        }
    }

    /// The manifest as it lies in the cache; `nil` when it is not there or is no manifest.
    private func cachedManifest(_ digest: Digest) async -> OriginManifest? {
        guard let info = store.blob(digest), info.bytes <= Int64(ManifestSummary.bytesMax) else { return nil }
        let store = store
        return await Loop.offload {
            guard let content = ManifestFile.read(digest, from: store) else { return nil }
            let recorded = store.mediaType(digest).flatMap { MediaType($0) }
            guard let mediaType = recorded ?? ManifestFile.summary(content, nil)?.mediaType else { return nil }
            return OriginManifest(mediaType: mediaType, digest: digest, bytes: content, size: Int64(content.count))
        }
    }

    /// Keeps a manifest, its media type, and the sizes of what it names. A cache that fails costs speed later, never
    /// this pull.
    private func remember(_ content: [UInt8], _ digest: Digest, _ mediaType: MediaType, _ query: ManifestQuery) async {
        let (store, logger) = (store, logger)
        let (registry, repository) = (query.registry.canonical.description, query.repository.text)
        let isNew = await Loop.offload {
            let isNew = store.blob(digest) == nil
            do throws(StoreError) {
                if isNew { try store.commitSmall(digest, bytes: content) }
            } catch {
                logger.warning("manifest not cached", metadata: ["digest": "\(digest)", "reason": "\(error)"])
                return false
            }
            store.recordMediaType(digest, mediaType.text)
            // What the registry gave under this name belongs to it.
            store.recordNamed(digest, registry: registry, repository: repository)
            if let summary = ManifestFile.summary(content, mediaType) {
                store.recordDescriptors(
                    registry: registry, repository: repository, of: digest,
                    summary.children.map { (digest: $0.digest, bytes: $0.bytes) })
            }
            return isNew
        }
        if isNew { swarm.blobCommitted(digest) }
        await publish(query.place)
    }

    private func remember(_ tag: Tag, _ manifest: OriginManifest, _ query: ManifestQuery) async {
        let store = store
        let (registry, repository) = (query.registry.canonical.description, query.repository.text)
        await Loop.offload {
            store.recordTag(
                registry: registry, repository: repository, tag: tag.text, digest: manifest.digest,
                mediaType: manifest.mediaType.text)
            store.recordNamed(manifest.digest, registry: registry, repository: repository)
        }
    }

    /// What the runtime's log shows; never with anything the registry wrote.
    func sentence(_ error: OriginError) -> String {
        switch error {
        case .notFound: "the registry does not have it"
        case .denied: "the registry does not let this caller have it"
        case .linkRefused: "the host the registry points to does not give it"
        case .rateLimited, .serverFailed: "the registry is overloaded or out of order"
        case .unreachable: Self.unreachable
        case .untrusted: "the registry's certificate cannot be trusted"
        case .badContent: "the registry sent what cannot be right"
        case .refused: "the registry points to an address this node does not go to"
        case .cancelled: "this node is stopping"
        }
    }
}

extension ManifestQuery {
    fileprivate var place: Permissions.Place { .init(registry: registry.canonical, repository: repository) }
}

extension Result {
    var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}

extension ManifestAnswer {
    fileprivate static func found(_ manifest: OriginManifest) -> ManifestAnswer {
        .found(
            mediaType: manifest.mediaType, digest: manifest.digest, bytes: manifest.bytes, size: manifest.size)
    }
}

/// Reading of manifests; off the loop thread.
private enum ManifestFile {
    /// What a manifest names; `nil` for content this version cannot read, which is passed on all the same.
    static func summary(_ content: [UInt8], _ mediaType: MediaType?) -> ManifestSummary? {
        do throws(ManifestError) {
            return try ManifestSummary.parse(content, declared: mediaType)
        } catch {
            return nil
        }
    }

    /// The whole of a small cached blob; `nil` when it is not there, too large, or cannot be read.
    static func read(_ digest: Digest, from store: ContentStore) -> [UInt8]? {
        let opened: BlobFile?
        do throws(StoreError) {
            opened = try store.openBlob(digest)
        } catch {
            return nil
        }
        guard let file = opened, file.bytes <= Int64(ManifestSummary.bytesMax) else { return nil }
        var content = [UInt8](repeating: 0, count: Int(file.bytes))
        var count = 0
        while count < content.count {
            let got = content.withUnsafeMutableBytes { buffer in
                pread(file.descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count, off_t(count))
            }
            guard got > 0 else { return nil }
            count += got
        }
        return content
    }
}
