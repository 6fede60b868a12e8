import ContentStore
import EventLoop
import Logging
import MirrorServer
import OCIModel
import OriginClient
import PeerTransport

/// Whether a caller may have a manifest or a blob that this node, or a peer, holds: only what the registry gives to
/// this very caller, under this very repository.
///
/// A repository's manifests name what belongs to it, and only manifests that the registry gave under its name count.
/// What none of them names is asked for by HEAD. While the registry cannot be asked, what anybody could pull counts
/// as such for some time, also on the word of a peer; the rest is closed.
extension NodeImages {
    enum Access {
        /// `bytes` when the registry was asked: what it says, which nobody has checked.
        case allowed(bytes: Int64?)
        case challenged(BearerChallenge)
        case declined(reason: String)
    }

    struct Item: Hashable, Sendable {
        let registry: RegistryHost
        let repository: RepositoryName
        let digest: Digest
        let isManifest: Bool
        let credential: Credential?

        var place: Permissions.Place { .init(registry: registry.canonical, repository: repository) }
    }

    func access(to item: Item, _ endpoint: OriginEndpoint) async -> Access {
        let isBound = await belongs(item)
        if isBound, permissions.isFresh(item.credential, item.place, now: Loop.nowNanoseconds) {
            return .allowed(bytes: nil)
        }
        let isOpen = isBound ? await isOpenMeanwhile(item.place, item.credential) : false
        if isSilent(item.place.registry) {
            let mayHave = isOpen ? true : await isPublicElsewhere(item)
            return mayHave ? .allowed(bytes: nil) : .declined(reason: Self.unreachable)
        }
        let asking = leaves.join(item) { await self.asked(item, endpoint) }
        defer { asking.leave() }
        // What may not be served without the registry is worth its own deadlines.
        let prompt = isOpen ? await Patience.value(of: asking.task, millis: Self.openMillis) : await asking.value
        if case .success(let bytes)? = prompt { return .allowed(bytes: bytes) }
        let failure = prompt?.failure
        if prompt == nil { noteSilence(of: item.place.registry) }
        let maySkip = failure?.mayPass ?? true
        let mayHave = maySkip && !isOpen ? await isPublicElsewhere(item) : isOpen
        if maySkip, mayHave {
            logger.warning(
                "registry unreachable: served by what it said before",
                metadata: ["registry": "\(item.registry)", "repository": "\(item.repository)"])
            return .allowed(bytes: nil)
        }
        return refused(failure ?? .cancelled, item.place, item.credential)
    }

    static let unreachable = "the registry cannot be reached"
    /// How long the registry is waited for when what it said before would do.
    private static let openMillis: UInt64 = 2_000
    private static let silentNanoseconds: UInt64 = 10_000_000_000

    /// Whether the registry could not be reached a moment ago: it is not waited for again at once.
    func isSilent(_ registry: RegistryHost) -> Bool {
        silentUntil[registry].map { Loop.nowNanoseconds < $0 } ?? false
    }

    func noteFailure(_ error: OriginError, _ registry: RegistryHost) {
        NodeLog.registryFailed(error, registry, logger)
        if error.isUnreachable { noteSilence(of: registry.canonical) }
    }

    private func noteSilence(of registry: RegistryHost) {
        silentUntil[registry] = Loop.nowNanoseconds &+ Self.silentNanoseconds
    }

    private func asked(_ item: Item, _ endpoint: OriginEndpoint) async -> Result<Int64?, OriginError> {
        do throws(OriginError) {
            let bytes = try await size(of: item, endpoint)
            await affirmed(item)
            return .success(bytes)
        } catch {
            if case .linkRefused = error {
                // The registry gave the caller a link: that is its leave, whatever becomes of the link.
                await affirmed(item)
                return .success(nil)
            }
            noteFailure(error, item.registry)
            return .failure(error)
        }
    }

    /// The registry has given this caller something of that repository.
    func affirm(_ place: Permissions.Place, _ credential: Credential?) {
        silentUntil[place.registry] = nil
        let isNews = !permissions.isFresh(credential, place, now: Loop.nowNanoseconds)
        permissions.allow(credential, place, now: Loop.nowNanoseconds)
        guard credential == nil, isNews else { return }
        let (store, registry, repository) = (store, place.registry.description, place.repository.text)
        Loop.offload {
            store.recordPublic(registry: registry, repository: repository)
            return store.digests(registry: registry, repository: repository)
        } then: { [swarm] digests in
            // Other nodes learn what anybody may have of the place.
            swarm.notePublic(digests)
        }
    }

    /// This node or a peer knows the blob as one that anybody could pull, from wherever.
    private func isPublicElsewhere(_ item: Item) async -> Bool {
        guard isShared(item.place), await swarm.locate(item.digest)?.isPublic == true else { return false }
        swarm.notePublic([item.digest])
        return true
    }

    /// What a registry's refusal means for the caller.
    func refused(_ error: OriginError, _ place: Permissions.Place, _ credential: Credential?) -> Access {
        guard case .denied(let status, let challenge) = error else { return .declined(reason: sentence(error)) }
        permissions.forbid(credential, place)
        if status == 401, let challenge { return .challenged(challenge) }
        return .declined(reason: sentence(error))
    }

    /// While the registry cannot be asked: whether the place was open to anybody not long ago, or, where the settings
    /// grant a grace, to this caller.
    func isOpenMeanwhile(_ place: Permissions.Place, _ credential: Credential?) async -> Bool {
        if permissions.isInGrace(credential, place, now: Loop.nowNanoseconds) { return true }
        let store = store
        return await Loop.offload {
            store.wasPublic(registry: place.registry.description, repository: place.repository.text)
        }
    }

    private func belongs(_ item: Item) async -> Bool {
        let name = ManifestMemory.Name(place: item.place, digest: item.digest)
        if memory.isNamed(name) { return true }
        let (store, digest) = (store, item.digest)
        let (registry, repository) = (item.place.registry.description, item.repository.text)
        let isNamed = await Loop.offload { store.isNamed(digest, registry: registry, repository: repository) }
        if isNamed { memory.noteNamed(name) }
        return isNamed
    }

    private func size(of item: Item, _ endpoint: OriginEndpoint) async throws(OriginError) -> Int64 {
        guard item.isManifest else {
            return try await origin.blobSize(
                endpoint: endpoint, repository: item.repository, digest: item.digest, credential: item.credential)
        }
        return try await origin.manifest(
            endpoint: endpoint, repository: item.repository, reference: .digest(item.digest), head: true,
            credential: item.credential
        ).size
    }

    private func affirmed(_ item: Item) async {
        affirm(item.place, item.credential)
        let (store, digest) = (store, item.digest)
        let (registry, repository) = (item.place.registry.description, item.repository.text)
        await Loop.offload {
            store.recordNamed(digest, registry: registry, repository: repository)
        }
        memory.noteNamed(ManifestMemory.Name(place: item.place, digest: digest))
        if permissions.isFresh(nil, item.place, now: Loop.nowNanoseconds) { swarm.notePublic([digest]) }
    }
}
