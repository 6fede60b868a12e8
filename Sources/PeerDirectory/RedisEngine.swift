package import EventLoop
import PieceModel

/// Membership on Redis servers that the cluster already has: each node says on every one of them that it is there,
/// and takes for a member whoever any of them lists.
///
/// A server that is lost leaves what it listed last as it is; the others, or nobody, go on without it. The same servers
/// keep the grants.
@LoopActor
package final class RedisEngine: DiscoveryEngine {
    let options: RedisOptions
    private(set) var servers: [RedisServer] = []
    /// Called when a server comes or goes, and with it what it knows of grants. May not call back.
    package var registerChanged: (@LoopActor (_ isThere: Bool) -> Void)?
    private var keepers: [RedisAddress] = []
    private var handlers: DiscoveryHandlers?
    private var told: [PeerEndpoint] = []
    private var toldState = DiscoveryStatus.State.starting

    package init(_ options: RedisOptions, own: OwnEndpoint) {
        self.options = options
        servers = options.servers.map { address in
            RedisServer(address, options: options, own: own) { [weak self] in self?.look() }
        }
    }

    package var status: DiscoveryStatus {
        DiscoveryStatus(
            source: .redis, subject: options.servers.map(\.description).joined(separator: " "), state: state,
            endpoints: endpoints.count)
    }

    package func start(_ handlers: DiscoveryHandlers) {
        self.handlers = handlers
        for server in servers { server.start() }
    }

    package func stop() async {
        handlers = nil
        registerChanged?(false)
        registerChanged = nil
        for stopped in servers.map({ server in Loop.task { await server.stop() } }) { await stopped.value }
    }

    private var endpoints: [PeerEndpoint] {
        let all = Set(servers.flatMap(\.members.endpoints)).sorted()
        return Array(all.prefix(MemberTable.countMax))
    }

    /// Failing as soon as one server is: the operator should know before the last one is gone.
    private var state: DiscoveryStatus.State {
        let reasons = servers.compactMap { server -> String? in
            if case .failing(let reason) = server.state { "\(server.address) \(reason)" } else { nil }
        }
        if !reasons.isEmpty { return .failing(reasons.joined(separator: "; ")) }
        return servers.contains { $0.state == .starting } ? .starting : .working
    }

    private func look() {
        guard let handlers else { return }
        let working = servers.filter(\.isWorking).map(\.address)
        if working != keepers {
            keepers = working
            registerChanged?(!working.isEmpty)
        }
        let (endpoints, state) = (endpoints, state)
        if endpoints != told {
            told = endpoints
            handlers.changed(endpoints)
        }
        if state != toldState {
            toldState = state
            handlers.stateChanged(status)
        }
    }
}
