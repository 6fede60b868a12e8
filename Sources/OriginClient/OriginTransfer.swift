package import EventLoop
import HTTPTransfer
package import OCIModel

/// A range of a blob on its way from a registry.
@LoopActor
package final class OriginTransfer {
    fileprivate let scope = CancelScope()
    private var current: Transfer?
    private var isPaused = false

    /// Bytes already read from the connection (16 KiB at most) may still come.
    package func pause() {
        isPaused = true
        current?.pause()
    }

    package func resume() {
        isPaused = false
        current?.resume()
    }

    /// Ends it; no handler runs any more.
    package func cancel() {
        scope.cancel()
        current = nil
    }

    fileprivate func use(_ transfer: Transfer) {
        current = transfer
        if isPaused { transfer.pause() }
    }
}

extension OriginClient {
    /// Fetches a range of a blob.
    ///
    /// `onBytes` gets exactly its bytes, in order, each once, across retries and resumed connections; they
    /// are not checked against the digest. `onEnd` runs once unless the transfer was cancelled, and neither
    /// runs from inside this call.
    package func fetchBlob(
        endpoint: OriginEndpoint,
        repository: RepositoryName,
        digest: Digest,
        range: ByteRange,
        credential: Credential? = nil,
        onBytes: @escaping @LoopActor (UnsafeRawBufferPointer) -> Void,
        onEnd: @escaping @LoopActor (Result<Void, OriginError>) -> Void
    ) -> OriginTransfer {
        let call = OriginCall(
            endpoint: endpoint, repository: repository, method: .get, path: "blobs/\(digest)", credential: credential)
        return fetch(call, range, onBytes: onBytes, onEnd: onEnd)
    }

    /// The same for a file, by its path and query.
    package func fetchFile(
        endpoint: OriginEndpoint,
        target: String,
        range: ByteRange,
        credential: Credential? = nil,
        onBytes: @escaping @LoopActor (UnsafeRawBufferPointer) -> Void,
        onEnd: @escaping @LoopActor (Result<Void, OriginError>) -> Void
    ) -> OriginTransfer {
        let call = OriginCall(
            endpoint: endpoint, repository: nil, method: .get, path: target, credential: credential)
        return fetch(call, range, onBytes: onBytes, onEnd: onEnd)
    }

    private func fetch(
        _ call: OriginCall,
        _ range: ByteRange,
        onBytes: @escaping @LoopActor (UnsafeRawBufferPointer) -> Void,
        onEnd: @escaping @LoopActor (Result<Void, OriginError>) -> Void
    ) -> OriginTransfer {
        let transfer = OriginTransfer()
        let fetch = BlobFetch(client: self, content: call, transfer: transfer, onBytes: onBytes)
        Loop.task {
            let result = await fetch.run(range)
            if !transfer.scope.isCancelled { onEnd(result) }
        }
        return transfer
    }
}

/// Fetches a range in as many attempts as it takes; an attempt that made progress starts the count of retries
/// anew.
@LoopActor
private struct BlobFetch {
    let client: OriginClient
    /// The whole of it.
    let content: OriginCall
    let transfer: OriginTransfer
    let onBytes: @LoopActor (UnsafeRawBufferPointer) -> Void

    private var endpoint: OriginEndpoint { content.endpoint }

    /// Less is not taken for progress, or a registry that breaks off after a few bytes would be asked for
    /// ever.
    private static let progressBytesMin: Int64 = 1 << 20

    func run(_ range: ByteRange) async -> Result<Void, OriginError> {
        let slots = client.slots(for: endpoint)
        guard await slots.acquire(transfer.scope) else { return .failure(.cancelled) }
        defer { slots.release() }
        var rest = range
        var retry = 0
        while true {
            let sink = makeSink(rest)
            do throws(OriginError) {
                try client.checkQuiet(endpoint)
                try await client.attempt(call(rest), sink, transfer.scope)
                countSkipped(sink)
                return .success(())
            } catch {
                countSkipped(sink)
                if sink.next - rest.start >= Self.progressBytesMin { retry = 0 }
                // Everything arrived, and only the end of the response was missing.
                guard let left = ByteRange(start: sink.next, end: rest.end) else { return .success(()) }
                guard await client.waitForRetry(retry, after: error, endpoint, transfer.scope) else {
                    if !transfer.scope.isCancelled { client.count(endpoint) { $0.failures += 1 } }
                    return .failure(error)
                }
                rest = left
                retry += 1
            }
        }
    }

    private func call(_ range: ByteRange) -> OriginCall {
        content.asGet(adding: [("Range", "bytes=\(range)"), ("Accept-Encoding", "identity")])
    }

    private func makeSink(_ range: ByteRange) -> RangeSink {
        let (client, endpoint, transfer, onBytes) = (client, endpoint, transfer, onBytes)
        return RangeSink(
            range,
            onTransfer: { transfer.use($0) },
            onBytes: { bytes in
                client.count(endpoint) { $0.bytes += UInt64(bytes.count) }
                guard !transfer.scope.isCancelled else { return }
                onBytes(bytes)
            }
        )
    }

    private func countSkipped(_ sink: RangeSink) {
        client.count(endpoint) { $0.skippedBytes += UInt64(sink.skippedBytes) }
    }
}
