/// What `hawker status` shows. All counters run from the start of the daemon.
///
/// The types of this file are the messages of `Protos/admin.proto` as Swift values; `Codable` is for `--json`,
/// whose keys are these names in snake case.
package struct NodeStatus: Codable, Equatable, Sendable {
    package var name = ""
    package var version = ""
    package var uptimeSeconds: UInt64 = 0
    /// `host:port`.
    package var mirrorAddress = ""
    /// `host:port`, or empty when the node has no peer port.
    package var peerAddress = ""
    package var cachePath = ""
    package var draining = false
    package var cache = CacheUsage()
    package var received: [SourceBytes] = []
    package var mirror = MirrorCounters()
    package var downloadsRunning: UInt32 = 0
    package var peersConnected: UInt32 = 0
    package var peersKnown: UInt32 = 0
    /// Bytes of pieces sent to peers, as content.
    package var uploadedBytes: UInt64 = 0
    /// The same bytes as they went over the wire, compressed where that paid.
    package var uploadedWireBytes: UInt64 = 0
    /// Of `uploadedBytes`, those of pieces that travelled compressed.
    package var uploadedCompressedBytes: UInt64 = 0
    /// Newest warnings and errors of the log, oldest first.
    package var recentProblems: [String] = []
    /// One for each way that the settings name to find peers.
    package var discovery: [DiscoveryReport] = []
    package var limits: [LimitStatus] = []
    /// One for each registry that was asked, by name.
    package var registries: [RegistryStatus] = []
    /// `nil` when containerd's blobs are left alone.
    package var runtimeStore: RuntimeStoreStatus?
    /// `nil` when no containerd is watched.
    package var containerdWiring: ContainerdWiring?
    /// `nil` when the node has no peer port.
    package var peerSecurity: PeerSecurity?
    /// Probes that came to the mirror, oldest first, as `registry/hawker-probe/name:tag`.
    package var recentProbes: [String] = []

    package init() {}
}

/// How one way to find the other nodes does.
package struct DiscoveryReport: Codable, Equatable, Sendable {
    /// `static`, `dns` or `redis`, as the settings name it.
    package var source = ""
    /// The name or the servers that are asked.
    package var asked = ""
    /// `starting`, `working` or `failing`; who was found before a failure stays known.
    package var state = ""
    package var reason = ""
    package var endpoints: UInt32 = 0

    package init() {}
}

/// One bound on a rate, with what it was applied to so far.
package struct LimitStatus: Codable, Equatable, Sendable {
    /// The key of the settings that sets it.
    package var key = ""
    /// 0 for none.
    package var bytesPerSecond: UInt64 = 0
    /// Bytes that fell under it since the start, bound or not.
    package var bytes: UInt64 = 0
    /// How often something had to wait.
    package var waits: UInt64 = 0

    package init() {}
}

/// What was asked of one registry.
package struct RegistryStatus: Codable, Equatable, Sendable {
    package var host = ""
    /// HTTP requests, those to redirect targets and token servers included.
    package var requests: UInt64 = 0
    package var retries: UInt64 = 0
    /// Manifests, sizes and parts of blobs that could not be had.
    package var failures: UInt64 = 0
    /// Of manifests and blobs.
    package var bytes: UInt64 = 0
    /// Read and thrown away because the registry ignored a `Range`.
    package var skippedBytes: UInt64 = 0
    /// What it last said of the requests it lets through; `nil` when it said nothing.
    package var rateLimit: RateLimitStatus?

    package init() {}
}

/// What a registry says of the requests that it still lets through, in headers of its answers.
package struct RateLimitStatus: Codable, Equatable, Sendable {
    /// Requests a window; 0 when the registry did not say.
    package var limit: UInt64 = 0
    /// Requests left in it.
    package var remaining: UInt64 = 0
    /// 0 when the registry did not say.
    package var windowSeconds: UInt64 = 0

    package init() {}
}

/// Whether containerd's configuration on disk leads to the mirror.
package struct ContainerdWiring: Codable, Equatable, Sendable {
    /// `routed`, `bypassed`, `broken` or `unknown`.
    package var state = ""
    package var reason = ""
    /// The file that is watched.
    package var config = ""

    package init() {}
}

/// What is seen of containerd's content store, whose blobs count as cached.
package struct RuntimeStoreStatus: Codable, Equatable, Sendable {
    package var folder = ""
    /// Why nothing is seen; empty when something is.
    package var problem = ""
    package var blobs: UInt64 = 0
    package var bytes: UInt64 = 0
    /// Read from there for container runtimes and peers.
    package var servedBytes: UInt64 = 0
    /// Why the cache has no links to containerd's files; empty while none was refused.
    package var sharingProblem = ""

    package init() {}
}

/// How nodes know each other, and this node's own certificate.
package struct PeerSecurity: Codable, Equatable, Sendable {
    /// `tls` or `plaintext`.
    package var mode = ""
    /// The first name that the certificate has, and its end in seconds since 1970, UTC.
    package var certificateName = ""
    package var certificateExpires: UInt64 = 0
    /// `good`, `late` (to be renewed), `expired` or `early` (not valid yet); empty without one.
    package var certificateState = ""
    /// Why the files as they are now are not in use, but those before; empty when they are.
    package var problem = ""

    package init() {}
}

/// Bytes of blobs that came into the cache from one source.
package struct SourceBytes: Codable, Equatable, Sendable {
    /// `registry`, or the name of a peer.
    package var source = ""
    package var isPeer = false
    package var contentBytes: UInt64 = 0
    package var wireBytes: UInt64 = 0
    /// Of `contentBytes`, those of pieces that travelled compressed.
    package var compressedBytes: UInt64 = 0

    package init() {}
}

/// How full the cache is.
package struct CacheUsage: Codable, Equatable, Sendable {
    package var usedBytes: UInt64 = 0
    /// Those of them whose files are containerd's as well, and take no space of their own.
    package var sharedBytes: UInt64 = 0
    /// Promised to blobs that are still arriving.
    package var reservedBytes: UInt64 = 0
    package var quotaBytes: UInt64 = 0
    package var blobCount: UInt64 = 0
    package var evictions: UInt64 = 0
    /// The last failure of the disk, or empty.
    package var lastError = ""

    package init() {}
}

/// What the mirror answered to container runtimes.
package struct MirrorCounters: Codable, Equatable, Sendable {
    package var requests: UInt64 = 0
    package var manifestsServed: UInt64 = 0
    package var blobsServed: UInt64 = 0
    /// Requests that the runtime was sent to the registry with.
    package var declined: UInt64 = 0
    /// Answers that ended before their full length, so that the runtime continues at the registry.
    package var cutShort: UInt64 = 0
    package var bytesSent: UInt64 = 0
    package var connectionsOpen: UInt64 = 0
    /// Tags answered as last seen, because their registry could not be reached.
    package var staleTagsServed: UInt64 = 0

    package init() {}
}

/// One line of `hawker peers`.
package struct PeerStatus: Codable, Equatable, Sendable {
    /// Empty until the peer has said its name.
    package var name = ""
    package var address = ""
    /// Empty for none.
    package var zone = ""
    /// `connected`, `connecting`, `waiting` or `banned`.
    package var state = ""
    package var reason = ""
    /// Whether the connection is over TLS, and what certificate the peer showed: the first name that it has, and its
    /// end in seconds since 1970, UTC.
    package var encrypted = false
    package var certificateName = ""
    package var certificateExpires: UInt64 = 0
    /// The ways by which this node knows where it listens; none when it has only dialled this node.
    package var knownFrom: [String] = []
    package var receivedBytes: UInt64 = 0
    package var receivedWireBytes: UInt64 = 0
    package var sentBytes: UInt64 = 0
    package var sentWireBytes: UInt64 = 0

    package init() {}
}

/// One line of `hawker cache ls`.
package struct CachedBlob: Codable, Equatable, Sendable {
    /// As `sha256:…`.
    package var digest = ""
    package var bytes: UInt64 = 0
    package var pinned = false
    /// Seconds since 1970, UTC.
    package var lastUsedSeconds: UInt64 = 0
    /// Empty unless the blob is a manifest.
    package var mediaType = ""

    package init() {}
}

/// What became of one digest given to `hawker cache rm`.
package struct CacheRemoved: Codable, Equatable, Sendable {
    package var digest = ""
    /// False when the cache did not hold it.
    package var removed = false
    package var bytes: UInt64 = 0

    package init() {}
}

/// What `hawker reload` did. Keys are as in the settings, or `registry.KEY of HOST`.
package struct ReloadReport: Codable, Equatable, Sendable {
    package var file = ""
    package var applied: [String] = []
    /// Their new values wait for the daemon's next start.
    package var needRestart: [String] = []

    package init() {}
}

/// Why a call failed: one of gRPC's canonical codes and a sentence for a person.
package struct AdminFailure: Error, Equatable, Sendable {
    /// The canonical status codes of gRPC that this protocol uses (google.rpc.Code).
    package enum Code: UInt32, Sendable {
        case invalidArgument = 3
        case deadlineExceeded = 4
        case notFound = 5
        case permissionDenied = 7
        case failedPrecondition = 9
        case unimplemented = 12
        case `internal` = 13
        case unavailable = 14
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}
