import ContentStore
import EventLoop
import Logging
import MirrorServer
import OCIModel
import OriginClient
import PeerTransport

/// Where the mirror's answers come from: the cache and what containerd holds, then peers, then the registry.
///
/// - Nothing is served that the registry does not give to this caller (`NodeImages+Access.swift`).
/// - A tag is resolved at the registry (`NodeImages+Tags.swift`).
/// - A manifest leaves only after its digest was checked; a blob leaves piece by piece, as pieces are checked,
///   its first bytes already while the registry sends their piece.
/// - What this node may not or cannot fetch is declined, and the runtime goes to the registry itself.
@LoopActor
final class NodeImages: ImageSource {
    let store: ContentStore
    let origin: OriginClient
    let swarm: Swarm
    let registries: RegistryTable
    let probes = ProbeLog()
    let counters: NodeCounters
    let logger: Logger
    let tagRules: TagRules
    var permissions: Permissions
    var tagAnswers: TagAnswers
    var memory = ManifestMemory()
    /// Tags served as last seen, since the start.
    var staleTagsServed: UInt64 = 0
    /// Questions that one answer serves all who ask them with the same credential at the same time.
    let manifests = Flights<ManifestQuestion, Result<OriginManifest, OriginError>>()
    let leaves = Flights<Item, Result<Int64?, OriginError>>()
    let files: TicketedFiles
    /// Manifests whose names, and most often whose bytes, and tags that are on their way to the disk, by the order they
    /// came in.
    var keeping: [UInt64: Task<Void, Never>] = [:]
    var keepingNumber: UInt64 = 0
    /// Registries that could not be reached lately, and until when they are not asked for what may be served without.
    var silentUntil: [RegistryHost: UInt64] = [:]

    init(
        store: ContentStore, origin: OriginClient, swarm: Swarm, registries: RegistryTable, settings: Settings,
        counters: NodeCounters, files: TicketedFiles, logger: Logger
    ) {
        self.files = files
        self.counters = counters
        permissions = Permissions(settings)
        tagRules = TagRules(settings)
        tagAnswers = TagAnswers(lifeSeconds: settings.tagsTTLSeconds)
        self.store = store
        self.origin = origin
        self.swarm = swarm
        self.registries = registries
        self.logger = logger
    }

    func blob(_ query: BlobQuery) async -> BlobAnswer {
        let digest = query.digest
        guard let endpoint = registries.endpoint(for: query.registry) else {
            return .declined(reason: notNamed(query.registry))
        }
        let item = Item(
            registry: query.registry, repository: query.repository, digest: digest, isManifest: false,
            credential: query.credential)
        let told: Int64?
        switch await access(to: item, endpoint) {
        case .allowed(let bytes): told = bytes
        case .challenged(let challenge): return .challenged(challenge)
        case .declined(let reason): return .declined(reason: reason)
        }
        if isShared(item.place) { swarm.share(digest) }
        // The runtime's are hashed first: until then their size is not known to be right.
        if query.isHead, let bytes = store.committedBytes(digest) { return .arriving(KnownSize(bytes: bytes)) }
        if let file = await opened(digest) { return .whole(file) }
        guard let bytes = await size(query, told: told, endpoint) else {
            return .declined(reason: "neither the registry nor a peer has \(digest)")
        }
        if query.isHead { return .arriving(KnownSize(bytes: bytes)) }
        if bytes == 0 { return await emptyBlob(digest) }
        let source = OriginSource(
            registry: query.registry.canonical.description, repository: query.repository.text,
            credential: query.credential)
        do throws(DownloadFailure) {
            let download = try await swarm.download(
                digest, bytes: bytes, source: source, isShared: isShared(item.place))
            return .arriving(ArrivingDownload(download))
        } catch {
            logger.warning("blob declined", metadata: ["digest": "\(digest)", "reason": "\(error)"])
            return .declined(reason: "this node cannot fetch \(digest) now")
        }
    }

    /// Whether other nodes may have what is pulled from there, and be asked for it.
    func isShared(_ place: Permissions.Place) -> Bool { registries.isShared(place.repository.text, of: place.registry) }

    func notNamed(_ registry: RegistryHost) -> String { "no [[registry]] of this node's settings names \(registry)" }

    /// The size that a manifest named; else what the registry says; else, when it cannot be reached, what peers say.
    private func size(_ query: BlobQuery, told: Int64?, _ endpoint: OriginEndpoint) async -> Int64? {
        let (store, digest) = (store, query.digest)
        let place = Permissions.Place(registry: query.registry.canonical, repository: query.repository)
        if let size = memory.bytes(of: ManifestMemory.Name(place: place, digest: digest)) { return size }
        let (registry, repository) = (place.registry.description, place.repository.text)
        let known = await Loop.offload { store.knownSize(digest, registry: registry, repository: repository) }
        if let size = known ?? told { return size }
        do throws(OriginError) {
            return try await origin.blobSize(
                endpoint: endpoint, repository: query.repository, digest: digest, credential: query.credential)
        } catch {
            NodeLog.registryFailed(error, query.registry, logger)
            return error.mayPass && isShared(place) ? await swarm.locate(digest)?.bytes : nil
        }
    }

    func opened(_ digest: Digest) async -> WholeFile? {
        guard store.blob(digest) != nil else { return nil }
        let store = store
        let opened = await Loop.offload { () -> Result<BlobFile?, StoreError> in
            Result { () throws(StoreError) in try store.openBlob(digest) }
        }
        switch opened {
        case .success(let file): return file.map(WholeFile.init)
        case .failure(let error):
            logger.warning("cached blob cannot be read", metadata: ["digest": "\(digest)", "reason": "\(error)"])
            return nil
        }
    }

    /// The blob of no bytes needs no source: it is committed if the digest is really its own.
    func emptyBlob(_ digest: Digest) async -> BlobAnswer {
        let store = store
        let failure = await Loop.offload { () -> StoreError? in
            do throws(StoreError) {
                try store.commitSmall(digest, bytes: [])
                return nil
            } catch {
                return error
            }
        }
        if failure == nil, let file = await opened(digest) { return .whole(file) }
        return .declined(reason: "\(digest) is not the empty blob")
    }
}

/// A cached blob's file, kept open until the mirror has sent it.
final class WholeFile: WholeBlob {
    private let file: BlobFile

    init(_ file: BlobFile) { self.file = file }

    var descriptor: Int32 { file.descriptor }
    var bytes: Int64 { file.bytes }
    var isRuntimes: Bool { file.isRuntimes }

    func noteSent(_ bytes: Int64) { file.noteSent(bytes) }
}

/// A download as the mirror reads it.
@LoopActor
final class ArrivingDownload: ArrivingBlob {
    private let download: BlobDownload

    init(_ download: BlobDownload) { self.download = download }

    var bytes: Int64 { download.bytes }
    var descriptor: Int32 { download.file }

    func availableEnd(from offset: Int64) -> Int64 { download.contiguousEnd(from: offset) }

    func whenMore(than offset: Int64, _ then: @escaping @LoopActor (ArrivalState) -> Void) {
        download.onProgress(from: offset) { [bytes] progress in
            switch progress {
            case .more(let end): then(.available(end: end))
            case .finished: then(.available(end: bytes))
            case .failed(.contentChanged), .failed(.wrongContent): then(.wrong)
            case .failed: then(.failed)
            }
        }
    }

    func release() { download.release() }
}

/// The answer to a HEAD: a size without bytes.
@LoopActor
private final class KnownSize: ArrivingBlob {
    let bytes: Int64
    let descriptor: Int32 = -1

    init(bytes: Int64) { self.bytes = bytes }

    func availableEnd(from offset: Int64) -> Int64 { offset }
    func whenMore(than offset: Int64, _ then: @escaping @LoopActor (ArrivalState) -> Void) { then(.failed) }
    func release() {}
}
