/// The calls of the admin protocol; `Protos/admin.proto` says which messages belong to each.
package enum AdminMethod: String, CaseIterable, Sendable {
    case status = "status"
    case peers = "peers"
    case cacheList = "cache.list"
    case cacheRemove = "cache.remove"
    case reload = "reload"
    case file = "file"
}

/// Bounds of the admin protocol.
package enum AdminLimits {
    package static let connectionsMax = 32
    package static let callDeadlineMillis: UInt64 = 10_000
    package static let digestsPerRemoveMax = 256
}

/// What a node does when an admin asks; implemented by the composition root.
package protocol AdminService: Sendable {
    func status() async -> NodeStatus
    func peers() async -> [PeerStatus]
    /// Most recently used first.
    func cacheList() async throws(AdminFailure) -> [CachedBlob]
    /// One answer a digest, in the order given. Digests are as the caller typed them.
    func cacheRemove(_ digests: [String]) async throws(AdminFailure) -> [CacheRemoved]
    /// `.failedPrecondition`, with file, line and reason, for settings that are wrong: those in force stay.
    func reload() async throws(AdminFailure) -> ReloadReport
    /// `.failedPrecondition` for a host or a path that the settings leave out, `.unavailable` for one out of reach.
    func file(_ request: FileRequest) async throws(AdminFailure) -> FileOffer
}
