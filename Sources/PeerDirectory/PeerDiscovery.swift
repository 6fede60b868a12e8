package import EventLoop
package import PieceModel

/// All engines of a node together: any of them may know a peer.
@LoopActor
package final class PeerDiscovery {
    private let engines: [any DiscoveryEngine]
    private var found: [DiscoverySource: Set<PeerEndpoint>] = [:]
    private var told: [PeerEndpoint] = []

    package init(_ engines: [any DiscoveryEngine]) {
        self.engines = engines
    }

    /// An empty list in the settings is no way to find anybody.
    package var status: [DiscoveryStatus] {
        engines.map(\.status).filter { $0.source != .static || $0.endpoints > 0 }
    }

    /// The list in the settings is this one now.
    package func replaceStatic(with endpoints: [PeerEndpoint]) {
        for case let engine as StaticEngine in engines { engine.replace(with: endpoints) }
    }

    /// The engine that keeps grants as well, if there is one.
    package var register: RedisEngine? { engines.lazy.compactMap { $0 as? RedisEngine }.first }

    /// Which engines know an endpoint, in the order of their names.
    package func sources(of endpoint: PeerEndpoint) -> [DiscoverySource] {
        found.filter { $0.value.contains(endpoint) }.map(\.key).sorted()
    }

    /// `changed` gets the endpoints of all engines, each once, whenever they differ.
    package func start(_ handlers: DiscoveryHandlers) {
        for engine in engines {
            let source = engine.status.source
            let changed: @LoopActor ([PeerEndpoint]) -> Void = { [weak self] endpoints in
                self?.took(endpoints, from: source, handlers)
            }
            engine.start(DiscoveryHandlers(changed: changed, stateChanged: handlers.stateChanged))
        }
    }

    package func stop() async {
        for stopped in engines.map({ engine in Loop.task { await engine.stop() } }) { await stopped.value }
    }

    private func took(_ endpoints: [PeerEndpoint], from source: DiscoverySource, _ handlers: DiscoveryHandlers) {
        found[source] = Set(endpoints)
        let all = Set(found.values.joined()).sorted()
        guard all != told else { return }
        told = all
        handlers.changed(all)
    }
}
