import CAdminProto
import ProtobufCodec

/// A message of `Protos/admin.proto` that has a Swift value.
protocol AdminMessage {
    /// The encoded message.
    var encoded: [UInt8] { get }
    /// Reads a message; a text that is not UTF-8 reads as empty.
    init(encoded: [UInt8]) throws(ProtobufError)
}

/// Sizes that hold every honest message of this protocol.
enum AdminWire {
    static let messageBytesMax: UInt32 = 1 << 20
    static let unpackBudgetBytes = 8 << 20
    static let callType: UInt8 = 0x01
    static let itemType: UInt8 = 0x02
    static let endType: UInt8 = 0x03
}

enum AdminSchemas {
    static let call = ProtobufSchema(hawker__admin__v1__call__init)
    static let item = ProtobufSchema(hawker__admin__v1__item__init)
    static let end = ProtobufSchema(hawker__admin__v1__end__init)
    static let status = ProtobufSchema(hawker__admin__v1__node_status__init)
    static let source = ProtobufSchema(hawker__admin__v1__source_bytes__init)
    static let cache = ProtobufSchema(hawker__admin__v1__cache_usage__init)
    static let mirror = ProtobufSchema(hawker__admin__v1__mirror_counters__init)
    static let peer = ProtobufSchema(hawker__admin__v1__peer_status__init)
    static let wiring = ProtobufSchema(hawker__admin__v1__containerd_wiring__init)
    static let runtimeStore = ProtobufSchema(hawker__admin__v1__runtime_store__init)
    static let discovery = ProtobufSchema(hawker__admin__v1__discovery__init)
    static let security = ProtobufSchema(hawker__admin__v1__peer_security__init)
    static let registry = ProtobufSchema(hawker__admin__v1__registry__init)
    static let rateLimit = ProtobufSchema(hawker__admin__v1__rate_limit__init)
    static let limit = ProtobufSchema(hawker__admin__v1__limit__init)
    static let reloaded = ProtobufSchema(hawker__admin__v1__reloaded__init)
    static let blob = ProtobufSchema(hawker__admin__v1__cached_blob__init)
    static let removeRequest = ProtobufSchema(hawker__admin__v1__cache_remove_request__init)
    static let fileRequest = ProtobufSchema(hawker__admin__v1__file_request__init)
    static let fileOffer = ProtobufSchema(hawker__admin__v1__file_offer__init)
    static let removed = ProtobufSchema(hawker__admin__v1__cache_removed__init)
}

private func text(_ field: UnsafePointer<CChar>?) -> String { ProtobufField.text(field) ?? "" }

extension NodeStatus: AdminMessage {
    var encoded: [UInt8] {
        AdminSchemas.status.encode { message, arena in
            message.name = arena.text(name)
            message.version = arena.text(version)
            message.uptime_seconds = uptimeSeconds
            message.mirror_address = arena.text(mirrorAddress)
            message.peer_address = arena.text(peerAddress)
            message.cache_path = arena.text(cachePath)
            message.draining = draining ? 1 : 0
            message.cache = arena.message(AdminSchemas.cache) { cache.fill(&$0, arena) }
            message.mirror = arena.message(AdminSchemas.mirror) { mirror.fill(&$0) }
            message.n_received = received.count
            message.received = arena.array(
                received.map { source in arena.message(AdminSchemas.source) { source.fill(&$0, arena) } })
            message.downloads_running = downloadsRunning
            message.peers_connected = peersConnected
            message.peers_known = peersKnown
            message.uploaded_bytes = uploadedBytes
            message.uploaded_wire_bytes = uploadedWireBytes
            message.uploaded_compressed_bytes = uploadedCompressedBytes
            message.n_recent_problems = recentProblems.count
            message.recent_problems = arena.array(recentProblems.map { arena.text($0) })
            message.n_recent_probes = recentProbes.count
            message.recent_probes = arena.array(recentProbes.map { arena.text($0) })
            message.n_discovery = discovery.count
            message.discovery = arena.array(
                discovery.map { report in arena.message(AdminSchemas.discovery) { report.fill(&$0, arena) } })
            message.n_limits = limits.count
            message.limits = arena.array(
                limits.map { limit in arena.message(AdminSchemas.limit) { limit.fill(&$0, arena) } })
            if let security = peerSecurity {
                message.peer_security = arena.message(AdminSchemas.security) { security.fill(&$0, arena) }
            }
            message.n_registries = registries.count
            message.registries = arena.array(
                registries.map { registry in arena.message(AdminSchemas.registry) { registry.fill(&$0, arena) } })
            if let store = runtimeStore {
                message.runtime_store = arena.message(AdminSchemas.runtimeStore) { store.fill(&$0, arena) }
            }
            if let wiring = containerdWiring {
                message.containerd_wiring = arena.message(AdminSchemas.wiring) { wiring.fill(&$0, arena) }
            }
        }
    }

    init(encoded: [UInt8]) throws(ProtobufError) {
        self = try AdminSchemas.status.decode(encoded, budget: AdminWire.unpackBudgetBytes) { message in
            var status = NodeStatus()
            status.name = text(message.name)
            status.version = text(message.version)
            status.uptimeSeconds = message.uptime_seconds
            status.mirrorAddress = text(message.mirror_address)
            status.peerAddress = text(message.peer_address)
            status.cachePath = text(message.cache_path)
            status.draining = message.draining != 0
            if let cache = message.cache?.pointee { status.cache = CacheUsage(cache) }
            if let mirror = message.mirror?.pointee { status.mirror = MirrorCounters(mirror) }
            status.received = ProtobufField.messages(message.received, count: message.n_received).map(SourceBytes.init)
            status.downloadsRunning = message.downloads_running
            status.peersConnected = message.peers_connected
            status.peersKnown = message.peers_known
            status.uploadedBytes = message.uploaded_bytes
            status.uploadedWireBytes = message.uploaded_wire_bytes
            status.uploadedCompressedBytes = message.uploaded_compressed_bytes
            status.recentProblems =
                ProtobufField.texts(message.recent_problems, count: message.n_recent_problems) ?? []
            status.recentProbes = ProtobufField.texts(message.recent_probes, count: message.n_recent_probes) ?? []
            status.discovery = ProtobufField.messages(message.discovery, count: message.n_discovery)
                .map(DiscoveryReport.init)
            status.limits = ProtobufField.messages(message.limits, count: message.n_limits).map(LimitStatus.init)
            status.peerSecurity = (message.peer_security?.pointee).map(PeerSecurity.init)
            status.registries = ProtobufField.messages(message.registries, count: message.n_registries)
                .map(RegistryStatus.init)
            status.runtimeStore = (message.runtime_store?.pointee).map(RuntimeStoreStatus.init)
            status.containerdWiring = (message.containerd_wiring?.pointee).map(ContainerdWiring.init)
            return status
        }
    }
}

extension DiscoveryReport {
    fileprivate func fill(_ message: inout Hawker__Admin__V1__Discovery, _ arena: ProtobufArena) {
        message.source = arena.text(source)
        message.asked = arena.text(asked)
        message.state = arena.text(state)
        message.reason = arena.text(reason)
        message.endpoints = endpoints
    }

    fileprivate init(_ message: Hawker__Admin__V1__Discovery) {
        source = text(message.source)
        asked = text(message.asked)
        state = text(message.state)
        reason = text(message.reason)
        endpoints = message.endpoints
    }
}

extension SourceBytes {
    fileprivate func fill(_ message: inout Hawker__Admin__V1__SourceBytes, _ arena: ProtobufArena) {
        message.source = arena.text(source)
        message.is_peer = isPeer ? 1 : 0
        message.content_bytes = contentBytes
        message.wire_bytes = wireBytes
        message.compressed_bytes = compressedBytes
    }

    fileprivate init(_ message: Hawker__Admin__V1__SourceBytes) {
        source = text(message.source)
        isPeer = message.is_peer != 0
        contentBytes = message.content_bytes
        wireBytes = message.wire_bytes
        compressedBytes = message.compressed_bytes
    }
}

extension CacheUsage {
    fileprivate func fill(_ message: inout Hawker__Admin__V1__CacheUsage, _ arena: ProtobufArena) {
        message.used_bytes = usedBytes
        message.shared_bytes = sharedBytes
        message.reserved_bytes = reservedBytes
        message.quota_bytes = quotaBytes
        message.blob_count = blobCount
        message.evictions = evictions
        message.last_error = arena.text(lastError)
    }

    fileprivate init(_ message: Hawker__Admin__V1__CacheUsage) {
        usedBytes = message.used_bytes
        sharedBytes = message.shared_bytes
        reservedBytes = message.reserved_bytes
        quotaBytes = message.quota_bytes
        blobCount = message.blob_count
        evictions = message.evictions
        lastError = text(message.last_error)
    }
}

extension MirrorCounters {
    fileprivate func fill(_ message: inout Hawker__Admin__V1__MirrorCounters) {
        message.requests = requests
        message.manifests_served = manifestsServed
        message.blobs_served = blobsServed
        message.declined = declined
        message.cut_short = cutShort
        message.bytes_sent = bytesSent
        message.connections_open = connectionsOpen
        message.stale_tags_served = staleTagsServed
    }

    fileprivate init(_ message: Hawker__Admin__V1__MirrorCounters) {
        requests = message.requests
        manifestsServed = message.manifests_served
        blobsServed = message.blobs_served
        declined = message.declined
        cutShort = message.cut_short
        bytesSent = message.bytes_sent
        connectionsOpen = message.connections_open
        staleTagsServed = message.stale_tags_served
    }
}

extension PeerStatus: AdminMessage {
    var encoded: [UInt8] {
        AdminSchemas.peer.encode { message, arena in
            message.name = arena.text(name)
            message.address = arena.text(address)
            message.zone = arena.text(zone)
            message.state = arena.text(state)
            message.reason = arena.text(reason)
            message.received_bytes = receivedBytes
            message.received_wire_bytes = receivedWireBytes
            message.sent_bytes = sentBytes
            message.sent_wire_bytes = sentWireBytes
            message.encrypted = encrypted ? 1 : 0
            message.certificate_name = arena.text(certificateName)
            message.certificate_expires = certificateExpires
            message.n_known_from = knownFrom.count
            message.known_from = arena.array(knownFrom.map { arena.text($0) })
        }
    }

    init(encoded: [UInt8]) throws(ProtobufError) {
        self = try AdminSchemas.peer.decode(encoded, budget: AdminWire.unpackBudgetBytes) { message in
            var peer = PeerStatus()
            peer.name = text(message.name)
            peer.address = text(message.address)
            peer.zone = text(message.zone)
            peer.state = text(message.state)
            peer.reason = text(message.reason)
            peer.receivedBytes = message.received_bytes
            peer.receivedWireBytes = message.received_wire_bytes
            peer.sentBytes = message.sent_bytes
            peer.sentWireBytes = message.sent_wire_bytes
            peer.encrypted = message.encrypted != 0
            peer.certificateName = text(message.certificate_name)
            peer.certificateExpires = message.certificate_expires
            peer.knownFrom = ProtobufField.texts(message.known_from, count: message.n_known_from) ?? []
            return peer
        }
    }
}

extension CachedBlob: AdminMessage {
    var encoded: [UInt8] {
        AdminSchemas.blob.encode { message, arena in
            message.digest = arena.text(digest)
            message.bytes = bytes
            message.pinned = pinned ? 1 : 0
            message.last_used_seconds = lastUsedSeconds
            message.media_type = arena.text(mediaType)
        }
    }

    init(encoded: [UInt8]) throws(ProtobufError) {
        self = try AdminSchemas.blob.decode(encoded, budget: AdminWire.unpackBudgetBytes) { message in
            var blob = CachedBlob()
            blob.digest = text(message.digest)
            blob.bytes = message.bytes
            blob.pinned = message.pinned != 0
            blob.lastUsedSeconds = message.last_used_seconds
            blob.mediaType = text(message.media_type)
            return blob
        }
    }
}

extension CacheRemoved: AdminMessage {
    var encoded: [UInt8] {
        AdminSchemas.removed.encode { message, arena in
            message.digest = arena.text(digest)
            message.removed = removed ? 1 : 0
            message.bytes = bytes
        }
    }

    init(encoded: [UInt8]) throws(ProtobufError) {
        self = try AdminSchemas.removed.decode(encoded, budget: AdminWire.unpackBudgetBytes) { message in
            var removed = CacheRemoved()
            removed.digest = text(message.digest)
            removed.removed = message.removed != 0
            removed.bytes = message.bytes
            return removed
        }
    }
}
