import EventLoop
import Glibc
import PieceModel
import TestSupport
import Testing

@testable import PeerDirectory

/// Every engine there is; the conformance suite runs once for each.
enum EngineKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case staticList, dnsHosts, dnsService, redis, twoRedis

    var testDescription: String { rawValue }
    /// Whether it asks somebody who may fail.
    var hasSource: Bool { self != .staticList }

    @LoopActor
    func harness() async throws -> any EngineHarness {
        switch self {
        case .staticList: StaticHarness()
        case .dnsHosts: try await DNSHarness(service: false)
        case .dnsService: try await DNSHarness(service: true)
        case .redis: try await RedisHarness(servers: 1)
        case .twoRedis: try await RedisHarness(servers: 2)
        }
    }
}

/// An engine with the real program that it asks.
@LoopActor
protocol EngineHarness: AnyObject, Sendable {
    var engine: any DiscoveryEngine { get }
    /// Makes the source name these endpoints and no others.
    func publish(_ endpoints: [PeerEndpoint]) async throws
    func breakDown() async throws
    func repair() async throws
    func end() async throws
}

/// What an engine told.
@LoopActor
final class Audience {
    private(set) var told: [[PeerEndpoint]] = []
    private(set) var states: [DiscoveryStatus.State] = []

    var handlers: DiscoveryHandlers {
        DiscoveryHandlers(changed: { self.told.append($0) }, stateChanged: { self.states.append($0.state) })
    }

    func hears(_ endpoints: [PeerEndpoint]) async throws {
        try await eventually("\(endpoints) are told") { told.last == endpoints }
    }
}

/// Ports and addresses of nodes that nobody dials in these tests.
enum Endpoints {
    static let port: UInt16 = 4000
    static let own = OwnEndpoint(advertised: node(0), listenHost: "127.0.0.9", listenPort: port)
    static let everyMillis: UInt64 = 100

    /// Of a node that listens on all addresses.
    static func own(_ number: Int) -> OwnEndpoint {
        OwnEndpoint(advertised: node(number), listenHost: "0.0.0.0", listenPort: port)
    }

    static func node(_ number: Int) -> PeerEndpoint {
        guard let endpoint = PeerEndpoint(host: "10.1.0.\(number)", port: port) else {
            preconditionFailure("a literal address")
        }
        return endpoint
    }
}

@LoopActor
final class StaticHarness: EngineHarness {
    let list = StaticEngine([], own: Endpoints.own)
    var engine: any DiscoveryEngine { list }

    func publish(_ endpoints: [PeerEndpoint]) async throws { list.replace(with: endpoints) }
    func breakDown() async throws {}
    func repair() async throws {}
    func end() async throws { await list.stop() }
}

@LoopActor
final class DNSHarness: EngineHarness {
    let engine: any DiscoveryEngine
    private let server: NameServer
    private let isService: Bool
    private var process: ChildProcess?

    init(service: Bool) async throws {
        isService = service
        server = try NameServer()
        var options = DNSOptions()
        options.server = PeerEndpoint(server.address)
        options.everyMillis = Endpoints.everyMillis
        let name = service ? "_hawker._tcp.nodes.test" : "nodes.test"
        guard let target = DNSTarget(name, defaultPort: Endpoints.port) else { throw TestFailure(name) }
        engine = DNSEngine(target, options: options, own: Endpoints.own)
        try await repair()
    }

    func publish(_ endpoints: [PeerEndpoint]) async throws {
        guard isService else {
            try server.publish(["nodes.test": endpoints.map(\.host)])
            process?.send(SIGHUP)
            return
        }
        let hosts = endpoints.enumerated().map { ("n\($0).test", $1) }
        try server.publish(Dictionary(uniqueKeysWithValues: hosts.map { ($0, [$1.host]) }))
        try server.publish(services: ["_hawker._tcp.nodes.test": hosts.map { ($0, $1.port) }])
        try await breakDown()
        try await repair()
    }

    func breakDown() async throws { try await process?.kill() }
    func repair() async throws { process = try await server.start() }

    func end() async throws {
        await engine.stop()
        try await process?.kill()
    }
}

/// The endpoints published are other nodes' engines on the same servers.
@LoopActor
final class RedisHarness: EngineHarness {
    let engine: any DiscoveryEngine
    private let servers: [RedisProcess]
    private var processes: [ChildProcess] = []
    private var others: [PeerEndpoint: RedisEngine] = [:]

    init(servers count: Int) async throws {
        servers = try (0..<count).map { _ in try RedisProcess() }
        engine = Self.engine("own", Endpoints.own, servers)
        try await repair()
    }

    static func engine(
        _ name: String, _ own: OwnEndpoint, _ servers: [RedisProcess], cluster: String = "test",
        change: (inout RedisOptions) -> Void = { _ in }
    ) -> RedisEngine {
        guard let node = PeerName(name) else { preconditionFailure(name) }
        var options = RedisOptions(
            servers: servers.compactMap { RedisAddress($0.address) }, cluster: cluster, node: node)
        options.everyMillis = Endpoints.everyMillis
        options.retryMillisMin = 50
        options.retryMillisMax = 200
        change(&options)
        return RedisEngine(options, own: own)
    }

    func publish(_ endpoints: [PeerEndpoint]) async throws {
        for (endpoint, other) in others where !endpoints.contains(endpoint) {
            await other.stop()
            others[endpoint] = nil
        }
        for endpoint in endpoints where others[endpoint] == nil && endpoint != Endpoints.node(0) {
            let own = OwnEndpoint(advertised: endpoint, listenHost: "0.0.0.0", listenPort: endpoint.port)
            let other = Self.engine("n-\(endpoint.host)", own, servers)
            other.start(DiscoveryHandlers { _ in })
            others[endpoint] = other
        }
    }

    func breakDown() async throws {
        for process in processes { try await process.kill() }
    }

    func repair() async throws {
        processes = []
        for server in servers { processes.append(try await server.start()) }
    }

    func end() async throws {
        for other in others.values { await other.stop() }
        await engine.stop()
        try await breakDown()
    }
}
