import EventLoop
import OCIModel
import PieceModel
import TestSupport
import Testing

@testable import PeerDirectory

/// Every register there is; the suite runs once for each.
enum RegisterKind: Int, CaseIterable, Sendable {
    case oneRedis = 1
    case threeRedis = 3
}

/// Nodes with a register each, over the same servers.
@LoopActor
final class RegisterHarness {
    let servers: [RedisProcess]
    var processes: [ChildProcess] = []
    private var engines: [String: RedisEngine] = [:]
    private let terms: GrantTerms

    init(_ kind: RegisterKind, _ terms: GrantTerms = GrantTerms()) async throws {
        servers = try (0..<kind.rawValue).map { _ in try RedisProcess() }
        self.terms = terms
        for server in servers { processes.append(try await server.start()) }
    }

    func register(_ name: String, cluster: String = "test") async throws -> any GrantRegister {
        if let known = engines[name + cluster] { return known }
        let own = OwnEndpoint(advertised: Endpoints.node(engines.count + 1), listenHost: "0.0.0.0", listenPort: 1)
        let terms = terms
        let engine = RedisHarness.engine(name, own, servers, cluster: cluster) { $0.terms = terms }
        engine.start(DiscoveryHandlers { _ in })
        try await eventually("\(name) is there") { engine.status.state == .working }
        engines[name + cluster] = engine
        return engine
    }

    func end() async throws {
        for engine in engines.values { await engine.stop() }
        for process in processes { try await process.kill() }
    }
}

@Suite("every register of grants", .serialized, .timeLimit(.minutes(2)))
@LoopActor
struct GrantConformanceTests {
    private static let brief: GrantTerms = {
        var terms = GrantTerms()
        terms.silenceMillis = 400
        terms.holdMillis = 400
        terms.handOnMillis = 100
        return terms
    }()

    /// 400 pieces of 64 KiB.
    private func subject(_ seed: UInt64 = 1) throws -> GrantSubject {
        var generator = SeededGenerator(seed: seed)
        let hex = generator.bytes(count: 32).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return GrantSubject(
            blob: try #require(Digest(hex: hex)), layout: try #require(PieceLayout(blobBytes: 400 * 65_536)))
    }

    private func pieces(_ answer: GrantAnswer) -> Range<Int>? {
        if case .granted(let pieces) = answer { pieces } else { nil }
    }

    private func isRefused(_ answer: GrantAnswer) -> Bool {
        if case .refused(let millis) = answer { millis > 0 } else { false }
    }

    @Test("nodes that ask together share a blob out, and each piece is read once", arguments: RegisterKind.allCases)
    func once(_ kind: RegisterKind) async throws {
        let harness = try await RegisterHarness(kind)
        let subject = try subject()
        let nodes = try await [
            harness.register("a"), harness.register("b"), harness.register("c"), harness.register("d"),
        ]
        var readers = [Int](repeating: -1, count: 400)
        var generator = SeededGenerator(seed: 7)
        while readers.contains(-1) {
            let node = Int.random(in: 0..<nodes.count, using: &generator)
            let missing = (0..<400).filter { readers[$0] < 0 }
            let run = (missing.first ?? 0)..<400
            guard let granted = pieces(await nodes[node].ask(GrantQuestion(subject, wanted: [run]))) else {
                Issue.record("refused with \(missing.count) pieces left")
                break
            }
            for piece in granted {
                #expect(readers[piece] == -1, "piece \(piece) is given to \(readers[piece]) and \(node)")
                readers[piece] = node
            }
            await nodes[node].report(GrantReport(subject, pieces: granted, read: granted.count, isOver: false))
        }
        #expect(Set(readers) == [0, 1, 2, 3])
        #expect(isRefused(await nodes[0].ask(GrantQuestion(subject, wanted: [0..<400]))))
        try await harness.end()
    }

    @Test("the first wanted piece that is free is given, and nothing outside of what was asked for",
        arguments: RegisterKind.allCases)
    func wanted(_ kind: RegisterKind) async throws {
        let harness = try await RegisterHarness(kind)
        let subject = try subject()
        let (a, b) = try await (harness.register("a"), harness.register("b"))
        await a.report(GrantReport(subject, pieces: 10..<20, read: 4, isOver: false))
        let first = pieces(await b.ask(GrantQuestion(subject, wanted: [12..<18, 18..<22, 30..<40])))
        #expect(first?.lowerBound == 20 && first.map { $0.upperBound <= 22 } == true)
        let second = pieces(await b.ask(GrantQuestion(subject, wanted: [10..<20, 39..<40])))
        #expect(second == 39..<40)
        // Two at a time are enough for one holder.
        #expect(isRefused(await b.ask(GrantQuestion(subject, wanted: [200..<300]))))
        try await harness.end()
    }

    @Test("a holder that reports keeps its grant, one that is silent loses it", arguments: RegisterKind.allCases)
    func silence(_ kind: RegisterKind) async throws {
        let harness = try await RegisterHarness(kind, Self.brief)
        let subject = try subject()
        let (a, b, c) = try await (harness.register("a"), harness.register("b"), harness.register("c"))
        let living = try #require(pieces(await a.ask(GrantQuestion(subject, wanted: [0..<4]))))
        let silent = try #require(pieces(await b.ask(GrantQuestion(subject, wanted: [100..<104]))))
        try await eventually("the silent one's is given to another") {
            await a.report(GrantReport(subject, pieces: living, read: 0, isOver: false))
            #expect(isRefused(await c.ask(GrantQuestion(subject, wanted: [living]))))
            return pieces(await c.ask(GrantQuestion(subject, wanted: [silent])))?.lowerBound == silent.lowerBound
        }
        try await harness.end()
    }

    @Test("what was read is left to its reader to hand on, for a while, and less for one who says it did not come",
        arguments: RegisterKind.allCases)
    func read(_ kind: RegisterKind) async throws {
        var terms = Self.brief
        terms.holdMillis = 60_000
        let harness = try await RegisterHarness(kind, terms)
        let subject = try subject()
        let (a, b) = try await (harness.register("a"), harness.register("b"))
        await a.report(GrantReport(subject, pieces: 0..<4, read: 4, isOver: true))
        #expect(isRefused(await b.ask(GrantQuestion(subject, wanted: [0..<4]))))
        try await eventually("one who says that it did not come may read it") {
            pieces(await b.ask(GrantQuestion(subject, wanted: [0..<4], isRetry: true))) == 0..<4
        }
        try await harness.end()
    }

    @Test("what is given back is free at once, and only so many read at once", arguments: RegisterKind.allCases)
    func back(_ kind: RegisterKind) async throws {
        var terms = GrantTerms()
        terms.fetchersMax = 2
        let harness = try await RegisterHarness(kind, terms)
        let subject = try subject()
        let (a, b, c) = try await (harness.register("a"), harness.register("b"), harness.register("c"))
        let first = try #require(pieces(await a.ask(GrantQuestion(subject, wanted: [0..<400]))))
        #expect(pieces(await b.ask(GrantQuestion(subject, wanted: [0..<400]))) != nil)
        #expect(isRefused(await c.ask(GrantQuestion(subject, wanted: [0..<400]))))
        await a.report(GrantReport(subject, pieces: first, read: 1, isOver: true))
        let next = try #require(pieces(await c.ask(GrantQuestion(subject, wanted: [0..<400]))))
        #expect(next.lowerBound == 1)
        try await harness.end()
    }

    @Test("clusters, blobs and sizes are kept apart", arguments: RegisterKind.allCases)
    func apart(_ kind: RegisterKind) async throws {
        let harness = try await RegisterHarness(kind)
        let (a, other) = try await (harness.register("a"), harness.register("a", cluster: "other"))
        let subject = try subject()
        let liar = GrantSubject(blob: subject.blob, layout: try #require(PieceLayout(blobBytes: 399 * 65_536)))
        await a.report(GrantReport(subject, pieces: 0..<400, read: 400, isOver: true))
        #expect(isRefused(await a.ask(GrantQuestion(subject, wanted: [0..<4]))))
        #expect(pieces(await a.ask(GrantQuestion(liar, wanted: [0..<4]))) != nil)
        #expect(pieces(await a.ask(GrantQuestion(try self.subject(2), wanted: [0..<4]))) != nil)
        #expect(pieces(await other.ask(GrantQuestion(subject, wanted: [0..<4]))) != nil)
        try await harness.end()
    }

    @Test("while no server answers nobody is kept waiting; when one does, it goes on", arguments: RegisterKind.allCases)
    func lost(_ kind: RegisterKind) async throws {
        let harness = try await RegisterHarness(kind)
        let a = try await harness.register("a")
        if kind == .threeRedis {
            // The blobs of a lost server are kept by the others.
            try await harness.processes[0].kill()
            for seed in 1...20 as ClosedRange<UInt64> {
                let subject = try subject(seed)
                try await eventually("blob \(seed) is kept") {
                    pieces(await a.ask(GrantQuestion(subject, wanted: [0..<4]))) != nil
                }
            }
        }
        for process in harness.processes { try await process.kill() }
        let subject = try subject()
        #expect(await a.ask(GrantQuestion(subject, wanted: [50..<54])) == .unheard)
        await a.report(GrantReport(subject, pieces: 50..<54, read: 0, isOver: false))
        harness.processes = [try await harness.servers[0].start()]
        try await eventually("it is heard again") {
            pieces(await a.ask(GrantQuestion(subject, wanted: [50..<54]))) != nil
        }
        try await harness.end()
    }
}
