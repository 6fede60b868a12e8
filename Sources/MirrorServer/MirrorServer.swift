package import EventLoop

/// The OCI distribution pull API for the containerd of this node.
///
///     made --start()--> serving --stop()--> draining --> stopped --close()--> closed
///
/// Draining refuses new connections, closes idle ones, lets running responses end with `Connection: close`,
/// and cuts what is left when its time is up. On a socket that the service manager holds open, refusing is not
/// possible: connections would wait for the next process. There they are taken until the end, also when stopped, and
/// each request is declined at once.
@LoopActor package final class MirrorServer {
    private let options: MirrorOptions
    private let context: MirrorContext
    private var listener: Listener?
    private var connections: [ObjectIdentifier: MirrorConnection] = [:]
    private var isStopping = false
    var isDraining: Bool { context.isDraining }
    private let drainTimer = LoopTimer()
    private var drained: [CheckedContinuation<Void, Never>] = []

    /// `onRequest` is called on the loop after every request, and should be quick.
    package init(
        options: MirrorOptions,
        source: any ImageSource,
        onRequest: (@LoopActor (MirrorRequest) -> Void)? = nil
    ) {
        self.options = options
        context = MirrorContext(options: options, source: source, onRequest: onRequest)
    }

    /// Serves on `socket`, or binds first.
    ///
    /// Errors are those of the listening socket.
    package func start(on socket: HandedSocket? = nil) throws(LoopError) {
        precondition(listener == nil && !isStopping, "a mirror starts once")
        let listener =
            if let socket { try Listener.tcp(socket) } else { try Listener.tcp(host: options.host, port: options.port) }
        self.listener = listener
        listener.accept { [weak self] stream in self?.accept(stream) }
    }

    /// The port that is listened on; 0 before `start` and after `stop`.
    package var port: UInt16 { listener?.port ?? 0 }

    package var counters: MirrorCounters { context.counters }

    /// Returns when the last connection is closed, at the latest after about `drainMillis`.
    package func stop(drainMillis: UInt64) async {
        if !isStopping {
            isStopping = true
            if listener?.isHandedOver != true { closeListener() }
            context.isDraining = true
            for connection in connections.values { connection.drain() }
            drainTimer.start(after: drainMillis) { [weak self] in self?.cutAll() }
        }
        guard !connections.isEmpty else { return drainTimer.stop() }
        await withCheckedContinuation { drained.append($0) }
    }

    /// Right before the process ends: who comes after this waits for the next one.
    package func close() {
        closeListener()
        cutAll()
    }

    private func closeListener() {
        listener?.close()
        listener = nil
    }

    private func accept(_ stream: Stream) {
        guard connections.count < options.limits.connectionsMax else {
            context.counters.connectionsShed += 1
            return stream.close()
        }
        context.counters.connectionsAccepted += 1
        let connection = MirrorConnection(stream, context: context) { [weak self] in self?.closed($0) }
        connections[ObjectIdentifier(connection)] = connection
        context.counters.connections = connections.count
        connection.start()
    }

    private func closed(_ connection: MirrorConnection) {
        connections[ObjectIdentifier(connection)] = nil
        context.counters.connections = connections.count
        guard isStopping, connections.isEmpty else { return }
        drainTimer.stop()
        for continuation in drained { continuation.resume() }
        drained = []
    }

    private func cutAll() {
        for connection in connections.values { connection.close() }
    }
}

/// What all connections of one mirror share.
@LoopActor final class MirrorContext {
    let source: any ImageSource
    let router: RequestRouter
    let limits: MirrorLimits
    let onRequest: (@LoopActor (MirrorRequest) -> Void)?
    var counters = MirrorCounters()
    var date = HTTPDate()
    var isDraining = false

    init(
        options: MirrorOptions,
        source: any ImageSource,
        onRequest: (@LoopActor (MirrorRequest) -> Void)?
    ) {
        self.source = source
        self.onRequest = onRequest
        limits = options.limits
        router = RequestRouter(
            listenHost: options.host,
            defaultRegistry: options.defaultRegistry,
            isAllowed: options.isAllowed,
            serves: options.serves
        )
    }

    func record(_ request: MirrorRequest) {
        counters.requests += 1
        counters.bodyBytes += UInt64(clamping: request.bodyBytes)
        switch request.outcome {
        case .served:
            switch request.subject {
            case .manifest: counters.manifestsServed += 1
            case .blob, .file: counters.blobsServed += 1
            case .listing: counters.listingsServed += 1
            case .other: break
            }
        case .declined: counters.declined += 1
        case .deadlineMissed: counters.deadlinesMissed += 1
        case .refused: counters.refused += 1
        case .sourceFailed, .clientLost: counters.cutShort += 1
        }
        onRequest?(request)
    }
}
