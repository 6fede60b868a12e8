import EventLoop
import Logging
import OCIModel
import OriginClient
import PeerTransport

/// Lets the swarm read blobs through the registry client.
@LoopActor
final class NodeOrigin: OriginFetching {
    private let client: OriginClient
    private let registries: RegistryTable
    private let logger: Logger

    init(client: OriginClient, registries: RegistryTable, logger: Logger) {
        self.client = client
        self.registries = registries
        self.logger = logger
    }

    func fetch(
        blob: Digest, range: ByteRange, source: OriginSource,
        onBytes: @escaping @LoopActor (UnsafeRawBufferPointer) -> Void,
        onEnd: @escaping @LoopActor (OriginFetchEnd) -> Void
    ) -> any OriginFetch {
        guard let host = RegistryHost(source.registry), let endpoint = registries.endpoint(for: host),
            let repository = RepositoryName(source.repository)
        else { return RefusedFetch(onEnd) }
        let transfer = client.fetchBlob(
            endpoint: endpoint, repository: repository, digest: blob, range: range, onBytes: onBytes
        ) { [logger] result in
            switch result {
            case .success: onEnd(.complete)
            case .failure(let error):
                NodeLog.registryFailed(error, host, logger)
                onEnd(error.mayPass ? .transient : .refused)
            }
        }
        return RunningFetch(transfer)
    }
}

extension OriginError {
    /// Whether the registry may give the blob a little later: it could not be reached, or was too busy.
    var mayPass: Bool {
        switch self {
        case .unreachable, .serverFailed, .rateLimited: true
        case .notFound, .denied, .untrusted, .badContent, .refused, .cancelled: false
        }
    }
}

@LoopActor
private final class RunningFetch: OriginFetch {
    private let transfer: OriginTransfer

    init(_ transfer: OriginTransfer) { self.transfer = transfer }

    func pause() { transfer.pause() }
    func resume() { transfer.resume() }
    func cancel() { transfer.cancel() }
}

/// A fetch from a registry that this node may not use.
@LoopActor
private final class RefusedFetch: OriginFetch {
    private var onEnd: (@LoopActor (OriginFetchEnd) -> Void)?

    init(_ onEnd: @escaping @LoopActor (OriginFetchEnd) -> Void) {
        self.onEnd = onEnd
        Loop.enqueue { self.end() }
    }

    func pause() {}
    func resume() {}
    func cancel() { onEnd = nil }

    private func end() {
        onEnd?(.refused)
        onEnd = nil
    }
}
