package import EventLoop
package import OCIModel

/// Where in the outside world a blob may be read from.
package struct OriginSource: Hashable, Sendable {
    /// The registry as the origin client knows it.
    package var registry: String
    package var repository: String
    /// Path and query of a file that is read instead of a repository's blob; `nil` for a blob.
    package var target: String?
    /// Of a caller that the registry lets have the blob; `nil` when it lets anybody.
    package var credential: Credential?

    package init(registry: String, repository: String, credential: Credential? = nil) {
        self.registry = registry
        self.repository = repository
        self.credential = credential
    }

    /// A file at the registry's own address.
    package init(registry: String, target: String, credential: Credential? = nil) {
        self.init(registry: registry, repository: "", credential: credential)
        self.target = target
    }
}

/// How a read from the registry ended.
package enum OriginFetchEnd: Equatable, Sendable {
    /// All bytes of the range were handed over.
    case complete
    /// Could not be reached or broke off: worth another try after a pause.
    case transient
    /// The registry says no, or sent what cannot be this blob.
    case refused
}

/// Reads blobs from registries on behalf of the swarm.
@LoopActor
package protocol OriginFetching: AnyObject {
    /// Reads one range of a blob: `onBytes` gets all of it in order, then `onEnd` is called once. Neither is
    /// called inside this call, nor after `cancel`. The bytes handed to `onBytes` are valid during that call
    /// only.
    ///
    /// It has to end by itself when the registry stalls: the swarm waits for `onEnd`.
    func fetch(
        blob: Digest,
        range: ByteRange,
        source: OriginSource,
        onBytes: @escaping @LoopActor (UnsafeRawBufferPointer) -> Void,
        onEnd: @escaping @LoopActor (OriginFetchEnd) -> Void
    ) -> any OriginFetch
}

/// A read that is running.
@LoopActor
package protocol OriginFetch: AnyObject {
    /// Stops the bytes soon; those already on their way may still come.
    func pause()
    func resume()
    /// Ends it without `onEnd`. Does nothing after the end.
    func cancel()
}
