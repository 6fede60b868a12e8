import ContentStore
import EventLoop
import Logging
import MirrorServer
import OCIModel
import OriginClient
import PeerTransport

extension NodeImages {
    /// How long peers are waited for before the registry is asked.
    private static let peersMillis: UInt64 = 2_000
    /// Manifests and tags that are on their way to the disk; beyond, who brings one more waits for it.
    private static let keepingMax = 256

    /// A manifest that was asked for lately, for a caller whom the registry let pull from the repository lately: what
    /// `manifest` would find without asking anybody.
    func manifestAtOnce(_ query: ManifestQuery) -> ManifestAnswer? {
        guard case .digest(let digest) = query.reference, registries.isNamed(query.registry),
            memory.isNamed(ManifestMemory.Name(place: query.place, digest: digest)),
            permissions.isFresh(query.credential, query.place, now: Loop.nowNanoseconds),
            let manifest = remembered(digest)
        else { return nil }
        note(manifest, query)
        return .found(manifest)
    }

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

    func manifest(
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
            return answer(error, query)
        }
    }

    /// The manifest itself, for a caller who may have it; asked for once for all who want it at one moment.
    func content(
        of digest: Digest, _ query: ManifestQuery, _ endpoint: OriginEndpoint
    ) async throws(OriginError) -> OriginManifest {
        let cached = await cachedManifest(digest)
        note(cached, query)
        if let cached { return cached }
        let get = query.asking(.digest(digest)).asGet
        let bringing = manifests.join(ManifestQuestion(query: get)) { await self.brought(digest, get, endpoint) }
        defer { bringing.leave() }
        let brought = await withTaskCancellationHandler {
            await bringing.value
        } onCancel: {
            Loop.enqueue { bringing.leave() }
        }
        return try brought.get()
    }

    /// What a GET finds here, or not, is counted.
    func note(_ cached: OriginManifest?, _ query: ManifestQuery) {
        guard !query.isHead else { return }
        counters.looked(for: .manifest, at: query.registry, isHit: cached != nil)
        if let cached { counters.manifestWasHere(query.registry, bytes: cached.bytes.count) }
    }

    /// From a peer, else from the registry.
    private func brought(
        _ digest: Digest, _ query: ManifestQuery, _ endpoint: OriginEndpoint
    ) async -> Result<OriginManifest, OriginError> {
        if isShared(query.place) {
            let taking = Loop.task { await self.takeFromPeers(digest, of: query.registry) }
            let isTaken = await Patience.value(of: taking, millis: Self.peersMillis)
            if isTaken == true, let taken = await cachedManifest(digest) {
                await remember(taken, query)
                return .success(taken)
            }
        }
        do throws(OriginError) {
            return .success(try await fetched(query, endpoint, isHead: false))
        } catch {
            NodeLog.registryFailed(error, query.registry, logger)
            return .failure(error)
        }
    }

    func answer(_ error: OriginError, _ query: ManifestQuery) -> ManifestAnswer {
        switch refused(error, query.place, query.credential) {
        case .challenged(let challenge): .challenged(challenge)
        case .declined(let reason): .declined(reason: reason)
        case .allowed: .declined(reason: sentence(error))
        }
    }

    func fetched(
        _ query: ManifestQuery, _ endpoint: OriginEndpoint, isHead: Bool
    ) async throws(OriginError) -> OriginManifest {
        let manifest = try await origin.manifest(
            endpoint: endpoint, repository: query.repository, reference: query.reference, head: isHead,
            accept: accept(query), credential: query.credential)
        affirm(query.place, query.credential)
        if !isHead { await remember(manifest, query) }
        return manifest
    }

    /// The caller's media types where they choose what a tag means to it. A digest means one thing, and a caller that
    /// names no type of manifest takes any.
    func accept(_ query: ManifestQuery) -> [String] {
        guard case .tag = query.reference, query.accept.contains(where: { $0.contains("vnd.") }) else { return [] }
        return query.accept
    }

    /// Brings a manifest that a connected peer holds whole into the cache; whether it is there now.
    func takeFromPeers(_ digest: Digest, of registry: RegistryHost) async -> Bool {
        guard let bytes = await swarm.locate(digest)?.bytes, bytes <= Int64(ManifestSummary.bytesMax) else {
            return false
        }
        do throws(DownloadFailure) {
            let download = try await swarm.download(
                digest, bytes: bytes, source: nil, registry: registry.canonical.description)
            let progress = await withCheckedContinuation { continuation in
                download.onProgress(from: bytes) { continuation.resume(returning: $0) }
            }
            download.release()
            if case .failed = progress { return false }
            return true
        } catch {
            return false
        }
    }

    /// The manifest as it lies in the cache, or as it was there lately; `nil` when it is not there or is no manifest.
    func cachedManifest(_ digest: Digest) async -> OriginManifest? {
        if let manifest = remembered(digest) { return manifest }
        guard let info = store.blob(digest), info.bytes <= Int64(ManifestSummary.bytesMax) else { return nil }
        let store = store
        let changes = memory.changes
        switch await Loop.offload({ ManifestFile.read(digest, from: store) }) {
        case .sound(let manifest):
            if memory.changes == changes { memory.keep(manifest, now: Loop.nowNanoseconds) }
            return manifest
        case .damaged:
            logger.warning("cached manifest was damaged, and is gone", metadata: ["digest": "\(digest)"])
            if store.blob(digest) == nil { swarm.blobRemoved(digest) }
            return nil
        case .none: return nil
        }
    }

    /// A manifest of the cache that is in memory. What the store has no longer is not served from there either.
    private func remembered(_ digest: Digest) -> OriginManifest? {
        if let arriving = memory.arriving(digest) { return arriving }
        guard let (manifest, tellsStore) = memory.manifest(digest, now: Loop.nowNanoseconds) else { return nil }
        let store = store
        guard store.blob(digest) != nil else {
            memory.forget(digest)
            return nil
        }
        if tellsStore { Loop.offload { store.noteUse(digest) } then: { _ in } }
        return manifest
    }

    /// Keeps a manifest, its media type, and what it names. Who asked for it waits until what their next question
    /// needs is in memory, and not for the disk. A cache that fails costs speed later, never this pull.
    private func remember(_ manifest: OriginManifest, _ query: ManifestQuery) async {
        let (digest, place) = (manifest.digest, query.place)
        let children = await children(of: manifest)
        // It may have been read with another media type.
        memory.forget(digest)
        memory.noteNamed(ManifestMemory.Name(place: place, digest: digest), bytes: Int64(manifest.bytes.count))
        for child in children {
            memory.noteNamed(ManifestMemory.Name(place: place, digest: child.digest), bytes: child.bytes)
        }
        if permissions.isFresh(nil, place, now: Loop.nowNanoseconds) {
            swarm.notePublic([digest] + children.map(\.digest))
        }
        let isNew = !store.isCommitted(digest)
        if isShared(place) { swarm.share(digest) } else if isNew { swarm.keep(digest) }
        let isBrought = isNew && memory.begin(manifest)
        await whenAnswered(isBehind: memory.isBehind) {
            await self.keep(manifest, of: place, naming: children, isBrought: isBrought)
        }
    }

    /// Does what nobody waits for, when the answer that was just found has left; unless it is behind with that.
    func whenAnswered(isBehind: Bool = false, _ work: @escaping @LoopActor () async -> Void) async {
        let number = keepingNumber
        keepingNumber &+= 1
        let task = Loop.task {
            await Loop.nextTurn()
            await work()
            self.keeping[number] = nil
        }
        keeping[number] = task
        if isBehind || keeping.count > Self.keepingMax { await task.value }
    }

    private func children(of manifest: OriginManifest) async -> [Descriptor] {
        if manifest.bytes.count <= ManifestSummary.briefBytesMax {
            return ManifestFile.summary(manifest.bytes, manifest.mediaType)?.children ?? []
        }
        return await Loop.offload { ManifestFile.summary(manifest.bytes, manifest.mediaType)?.children ?? [] }
    }

    /// Returns when no manifest is on its way into the cache, and no tag.
    func settled() async {
        while let task = keeping.values.first { await task.value }
    }

    /// To the disk: first what it names, then, if it is not there yet, the manifest itself.
    private func keep(
        _ manifest: OriginManifest, of place: Permissions.Place, naming children: [Descriptor], isBrought: Bool
    ) async {
        let (store, digest) = (store, manifest.digest)
        let failure = await Loop.offload { () -> StoreError? in
            store.recordManifest(
                digest, mediaType: manifest.mediaType.text, registry: place.registry.description,
                repository: place.repository.text, naming: children.map { (digest: $0.digest, bytes: $0.bytes) })
            guard isBrought else { return nil }
            do throws(StoreError) {
                try store.commitSmall(digest, bytes: manifest.bytes)
                return nil
            } catch {
                return error
            }
        }
        guard isBrought else { return }
        memory.end(digest)
        if let failure {
            return logger.warning("manifest not cached", metadata: ["digest": "\(digest)", "reason": "\(failure)"])
        }
        memory.keep(manifest, now: Loop.nowNanoseconds)
        swarm.blobCommitted(digest)
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
    var place: Permissions.Place { .init(registry: registry.canonical, repository: repository) }

    /// The same caller's question for the bytes.
    var asGet: ManifestQuery { copy(reference, isHead: false) }

    /// The same caller's question for another manifest of the repository.
    func asking(_ reference: ManifestReference) -> ManifestQuery { copy(reference, isHead: isHead) }

    /// What the caller would take means nothing where a digest says what it gets.
    private func copy(_ reference: ManifestReference, isHead: Bool) -> ManifestQuery {
        let isTag = if case .tag = reference { true } else { false }
        return ManifestQuery(
            registry: registry, repository: repository, reference: reference, isHead: isHead,
            accept: isTag ? accept : [], credential: credential)
    }
}

extension Result {
    var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}

extension ManifestAnswer {
    static func found(_ manifest: OriginManifest) -> ManifestAnswer {
        .found(
            mediaType: manifest.mediaType, digest: manifest.digest, bytes: manifest.bytes, size: manifest.size)
    }
}
