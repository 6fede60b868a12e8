import AdminAPI
import ContentStore
package import EventLoop
import Glibc
import Hashing
import Logging
import MirrorServer
import OCIModel
import OriginClient
import PeerDirectory
import PeerTransport
import PieceModel
import StatusServer
import Telemetry

/// Why a node did not start; what had been started is stopped again.
package enum NodeError: Error, CustomStringConvertible {
    /// The cache folder cannot be used.
    case cache(String)
    /// An address or socket cannot be listened on.
    case listen(String)
    /// Files that the settings name are no good.
    case configuration(String)

    package var description: String {
        switch self {
        case .cache(let sentence), .listen(let sentence), .configuration(let sentence): sentence
        }
    }
}

/// One running node: the composition root.
///
/// Starts in the order cache, peers, mirror, admin socket: each needs only those before it, and the mirror listens
/// only when it can answer. Stops in the order mirror, peers, admin socket, cache: containerd is sent away first.
@LoopActor
package final class Node {
    /// Running answers and uploads get this long to finish after the listeners have closed.
    package static let drainMillis: UInt64 = 30_000

    private(set) var settings: Settings
    /// Where the settings came from, and the file's content as it is in force.
    var file: (path: String?, content: SettingsFile)?
    let limits: NodeLimits
    let version: String
    let startedNanoseconds = Loop.nowNanoseconds
    let store: ContentStore
    let swarm: Swarm
    let mirror: MirrorServer
    private(set) var draining = false
    let origin: OriginClient
    let images: NodeImages
    private(set) var wiring: WiringWatch?
    private(set) var runtimeStore: RuntimeStoreWatch?
    /// `nil` over plaintext.
    let certificate: NodeCertificate?
    private(set) var discovery = PeerDiscovery([])
    private var admin: AdminServer?
    private(set) var statusServer: StatusServer?
    let counters: NodeCounters
    let manager: ServiceManager
    let logger: Logger

    /// The port the mirror listens on: the settings' own, or what the kernel chose for 0.
    package var mirrorPort: UInt16 { mirror.port }
    /// The port for peers; 0 without one.
    package var peerPort: UInt16 { swarm.port }

    /// Starts everything, or throws what stands in the way. The mirror serves on the socket that `manager` hands over.
    package init(
        _ settings: Settings, version: String, manager: ServiceManager = ServiceManager()
    ) async throws(NodeError) {
        let logger = Logger(label: "node")
        let certificate = try await NodeCertificate.load(settings, logger: Logger(label: "peers"))
        let store = try await Self.openStore(settings)
        let registries = RegistryTable(settings)
        let origin = OriginClient(userAgent: "hawker/\(version)")
        let limits = NodeLimits(settings)
        let counters = NodeCounters(settings)
        let files = TicketedFiles()
        let swarmLog = NodeLog.swarm(Logger(label: "peers"))
        let swarm = Swarm(
            store: store, options: Self.swarmOptions(settings, certificate),
            origin: NodeOrigin(
                client: origin, registries: registries, limits: limits, logger: Logger(label: "mirror")),
            pacers: limits.swarm,
            observer: { event in
                swarmLog(event)
                counters.note(event)
                if case .downloadFailed(let digest, .wrongContent) = event { files.noteWrong(digest) }
            },
            mayOffer: { registries.mayOffer($0, of: store) })
        let images = NodeImages(
            store: store, origin: origin, swarm: swarm, registries: registries,
            settings: settings, counters: counters, files: files, logger: Logger(label: "mirror"))
        self.images = images
        self.settings = settings
        self.certificate = certificate
        self.limits = limits
        self.counters = counters
        self.version = version
        self.manager = manager
        self.logger = logger
        self.store = store
        self.origin = origin
        self.swarm = swarm
        var options = MirrorOptions { registries.isNamed($0) }
        options.serves = { registries.serves($1, of: $0) }
        options.host = settings.mirrorListen.host
        options.port = settings.mirrorListen.port
        options.defaultRegistry = settings.defaultRegistry
        options.limits.connectionsMax = settings.limits.mirrorConnections
        let requestLog = NodeLog.request(Logger(label: "mirror"))
        mirror = MirrorServer(options: options, source: images) { request in
            requestLog(request)
            counters.note(request)
        }
        try await listen()
        startDiscovery()
        certificate?.start { [weak self] in self?.swarm.trust($0) }
        wiring = WiringWatch(settings, mirrorPort: mirror.port, logger: Logger(label: "containerd"))
        wiring?.start()
        runtimeStore = RuntimeStoreWatch(settings, store: store, swarm: swarm, logger: Logger(label: "containerd"))
        runtimeStore?.start()
        statusServer = startStatusPort()
        logStart()
    }

    /// Finishes what runs, for at most `drainMillis` in all, and stops.
    package func stop(drainMillis: UInt64 = Node.drainMillis) async {
        draining = true
        logger.info("draining")
        await manager.stopping("finishing what runs")
        wiring?.stop()
        runtimeStore?.stop()
        certificate?.stop()
        let began = Loop.nowNanoseconds
        await discovery.stop()
        await mirror.stop(drainMillis: drainMillis)
        await images.settled()
        let spent = (Loop.nowNanoseconds - began) / 1_000_000
        await swarm.stop(drainMillis: spent < drainMillis ? drainMillis - spent : 0)
        origin.close()
        admin?.close()
        let store = store
        await Loop.offload { store.close() }
        statusServer?.close()
        mirror.close()
        logger.info("stopped")
    }

    private func listen() async throws(NodeError) {
        let handed = manager.sockets.first
        if let handed, !settings.mirrorListen.isSame(as: handed.host, handed.port) {
            await closeAll()
            throw .listen(
                "the service manager hands over \(SocketAddress(host: handed.host, port: handed.port)), but mirror.listen is"
                    + " \(settings.mirrorListen): let hawker.socket name the same, or systemctl disable --now hawker.socket")
        }
        var address = settings.peersListen?.description ?? ""
        do throws(LoopError) {
            try swarm.start()
            address = settings.mirrorListen.description
            try mirror.start(on: handed)
            address = settings.adminSocket
            admin = try AdminServer(socket: settings.adminSocket, service: NodeAdmin(node: self))
        } catch {
            await closeAll()
            throw .listen("cannot listen on \(address): \(Self.advice(error))")
        }
    }

    private func closeAll() async {
        mirror.close()
        await swarm.stop(drainMillis: 0)
        let store = store
        await Loop.offload { store.close() }
    }

    /// One line for the service manager.
    var serving: String { "mirror on \(settings.mirrorListen.host):\(mirror.port)" }

    /// New values of the keys that can change while it runs.
    func take(_ new: Settings) {
        settings = new
        limits.apply(new)
        discovery.replaceStatic(with: new.staticPeers)
        Log.set(level: new.logLevel, format: new.logFormat)
    }

    private func startDiscovery() {
        let logger = Logger(label: "peers")
        discovery = NodeDiscovery.make(settings, peerPort: swarm.port)
        NodeDiscovery.join(discovery, to: swarm)
        let dial: @LoopActor ([PeerEndpoint]) -> Void = { [weak self] in self?.swarm.dialOnly($0) }
        discovery.start(
            DiscoveryHandlers(changed: dial, stateChanged: { NodeDiscovery.log($0, logger) }))
    }

    private static func advice(_ error: LoopError) -> String {
        switch error.code {
        case .addressInUse: "it is in use; is another hawker running?"
        case .permissionDenied: "permission denied"
        default: "\(error)"
        }
    }

    private static func openStore(_ settings: Settings) async throws(NodeError) -> ContentStore {
        let options = ContentStore.Options(
            path: settings.cachePath, quotaBytes: settings.quotaBytes, freeFloorBytes: settings.freeFloorBytes)
        let opened = await Loop.offload { () -> Result<ContentStore, StoreError> in
            Result { () throws(StoreError) in try ContentStore.open(options) }
        }
        switch opened {
        case .success(let store): return store
        case .failure(let error): throw .cache("\(error)")
        }
    }

    private static func swarmOptions(_ settings: Settings, _ certificate: NodeCertificate?) -> SwarmOptions {
        var options = SwarmOptions(name: settings.nodeName)
        options.trust = certificate?.context
        for range in settings.trust.allowed {
            options.allowed.allow(range.addresses, port: range.port ?? settings.peersListen?.port ?? 0)
        }
        options.cluster = settings.cluster
        options.zone = settings.zone
        options.registries = settings.registries.map(\.host.canonical.description)
        options.listenHost = settings.peersListen?.host
        options.listenPort = settings.peersListen?.port ?? 0
        options.compression = settings.compression
        options.connectionsMax = settings.limits.peerConnections
        options.originBytesMax = settings.limits.buffers
        options.trafficClass = settings.limits.trafficClass
        return options
    }
}

extension Node {
    /// Runs a node until SIGTERM or SIGINT, then drains it. A second signal ends the process at once. SIGHUP reads
    /// the settings again, from `path`, where `file` was read from.
    package static func runUntilSignal(
        _ file: SettingsFile, path: String?, version: String
    ) async throws(NodeError) {
        ProcessMemory.returnLargeBlocks()
        HashLibrary.keepToTheEnd()
        // Swift's handler prints where each thread is and lets the process go on; a watchdog's SIGABRT must end it.
        signal(SIGABRT, SIG_DFL)
        let node = try await Node(file.settings, version: version)
        node.file = (path, file)
        let reloads = SignalWatcher(SIGHUP) { [weak node] in
            // What a file with a mistake does is in the log.
            Loop.task { _ = try? await node?.reload() }
        }
        defer { reloads.close() }
        let signals = Signals()
        await node.manager.ready(node.serving)
        await signals.first()
        await node.stop()
    }

    /// SIGTERM and SIGINT: the first is waited for, the next ends the process with the shell's status for it.
    @LoopActor
    private final class Signals {
        private var watchers: [SignalWatcher] = []
        private var waiting: CheckedContinuation<Void, Never>?
        private var seen = false

        init() {
            watchers = [SIGTERM, SIGINT].map { signal in
                SignalWatcher(signal) { [weak self] in self?.came(signal) }
            }
        }

        func first() async {
            if seen { return }
            await withCheckedContinuation { waiting = $0 }
        }

        private func came(_ signal: Int32) {
            guard !seen else { _exit(128 + signal) }
            seen = true
            waiting?.resume()
            waiting = nil
        }
    }
}
