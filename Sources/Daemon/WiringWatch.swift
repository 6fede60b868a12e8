import EventLoop
import Logging
import OCIModel
import RuntimeConfig

/// Notices when a later edit of containerd's configuration, by a person or by another program of the node, breaks or
/// bypasses the way to the mirror. It writes nothing.
///
/// States: idle between two looks; looking, off the loop; stopped. Only one look runs at a time, and each change of
/// the answer is one line of the log.
@LoopActor
final class WiringWatch {
    /// `nil` until the first look is done.
    private(set) var wiring: Wiring?
    private let look: WiringLook
    private let logger: Logger
    private let timer = LoopTimer()
    private let everyMillis: UInt64
    private let config: String
    private var last: WiringLook.Answer?
    private var isLooking = false
    private var isStopped = false

    /// `nil` when the settings name no containerd to watch, or the mirror's address is none that containerd could ask.
    init?(_ settings: Settings, mirrorPort: UInt16, logger: Logger) {
        let address = SocketAddress(host: settings.mirrorListen.host, port: mirrorPort)
        guard let config = settings.containerdConfig, let mirror = Endpoint("http://\(address)") else { return nil }
        let hosts = settings.containerdRegistries ?? settings.registries.map(\.host.description)
        look = WiringLook(
            config: config, socket: settings.containerdSocket, registries: hosts.compactMap { RegistryTarget($0) },
            mirror: mirror)
        everyMillis = UInt64(clamping: settings.containerdCheckSeconds) * 1000
        self.config = config
        self.logger = logger
    }

    func start() {
        begin()
        timer.start(after: everyMillis, every: everyMillis) { [weak self] in self?.begin() }
    }

    func stop() {
        isStopped = true
        timer.stop()
    }

    private func begin() {
        guard !isLooking, !isStopped else { return }
        isLooking = true
        let (look, last) = (look, last)
        Loop.offload({ look.take(after: last) }, then: { [weak self] in self?.finish($0) })
    }

    private func finish(_ answer: WiringLook.Answer) {
        isLooking = false
        guard !isStopped else { return }
        last = answer
        let (before, now) = (wiring, answer.wiring)
        wiring = now
        guard before?.state != now.state || before?.reason != now.reason else { return }
        let metadata: Logger.Metadata = [
            "state": "\(now.state.rawValue)", "config": "\(config)", "reason": "\(now.reason)",
        ]
        if now.state == .routed {
            logger.info("containerd leads to the mirror", metadata: ["config": "\(config)"])
        } else {
            logger.warning("containerd does not lead to the mirror", metadata: metadata)
        }
    }
}
