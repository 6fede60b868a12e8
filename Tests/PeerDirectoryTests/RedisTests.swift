import EventLoop
import PieceModel
import TestSupport
import Testing

@testable import PeerDirectory

@Suite("membership on Redis", .serialized, .timeLimit(.minutes(1)))
@LoopActor
struct RedisTests {
    @Test("a node that says nothing any more is forgotten by the server and by the others")
    func silent() async throws {
        let server = try RedisProcess()
        let process = try await server.start()
        let address = try #require(PeerEndpoint(server.address))
        let connection = try await RedisConnection.open(address).get()
        try await heartbeat(connection, name: "ghost", endpoint: Endpoints.node(1), lifetimeMillis: 300)
        let engine = RedisHarness.engine("own", Endpoints.own(0), [server])
        let listener = Audience()
        engine.start(listener.handlers)
        try await listener.hears([Endpoints.node(1)])
        try await listener.hears([])
        await engine.stop()
        let left = try await connection.run(["ZCARD", RedisScripts.keys(cluster: "test")[0]]).get()
        #expect(left == .integer(0))
        try await process.kill()
    }

    @Test("a list longer than asked for is cut, says so, and begins where the caller chose")
    func longList() async throws {
        let server = try RedisProcess()
        let process = try await server.start()
        let address = try #require(PeerEndpoint(server.address))
        let connection = try await RedisConnection.open(address).get()
        for number in 1...10 {
            try await heartbeat(connection, name: "n\(number)", endpoint: Endpoints.node(number))
        }
        var seen: Set<String> = []
        for start in 0..<10 {
            let answer = try await heartbeat(
                connection, name: "n1", endpoint: Endpoints.node(1), most: 4, start: start)
            #expect(answer[1].integer == 10)
            #expect(answer.count >= 2 + 3 && answer.count <= 2 + 4)
            seen.formUnion(answer.dropFirst(2).compactMap(\.text))
        }
        #expect(seen.count == 9)
        #expect(!seen.contains(Endpoints.node(1).description))
        try await process.kill()
    }

    @Test("who knows the list is not sent it again")
    func known() async throws {
        let server = try RedisProcess()
        let process = try await server.start()
        let address = try #require(PeerEndpoint(server.address))
        let connection = try await RedisConnection.open(address).get()
        try await heartbeat(connection, name: "a", endpoint: Endpoints.node(1))
        let first = try await heartbeat(connection, name: "b", endpoint: Endpoints.node(2))
        #expect(first.dropFirst(2).compactMap(\.text) == [Endpoints.node(1).description])
        let version = try #require(first[0].integer)
        #expect(try await heartbeat(connection, name: "b", endpoint: Endpoints.node(2), version: version).count == 2)
        let moved = try await heartbeat(connection, name: "b", endpoint: Endpoints.node(3), version: version)
        #expect(moved.count == 3 && moved[0].integer == version + 1)
        try await process.kill()
    }

    @Test("clusters that share a server do not see each other")
    func clusters() async throws {
        let server = try RedisProcess()
        let process = try await server.start()
        let (blue, green) = (Audience(), Audience())
        let engines = [
            RedisHarness.engine("a", Endpoints.own(1), [server], cluster: "blue"),
            RedisHarness.engine("b", Endpoints.own(2), [server], cluster: "blue"),
            RedisHarness.engine("a", Endpoints.own(3), [server], cluster: "green"),
        ]
        engines[0].start(blue.handlers)
        engines[1].start(DiscoveryHandlers { _ in })
        engines[2].start(green.handlers)
        try await blue.hears([Endpoints.node(2)])
        try await eventually("green works") { engines[2].status.state == .working }
        #expect(green.told.isEmpty)
        for engine in engines { await engine.stop() }
        try await process.kill()
    }

    @Test("one server of two lost: members stay, and one that joins is seen through the other")
    func oneOfTwo() async throws {
        let servers = try [RedisProcess(), RedisProcess()]
        let processes = [try await servers[0].start(), try await servers[1].start()]
        let engines = (0...2).map { RedisHarness.engine("n\($0)", Endpoints.own($0), servers) }
        let listener = Audience()
        engines[0].start(listener.handlers)
        engines[1].start(DiscoveryHandlers { _ in })
        try await listener.hears([Endpoints.node(1)])
        try await processes[0].kill()
        engines[2].start(DiscoveryHandlers { _ in })
        try await listener.hears([Endpoints.node(1), Endpoints.node(2)])
        try await eventually("it says which one fails") {
            let state = "\(engines[0].status.state)"
            return state.contains(servers[0].address) && !state.contains(servers[1].address)
        }
        for engine in engines { await engine.stop() }
        try await processes[1].kill()
    }

    @Test("a user who may do no more than the documented rule says is enough; a wrong password is said, never shown")
    func access() async throws {
        let server = try RedisProcess(accessRules: "user default off\n\(RedisRights.documented)")
        let process = try await server.start()
        let folder = try TemporaryFolder("passwords")
        let right = try folder.write("right", "secret-word\n")
        let wrong = try folder.write("wrong", "other-secret\n")
        func engine(_ number: Int, _ user: String?, _ file: String?) -> RedisEngine {
            RedisHarness.engine("n\(number)", Endpoints.own(number), [server]) {
                $0.user = user
                $0.passwordFile = file
            }
        }
        let good = [engine(1, "hawker", right), engine(2, "hawker", right)]
        let listener = Audience()
        good[0].start(listener.handlers)
        good[1].start(DiscoveryHandlers { _ in })
        try await listener.hears([Endpoints.node(2)])
        for engine in good { await engine.stop() }

        let bad = [
            (engine(3, "hawker", wrong), "WRONGPASS"), (engine(4, nil, nil), "NOAUTH"),
            (engine(5, "hawker", folder.path("missing")), "cannot be read"),
        ]
        for (engine, reason) in bad {
            engine.start(DiscoveryHandlers { _ in })
            try await eventually("it says \(reason)") { "\(engine.status.state)".contains(reason) }
            #expect(!"\(engine.status)".contains("secret"))
            await engine.stop()
        }
        try await process.kill()
    }

    @discardableResult
    private func heartbeat(
        _ connection: RedisConnection, name: String, endpoint: PeerEndpoint, lifetimeMillis: Int = 60_000,
        most: Int = 1024, version: Int64 = -1, start: Int = 0
    ) async throws -> [RedisReply] {
        let keys = RedisScripts.keys(cluster: "test")
        let answer = try await connection.run(
            ["EVAL", RedisScripts.heartbeat, "\(keys.count)"] + keys + [
                name, endpoint.description, "\(lifetimeMillis)", "\(most)", "\(version)", "\(start)",
            ]
        ).get()
        guard case .array(let parts) = answer, parts.count >= 2 else { throw TestFailure("\(answer)") }
        return parts
    }
}

/// What the README says that a user needs.
enum RedisRights {
    static let documented =
        "user hawker on >secret-word ~{hawker:* -@all +ping +eval +time +zadd +zrem +zcard +zscore +zrange "
        + "+zrangebyscore +hget +hset +hdel +hlen +hmget +hgetall +hincrby +get +incr +pexpire"
}
