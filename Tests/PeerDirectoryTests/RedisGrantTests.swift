import EventLoop
import PieceModel
import TestSupport
import Testing

@testable import PeerDirectory
@testable import PieceExchange

@Suite("grants on Redis", .serialized, .timeLimit(.minutes(2)))
@LoopActor
struct RedisGrantTests {
    private func isGranted(_ answer: GrantAnswer?) -> Bool {
        if case .granted = answer { true } else { false }
    }

    @Test("clusters that share a server are kept apart")
    func clusters() async throws {
        let harness = try await RegisterHarness(.oneRedis)
        let (blue, green) = try await (harness.asker("a", cluster: "blue"), harness.asker("a", cluster: "green"))
        let subject = try GrantSubject()
        await blue.tell(subject.read(4, of: 0..<4, isOver: true))
        #expect(!isGranted(await blue.ask(subject.wants([0..<4]))))
        #expect(isGranted(await green.ask(subject.wants([0..<4]))))
        try await harness.end()
    }

    @Test("each blob is on one of several servers, for all nodes the same; those of a lost one are kept by the others")
    func shards() async throws {
        let harness = try await RegisterHarness(.threeRedis)
        let (a, b) = try await (harness.asker("a"), harness.asker("b"))
        let subjects = try (1...30 as ClosedRange<UInt64>).map { try GrantSubject($0) }
        for subject in subjects {
            #expect(isGranted(await a.ask(subject.wants([0..<1]))))
            #expect(!isGranted(await b.ask(subject.wants([0..<1]))), "both are granted the same piece")
        }
        var counts: [Int] = []
        for server in harness.servers { counts.append(try await grantKeys(of: server)) }
        #expect(counts.reduce(0, +) == subjects.count && counts.allSatisfy { $0 > 0 }, "\(counts)")

        try await harness.processes[0].kill()
        try await eventually("both see that it is gone") {
            harness.engines.values.allSatisfy { engine in engine.servers.filter(\.isWorking).count == 2 }
        }
        for subject in subjects {
            _ = await a.ask(subject.wants([1..<2]))
            #expect(!isGranted(await b.ask(subject.wants([1..<2]))))
        }
        try await harness.end()
    }

    @Test("a server's end is noticed at once and said; while none answers nobody waits; the next start is said as well")
    func gone() async throws {
        let harness = try await RegisterHarness(.oneRedis)
        let a = try await harness.asker("a")
        let engine = try #require(harness.engines.values.first)
        var told: [Bool] = []
        engine.registerChanged = { told.append($0) }
        try await harness.processes[0].kill()
        try await eventually("it is said") { told == [false] }
        let subject = try GrantSubject()
        #expect(await a.ask(subject.wants([0..<4])) == nil)
        await a.tell(subject.read(0, of: 0..<4))
        harness.processes = [try await harness.servers[0].start()]
        try await eventually("it is said again") { told == [false, true] }
        #expect(isGranted(await a.ask(subject.wants([0..<4]))))
        try await harness.end()
    }

    @Test("who took a blob is told to those that take it later: some of the last ones, and nobody of another blob")
    func holders() async throws {
        let harness = try await RegisterHarness(.threeRedis)
        let (a, b) = try await (harness.engine("a"), harness.engine("b"))
        let blobs = try (1...9 as ClosedRange<UInt64>).map { try GrantSubject($0).blob }
        for blob in blobs {
            #expect(await a.holders(of: blob) == [])
            #expect(await b.holders(of: blob).map(\.text) == ["a"])
            #expect(await a.holders(of: blob).map(\.text) == ["b"])
        }
        try await harness.end()
    }

    @Test("of many that took a blob the newest are remembered, and each asker is told another part of them, for a day")
    func manyHolders() async throws {
        let harness = try await RegisterHarness(.oneRedis)
        let connection = try await open(harness.servers[0])
        let key = RedisScripts.holdersKey(cluster: "test", try GrantSubject().blob)
        func take(_ name: String, lasting millis: Int = 86_400_000, from start: Int = 0) async throws -> [String] {
            let words = ["EVAL", RedisScripts.holders, "1", key, name, "\(millis)", "\(start)"]
            guard case .array(let names) = try await connection.run(words).get() else { throw TestFailure("no list") }
            return names.compactMap(\.text)
        }
        for number in 0..<100 { _ = try await take("n\(number)") }
        #expect(try await connection.run(["ZCARD", key]).get() == .integer(64))
        var seen: Set<String> = []
        for start in stride(from: 0, to: 64, by: 8) {
            let names = try await take("n99", from: start)
            #expect(names.count == 16 && Set(names).count == 16)
            seen.formUnion(names)
        }
        #expect(seen == Set((36..<99).map { "n\($0)" }))
        let left = try await connection.run(["PTTL", key]).get().integer ?? 0
        #expect(left > 86_000_000 && left <= 86_400_000)
        try await Task.sleep(for: .milliseconds(20))
        #expect(try await take("late", lasting: 10).isEmpty, "the others are too long ago")
        connection.close()
        try await harness.end()
    }

    @Test("all that is said of a blob is forgotten by the server when nobody says anything any more")
    func expiry() async throws {
        let harness = try await RegisterHarness(.oneRedis)
        let a = try await harness.asker("a")
        let subject = try GrantSubject()
        let granted = await a.ask(subject.wants([0..<4]))
        #expect(isGranted(granted))
        await a.tell(subject.read(4, of: 0..<4, isOver: true))
        let connection = try await open(harness.servers[0])
        let keys = RedisScripts.keys(cluster: "test", subject.blob, bytes: subject.layout.blobBytes)
        for key in keys {
            let left = try await connection.run(["PTTL", key]).get().integer ?? 0
            #expect(left > 0 && left <= 120_000, "\(key): \(left)")
        }
        connection.close()
        try await harness.end()
    }

    @Test("a user without the right to it keeps the membership, is told why there are no grants, and waits for nothing")
    func forbidden() async throws {
        let rule =
            "user hawker on >secret-word ~{hawker:* -@all +ping +eval +time +zadd +zrem +zcard +zrange +zrangebyscore "
            + "+hget +hset +hdel +hmget +get +incr +pexpire"
        let server = try RedisProcess(accessRules: "user default off\n\(rule)")
        let process = try await server.start()
        let folder = try TemporaryFolder("passwords")
        let password = try folder.write("password", "secret-word\n")
        let own = OwnEndpoint(advertised: Endpoints.node(1), listenHost: "0.0.0.0", listenPort: 1)
        let engine = RedisHarness.engine("a", own, [server]) {
            $0.user = "hawker"
            $0.passwordFile = password
        }
        engine.start(DiscoveryHandlers { _ in })
        try await eventually("it is there") { engine.status.state == .working }
        #expect(await engine.ask(try GrantSubject().wants([0..<4])) == nil)
        #expect("\(engine.status.state)".contains("keeps no grants"), "\(engine.status.state)")
        await engine.stop()
        try await process.kill()
    }

    private func open(_ server: RedisProcess) async throws -> RedisConnection {
        try await RedisConnection.open(try #require(PeerEndpoint(server.address))).get()
    }

    private func grantKeys(of server: RedisProcess) async throws -> Int {
        let connection = try await open(server)
        defer { connection.close() }
        guard case .array(let keys) = try await connection.run(["KEYS", "*:grants"]).get() else { return 0 }
        return keys.count
    }
}
