package import EventLoop
package import OCIModel

/// Where the mirror gets what it serves; everything here happens on the loop.
///
/// A source that cannot help declines, at once if it can: containerd then asks the next host. It may take
/// its time otherwise, but after the mirror's deadline its answer is thrown away and the task it runs in
/// cancelled.
@LoopActor package protocol ImageSource: AnyObject {
    /// What `manifest` would answer, where that is known without waiting for anything; `nil` has it asked.
    func manifestAtOnce(_ query: ManifestQuery) -> ManifestAnswer?
    func manifest(_ query: ManifestQuery) async -> ManifestAnswer
    func blob(_ query: BlobQuery) async -> BlobAnswer
    func listing(_ query: ListingQuery) async -> ListingAnswer
    /// `nil` for a ticket that is not, or no longer, good.
    func file(_ ticket: FileTicket) async -> TicketedFile?
}

extension ImageSource {
    package func manifestAtOnce(_ query: ManifestQuery) -> ManifestAnswer? { nil }
}

/// A request for a manifest, with validated names.
package struct ManifestQuery: Hashable, Sendable {
    /// In canonical form: Docker Hub is always `docker.io`.
    package let registry: RegistryHost
    package let repository: RepositoryName
    package let reference: ManifestReference
    /// The answer needs a size, but its bytes will not be sent.
    package let isHead: Bool
    /// The values of `Accept`, printable ASCII, in order.
    package let accept: [String]
    /// What the caller proves its rights with; `nil` for an anonymous one.
    package let credential: Credential?

    package init(
        registry: RegistryHost,
        repository: RepositoryName,
        reference: ManifestReference,
        isHead: Bool,
        accept: [String],
        credential: Credential? = nil
    ) {
        self.registry = registry
        self.repository = repository
        self.reference = reference
        self.isHead = isHead
        self.accept = accept
        self.credential = credential
    }
}

/// A request for a blob, or a part of it, with validated names.
package struct BlobQuery: Hashable, Sendable {
    /// In canonical form: Docker Hub is always `docker.io`.
    package let registry: RegistryHost
    package let repository: RepositoryName
    package let digest: Digest
    /// Only the size is wanted.
    package let isHead: Bool
    /// What the caller proves its rights with; `nil` for an anonymous one.
    package let credential: Credential?

    package init(
        registry: RegistryHost,
        repository: RepositoryName,
        digest: Digest,
        isHead: Bool,
        credential: Credential? = nil
    ) {
        self.registry = registry
        self.repository = repository
        self.digest = digest
        self.isHead = isHead
        self.credential = credential
    }
}

/// A manifest in full, or none.
package enum ManifestAnswer: Sendable {
    /// `bytes` have been checked against `digest`, and there are `size` of them; to a HEAD they may be
    /// absent.
    case found(mediaType: MediaType, digest: Digest, bytes: [UInt8], size: Int64)
    /// The registry wants a token, or a better one: what it said goes to the caller.
    case challenged(BearerChallenge)
    /// The reason goes to the client, so it must hold no secret.
    case declined(reason: String)
}

/// A blob to be sent from its file, now or as it arrives, or none.
package enum BlobAnswer {
    case whole(any WholeBlob)
    /// The mirror calls `release()` once, also when it no longer wants the answer.
    case arriving(any ArrivingBlob)
    /// The registry wants a token, or a better one: what it said goes to the caller.
    case challenged(BearerChallenge)
    /// What was sent for it, a moment ago, does not have its digest.
    case wrong
    /// The reason goes to the client, so it must hold no secret.
    case declined(reason: String)
}

/// A complete, verified blob.
///
/// The mirror keeps it until its last byte is sent, and never closes the descriptor.
package protocol WholeBlob: AnyObject, Sendable {
    /// Open for reading as long as the object lives.
    var descriptor: Int32 { get }
    var bytes: Int64 { get }
    /// It lies in the container runtime's store, and not in the cache.
    var isRuntimes: Bool { get }
    /// The kernel took so many bytes of it, and takes no more; called once.
    func noteSent(_ bytes: Int64)
}

extension WholeBlob {
    package var isRuntimes: Bool { false }
    package func noteSent(_ bytes: Int64) {}
}

/// A blob of known size whose bytes become readable over time, not always from the front: as pieces are checked, and
/// the first ones as the registry sends them.
@LoopActor package protocol ArrivingBlob: AnyObject {
    var bytes: Int64 { get }
    /// Open for reading until `release()`.
    var descriptor: Int32 { get }
    /// The end of the run of readable bytes that contains or begins at `offset`; `offset` if there is none.
    func availableEnd(from offset: Int64) -> Int64
    /// Calls `then` exactly once, now or later, when `availableEnd(from: offset)` exceeds `offset` or when
    /// that will never be. At most one call is outstanding; after `release()` it need not come.
    func whenMore(than offset: Int64, _ then: @escaping @LoopActor (ArrivalState) -> Void)
    /// The mirror is done with the blob, whatever became of it.
    func release()
}

/// What became of the bytes waited for.
package enum ArrivalState: Equatable, Sendable {
    /// Bytes up to here may be sent.
    case available(end: Int64)
    case failed
    /// Bytes that were called available before turned out not to be the blob's.
    case wrong
}
