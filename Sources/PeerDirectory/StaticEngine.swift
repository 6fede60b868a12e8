package import EventLoop
package import PieceModel

/// The endpoints of a list in the settings. Names in it are resolved at each dial.
@LoopActor
package final class StaticEngine: DiscoveryEngine {
    private let own: OwnEndpoint
    private var members = MemberTable(graceNanoseconds: 0)
    private var handlers: DiscoveryHandlers?
    private var told: [PeerEndpoint] = []

    package init(_ endpoints: [PeerEndpoint], own: OwnEndpoint) {
        self.own = own
        take(endpoints)
    }

    package var status: DiscoveryStatus {
        DiscoveryStatus(source: .static, subject: "", state: .working, endpoints: members.count)
    }

    package func start(_ handlers: DiscoveryHandlers) {
        self.handlers = handlers
        tell()
    }

    package func stop() async {
        handlers = nil
    }

    /// The settings were read again: this is the list now.
    package func replace(with endpoints: [PeerEndpoint]) {
        members = MemberTable(graceNanoseconds: 0)
        take(endpoints)
        tell()
    }

    private func take(_ endpoints: [PeerEndpoint]) {
        let own = own.matcher()
        members.heard(endpoints.filter { !own.isOwn($0) }, isComplete: true, now: 0)
    }

    private func tell() {
        Loop.enqueue { [weak self] in
            guard let self, let handlers, members.endpoints != told else { return }
            told = members.endpoints
            handlers.changed(told)
        }
    }
}
