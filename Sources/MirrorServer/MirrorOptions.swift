package import HTTPHead
package import OCIModel

/// How a mirror is reached, and what may be asked of it.
package struct MirrorOptions: Sendable {
    /// A literal address or `localhost`; also a name under which clients may address the server, unless it
    /// stands for all addresses.
    package var host = "127.0.0.1"
    /// 0 lets the kernel choose.
    package var port: UInt16 = 4001
    /// The registry of requests that name none; `nil` declines them.
    package var defaultRegistry: RegistryHost? = .dockerHub
    /// Whether a registry, in canonical form, may be asked for; called on the loop for every request.
    package var isAllowed: @Sendable (RegistryHost) -> Bool
    /// Whether a repository of a registry that may be asked for may be asked for as well.
    package var serves: @Sendable (RegistryHost, RepositoryName) -> Bool = { _, _ in true }
    package var limits = MirrorLimits()

    package init(isAllowed: @escaping @Sendable (RegistryHost) -> Bool) {
        self.isAllowed = isAllowed
    }
}

/// Bounds on what one client, and all clients, may take; times in milliseconds.
package struct MirrorLimits: Sendable {
    /// Connections beyond these are closed at once, which sends containerd to the next host.
    package var connectionsMax = 1024
    package var requestsPerConnectionMax = 1000
    /// From the first byte of a head, and from accepting to the first head.
    package var headMillis: UInt64 = 5_000
    /// Between requests of a connection.
    package var idleMillis: UInt64 = 60_000
    /// To the answer for a manifest or a list.
    package var manifestMillis: UInt64 = 5_000
    /// To the first byte of a blob.
    package var blobMillis: UInt64 = 10_000
    /// Without a byte taken by the client, or delivered by the source.
    package var stallMillis: UInt64 = 30_000
    /// The least average rate of a client, source waits not counted, after `stallMillis` of grace.
    ///
    /// An average, because socket buffers of several MiB make a steady slow reader look like one that naps.
    package var rateMinBytesPerSecond: Int64 = 16 << 10
    /// For the other side's end of a connection that this side has ended.
    package var lingerMillis: UInt64 = 2_000
    package var head = RequestHeadLimits()

    package init() {}
}

/// What the mirror has done since it was made; only `connections` goes down.
package struct MirrorCounters: Equatable, Sendable {
    /// Open now.
    package var connections = 0
    package var connectionsAccepted: UInt64 = 0
    /// Closed at once because too many were open.
    package var connectionsShed: UInt64 = 0
    package var requests: UInt64 = 0
    package var manifestsServed: UInt64 = 0
    /// Files by ticket included.
    package var blobsServed: UInt64 = 0
    /// Lists of tags and of referrers.
    package var listingsServed: UInt64 = 0
    /// Answered 404 because the source could not help or the registry is not served.
    package var declined: UInt64 = 0
    /// Answered 404 because the source did not answer in time.
    package var deadlinesMissed: UInt64 = 0
    /// Answered 400, 403, 405 or 416.
    package var refused: UInt64 = 0
    /// Ended short of the length promised.
    package var cutShort: UInt64 = 0
    /// Of all answers with content, handed to the kernel.
    package var bodyBytes: UInt64 = 0

    package init() {}
}

/// One finished request, for a log or a live view.
package struct MirrorRequest: Sendable {
    /// What was asked for.
    package enum Subject: Hashable, Sendable {
        case manifest(ManifestQuery)
        case blob(BlobQuery)
        case listing(ListingQuery)
        /// By a ticket.
        case file(Digest)
        /// The base of the API, or a request that was refused before it had a meaning.
        case other
    }

    package enum Holder: Hashable, Sendable {
        case cache
        /// The container runtime's own store.
        case runtime
    }

    /// How it ended.
    package enum Outcome: Equatable, Sendable {
        case served
        /// With the reason that the client was given.
        case declined(reason: String)
        case deadlineMissed
        case refused
        /// The source failed or stalled in the middle of a blob.
        case sourceFailed
        /// The client went away, took too little for too long, or was cut by the end of a drain.
        case clientLost
    }

    package let subject: Subject
    package let isHead: Bool
    package let status: Int
    package let outcome: Outcome
    /// Where on this node the blob was when it was asked for; `nil` for one that was not, and for everything else.
    package let wholeFrom: Holder?
    /// Of the body, handed to the kernel.
    package let bodyBytes: Int64
    package let nanoseconds: UInt64
}
