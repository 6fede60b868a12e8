import EventLoop
import OCIModel
import Pacing
import PeerTransport

/// The node's pacers, by what they bound.
@LoopActor
final class NodeLimits {
    let swarm: SwarmPacers
    /// Blobs of all registries.
    let origin: Pacer
    private let registries: [RegistryHost: Pacer]

    init(_ settings: Settings) {
        swarm = SwarmPacers(
            uploads: Pacer(bytesPerSecond: settings.limits.upload),
            arrivals: Pacer(bytesPerSecond: settings.limits.download))
        origin = Pacer(bytesPerSecond: settings.limits.origin)
        var registries: [RegistryHost: Pacer] = [:]
        for registry in settings.registries {
            registries[registry.host.canonical] = Pacer(bytesPerSecond: registry.rate)
        }
        self.registries = registries
    }

    /// Those that a blob of this registry has to pass, each of them.
    func origin(of registry: RegistryHost) -> [Pacer] {
        [origin] + (registries[registry.canonical].map { [$0] } ?? [])
    }

    /// What is under way obeys the new rates at once.
    func apply(_ settings: Settings) {
        swarm.uploads.setRate(settings.limits.upload)
        swarm.arrivals.setRate(settings.limits.download)
        origin.setRate(settings.limits.origin)
        for registry in settings.registries {
            registries[registry.host.canonical]?.setRate(registry.rate)
        }
    }

    /// Every pacer with the key that sets its rate.
    var all: [(key: String, pacer: Pacer)] {
        let named = registries.sorted { $0.key.description < $1.key.description }
        return [
            ("limits.upload", swarm.uploads), ("limits.download", swarm.arrivals), ("limits.origin", origin),
        ] + named.map { ("registry.rate of \($0.key)", $0.value) }
    }
}
