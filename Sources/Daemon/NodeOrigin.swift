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
    private let limits: NodeLimits
    private let logger: Logger

    init(client: OriginClient, registries: RegistryTable, limits: NodeLimits, logger: Logger) {
        self.client = client
        self.registries = registries
        self.limits = limits
        self.logger = logger
    }

    func fetch(
        blob: Digest, range: ByteRange, source: OriginSource,
        onBytes: @escaping @LoopActor (UnsafeRawBufferPointer) -> Void,
        onEnd: @escaping @LoopActor (OriginFetchEnd) -> Void
    ) -> any OriginFetch {
        guard let host = RegistryHost(source.registry), let endpoint = registries.endpoint(for: host) else {
            return RefusedFetch(onEnd)
        }
        let fetch = PacedFetch(limits.origin(of: host))
        let take: @LoopActor (UnsafeRawBufferPointer) -> Void = { [weak fetch] bytes in
            fetch?.count(bytes.count)
            onBytes(bytes)
        }
        let end: @LoopActor (Result<Void, OriginError>) -> Void = { [logger] result in
            switch result {
            case .success: onEnd(.complete)
            case .failure(let error):
                NodeLog.registryFailed(error, host, logger)
                onEnd(error.mayPass ? .transient : .refused)
            }
        }
        let transfer: OriginTransfer
        if let target = source.target {
            transfer = client.fetchFile(
                endpoint: endpoint, target: target, range: range, credential: source.credential, onBytes: take,
                onEnd: end)
        } else if let repository = RepositoryName(source.repository) {
            transfer = client.fetchBlob(
                endpoint: endpoint, repository: repository, digest: blob, range: range,
                credential: source.credential, onBytes: take, onEnd: end)
        } else {
            return RefusedFetch(onEnd)
        }
        fetch.begin(transfer)
        return fetch
    }
}

extension OriginError {
    var isUnreachable: Bool {
        if case .unreachable = self { true } else { false }
    }

    /// Whether the registry may give the blob a little later: it could not be reached, or was too busy.
    var mayPass: Bool {
        switch self {
        case .unreachable, .serverFailed, .rateLimited, .linkRefused: true
        case .notFound, .denied, .untrusted, .badContent, .refused, .cancelled: false
        }
    }
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
