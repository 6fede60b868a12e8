package import EventLoop
package import PieceModel

/// Asks name servers again and again who is there: a headless Service, or any name that lists the nodes.
///
///     waiting --timer--> asking --> waiting
///
/// While a Service's pods come and go its name may have no record for a moment, and its server may be down: see
/// `MemberTable` for what that takes away.
@LoopActor
package final class DNSEngine: DiscoveryEngine {
    private let target: DNSTarget
    private let options: DNSOptions
    private let own: OwnEndpoint
    private var members: MemberTable
    private var state = DiscoveryStatus.State.starting
    private var handlers: DiscoveryHandlers?
    private let timer = LoopTimer()
    private var resolver: Resolver?
    private var random = SystemRandomNumberGenerator()

    /// A whole round, however many names it asks for.
    private static let roundMillis: UInt64 = 15_000
    /// Names of one SRV answer that are asked for at a time.
    private static let targetsAtOnce = 16
    /// Until the first good answer, the pause between rounds is at most this: a node should not wait long for peers.
    private static let firstPauseMillis: UInt64 = 1_000
    /// Rounds that have to lack an endpoint before it is forgotten.
    private static let graceRounds: UInt64 = 3

    package init(_ target: DNSTarget, options: DNSOptions, own: OwnEndpoint) {
        self.target = target
        self.options = options
        self.own = own
        members = MemberTable(graceNanoseconds: options.everyMillis &* 1_000_000 &* Self.graceRounds)
    }

    package var status: DiscoveryStatus {
        DiscoveryStatus(source: .dns, subject: "\(target)", state: state, endpoints: members.count)
    }

    package func start(_ handlers: DiscoveryHandlers) {
        self.handlers = handlers
        begin()
    }

    package func stop() async {
        handlers = nil
        timer.stop()
        resolver?.close()
        resolver = nil
    }

    private func begin() {
        Loop.task {
            let round = await self.ask()
            self.took(round)
        }
    }

    private func took(_ round: Round) {
        guard let handlers else { return }
        let (before, stateBefore) = (members.endpoints, state)
        let now = Loop.nowNanoseconds
        let own = own.matcher()
        let found = round.endpoints.filter { !own.isOwn($0) }
        if !found.isEmpty || round.failure == nil {
            members.heard(found, isComplete: round.failure == nil, now: now)
        }
        state = round.failure.map { .failing($0) } ?? .working
        if members.endpoints != before { handlers.changed(members.endpoints) }
        if state != stateBefore { handlers.stateChanged(status) }
        var pause = options.everyMillis
        if members.count == 0 { pause = min(pause, Self.firstPauseMillis) }
        timer.start(after: Backoff.jittered(pause, using: &random)) { [weak self] in self?.begin() }
    }

    // MARK: One round

    private struct Round {
        var endpoints: [PeerEndpoint] = []
        /// Why the list may lack some.
        var failure: String?
    }

    private func ask() async -> Round {
        let resolver: Resolver
        switch await Resolver.open(server: options.server) {
        case .failure(let error): return Round(failure: error.reason)
        case .success(let opened): resolver = opened
        }
        guard handlers != nil else {
            resolver.close()
            return Round()
        }
        self.resolver = resolver
        let limit = LoopTimer()
        limit.start(after: Self.roundMillis) { resolver.close() }
        let round: Round
        switch target {
        case .hosts(let name, let port): round = await Self.hosts(name, port, resolver)
        case .service(let name): round = await Self.service(name, resolver)
        }
        limit.stop()
        resolver.close()
        self.resolver = nil
        return round
    }

    private static func hosts(_ name: String, _ port: UInt16, _ resolver: Resolver) async -> Round {
        switch await resolver.addresses(of: name) {
        case .records(let found): Round(endpoints: found.compactMap { PeerEndpoint(host: $0, port: port) })
        case .none: Round()
        case .failed(let reason): Round(failure: reason)
        }
    }

    private static func service(_ name: String, _ resolver: Resolver) async -> Round {
        var round = Round()
        switch await resolver.services(of: name) {
        case .none: break
        case .failed(let reason): round.failure = reason
        case .records(let records):
            var left = Set(records)[...]
            while !left.isEmpty {
                let batch = left.prefix(targetsAtOnce)
                left = left.dropFirst(targetsAtOnce)
                let parts = batch.map { record in
                    // Targets are whole names: no search domain is to be tried.
                    let name = record.host.hasSuffix(".") ? record.host : record.host + "."
                    return Loop.task { await hosts(name, record.port, resolver) }
                }
                for part in parts {
                    let found = await part.value
                    round.endpoints += found.endpoints
                    round.failure = round.failure ?? found.failure
                }
            }
        }
        return round
    }
}

/// How the name servers are asked.
package struct DNSOptions: Sendable {
    /// A literal address; `nil` means the servers of /etc/resolv.conf.
    package var server: PeerEndpoint?
    /// Between rounds, at most; half of it at least.
    package var everyMillis: UInt64 = 10_000

    package init() {}
}
