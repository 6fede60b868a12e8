import AdminAPI
import ContentStore
import EventLoop
import MirrorServer
import OCIModel
import OriginClient
import Pacing
import PeerDirectory
import PeerTransport
import PieceModel
import RuntimeConfig
import TLS
import Telemetry

/// Answers the admin socket from the node's parts.
struct NodeAdmin: AdminService {
    let node: Node

    @LoopActor
    func status() async -> NodeStatus {
        let swarm = node.swarm.status
        let settings = node.settings
        var status = NodeStatus()
        status.name = settings.nodeName.text
        status.version = node.version
        status.uptimeSeconds = (Loop.nowNanoseconds - node.startedNanoseconds) / 1_000_000_000
        status.mirrorAddress = SocketAddress(host: settings.mirrorListen.host, port: node.mirrorPort).description
        if let listen = settings.peersListen {
            status.peerAddress = SocketAddress(host: listen.host, port: node.peerPort).description
        }
        status.cachePath = settings.cachePath
        status.draining = node.draining
        status.cache = CacheUsage(node.store.usage)
        status.received = [SourceBytes(registryBytes: swarm.originBytes)] + swarm.peers.map(SourceBytes.init(peer:))
        status.mirror = mirrorCounters()
        status.downloadsRunning = UInt32(clamping: swarm.downloads.count)
        status.peersConnected = UInt32(clamping: swarm.peers.filter(\.isConnected).count)
        status.peersKnown = UInt32(clamping: swarm.peers.count + swarm.unreached.count)
        status.uploadedBytes = UInt64(clamping: swarm.sent.rawBytes)
        status.uploadedWireBytes = UInt64(clamping: swarm.sent.wireBytes)
        status.uploadedCompressedBytes = UInt64(clamping: swarm.sent.compressedBytes)
        status.discovery = node.discovery.status.map(DiscoveryReport.init)
        status.limits = node.limits.all.map { key, pacer in
            var limit = LimitStatus()
            limit.key = key
            limit.bytesPerSecond = pacer.bytesPerSecond ?? 0
            limit.bytes = pacer.countedBytes
            limit.waits = pacer.waits
            return limit
        }
        status.peerSecurity = node.peerSecurity
        status.registries = registries()
        status.recentProblems = Log.recentProblems
        status.recentProbes = node.images.probes.names
        status.runtimeStore = node.runtimeStore.map { RuntimeStoreStatus($0, node.store) }
        status.containerdWiring = node.wiring?.wiring.map { wiring in
            var shown = ContainerdWiring()
            shown.state = wiring.state.rawValue
            shown.reason = wiring.reason
            shown.config = settings.containerdConfig ?? ""
            return shown
        }
        return status
    }

    func reload() async throws(AdminFailure) -> ReloadReport {
        try await node.reload()
    }

    func file(_ request: FileRequest) async throws(AdminFailure) -> FileOffer {
        var offer = try await node.images.offer(request)
        let host = await node.settings.mirrorListen.host
        // A wildcard is no name under which the mirror answers.
        let isWildcard = ["0.0.0.0", "::"].contains(host)
        let address = SocketAddress(host: isWildcard ? "127.0.0.1" : host, port: await node.mirrorPort)
        offer.mirrorAddress = address.description
        return offer
    }

    @LoopActor
    private func registries() -> [RegistryStatus] {
        node.origin.counters.map { host, counted in
            var registry = RegistryStatus()
            registry.host = host.description
            registry.requests = counted.requests
            registry.retries = counted.retries
            registry.failures = counted.failures
            registry.bytes = counted.bytes
            registry.skippedBytes = counted.skippedBytes
            registry.rateLimit = node.origin.rateLimits[host].map { said in
                var limit = RateLimitStatus()
                limit.limit = UInt64(clamping: said.limit ?? 0)
                limit.remaining = UInt64(clamping: said.remaining)
                limit.windowSeconds = UInt64(clamping: said.windowSeconds ?? 0)
                return limit
            }
            return registry
        }.sorted { $0.host < $1.host }
    }

    @LoopActor
    private func mirrorCounters() -> AdminAPI.MirrorCounters {
        let counted = node.mirror.counters
        var counters = AdminAPI.MirrorCounters()
        counters.requests = counted.requests
        counters.manifestsServed = counted.manifestsServed
        counters.blobsServed = counted.blobsServed
        counters.declined = counted.declined + counted.deadlinesMissed
        counters.cutShort = counted.cutShort
        counters.bytesSent = counted.bodyBytes
        counters.staleTagsServed = node.images.staleTagsServed
        counters.connectionsOpen = UInt64(clamping: counted.connections)
        return counters
    }

    @LoopActor
    func peers() async -> [PeerStatus] {
        let swarm = node.swarm.status
        func sources(_ endpoint: PeerEndpoint) -> [String] {
            node.discovery.sources(of: endpoint).map(\.rawValue)
        }
        let met = swarm.peers.map { known in
            var peer = PeerStatus(known)
            peer.knownFrom = Set(known.endpoints.flatMap(sources)).sorted()
            return peer
        }
        return met + swarm.unreached.map { unreached in
            var peer = PeerStatus()
            peer.knownFrom = sources(unreached.endpoint)
            peer.address = unreached.endpoint.description
            peer.state = "connecting"
            peer.reason = unreached.reason.isEmpty ? "not reached yet" : unreached.reason
            return peer
        }
    }

    func cacheList() async throws(AdminFailure) -> [CachedBlob] {
        let store = node.store
        return await Loop.offload {
            store.list().sorted { $0.lastUsed > $1.lastUsed }.map { info in
                var blob = CachedBlob()
                blob.digest = info.digest.description
                blob.bytes = UInt64(clamping: info.bytes)
                blob.pinned = info.isPinned
                blob.lastUsedSeconds = UInt64(clamping: info.lastUsed)
                blob.mediaType = store.mediaType(info.digest) ?? ""
                return blob
            }
        }
    }

    func cacheRemove(_ texts: [String]) async throws(AdminFailure) -> [CacheRemoved] {
        var digests: [Digest] = []
        for text in texts {
            guard let digest = Digest(text) else {
                throw AdminFailure(
                    .invalidArgument, "\(LogText.quotedIfNeeded(text)) is not sha256: and 64 lower-case hex digits")
            }
            digests.append(digest)
        }
        var answers: [CacheRemoved] = []
        for digest in digests { answers.append(try await remove(digest)) }
        return answers
    }

    private func remove(_ digest: Digest) async throws(AdminFailure) -> CacheRemoved {
        let store = node.store
        var answer = CacheRemoved()
        answer.digest = digest.description
        answer.bytes = store.isCommitted(digest) ? UInt64(clamping: store.blob(digest)?.bytes ?? 0) : 0
        let outcome = await Loop.offload { () -> Result<Bool, StoreError> in
            Result { () throws(StoreError) in try store.remove(digest) }
        }
        switch outcome {
        case .success(let removed): answer.removed = removed
        case .failure(let error): throw AdminFailure(.internal, "\(digest) cannot be removed: \(error)")
        }
        if answer.removed, store.blob(digest) == nil { await node.swarm.blobRemoved(digest) }
        return answer
    }
}

extension CacheUsage {
    fileprivate init(_ usage: Usage) {
        self.init()
        usedBytes = UInt64(clamping: usage.usedBytes)
        sharedBytes = UInt64(clamping: usage.sharedBytes)
        reservedBytes = UInt64(clamping: usage.reservedBytes)
        quotaBytes = UInt64(clamping: usage.quotaBytes)
        blobCount = UInt64(clamping: usage.blobCount)
        evictions = usage.evictions
        lastError = usage.lastError.map { "\($0)" } ?? ""
    }
}

extension RuntimeStoreStatus {
    @LoopActor
    fileprivate init(_ watch: RuntimeStoreWatch, _ store: ContentStore) {
        self.init()
        let usage = store.runtimeUsage
        folder = watch.folder
        problem = watch.problem ?? ""
        blobs = UInt64(clamping: usage.blobCount)
        bytes = UInt64(clamping: usage.bytes)
        servedBytes = UInt64(clamping: usage.servedBytes)
        sharingProblem = usage.sharingProblem ?? ""
    }
}

extension SourceBytes {
    fileprivate init(registryBytes: Int64) {
        self.init()
        source = "registry"
        contentBytes = UInt64(clamping: registryBytes)
        wireBytes = contentBytes
    }

    fileprivate init(peer: SwarmStatus.Peer) {
        self.init()
        source = peer.name.text
        isPeer = true
        contentBytes = UInt64(clamping: peer.received.rawBytes)
        wireBytes = UInt64(clamping: peer.received.wireBytes)
        compressedBytes = UInt64(clamping: peer.received.compressedBytes)
    }
}

extension DiscoveryReport {
    fileprivate init(_ status: DiscoveryStatus) {
        self.init()
        source = status.source.rawValue
        asked = status.subject
        endpoints = UInt32(clamping: status.endpoints)
        switch status.state {
        case .starting: state = "starting"
        case .working: state = "working"
        case .failing(let why):
            state = "failing"
            reason = why
        }
    }
}

extension SwarmStatus.Peer {
    fileprivate var isConnected: Bool {
        if case .connected = state { true } else { false }
    }
}

extension PeerStatus {
    fileprivate init(_ peer: SwarmStatus.Peer) {
        self.init()
        name = peer.name.text
        address = peer.address
        zone = peer.zone?.text ?? ""
        switch peer.state {
        case .connected: state = "connected"
        case .disconnected: state = "waiting"
        case .banned(let cause, let seconds):
            state = "banned"
            reason = "\(cause) for \(seconds) s"
        }
        if let certificate = peer.certificate {
            encrypted = true
            certificateName = certificate.name
            certificateExpires = UInt64(clamping: certificate.notAfter)
        }
        receivedBytes = UInt64(clamping: peer.received.rawBytes)
        receivedWireBytes = UInt64(clamping: peer.received.wireBytes)
        sentBytes = UInt64(clamping: peer.sent.rawBytes)
        sentWireBytes = UInt64(clamping: peer.sent.wireBytes)
    }
}
