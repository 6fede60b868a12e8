import EventLoop
import PieceModel
import TestSupport
import Testing

@testable import PeerDirectory
@testable import PieceExchange

@Suite("whoever keeps grants", .serialized, .timeLimit(.minutes(2)))
@LoopActor
struct GrantConformanceTests {
    private static let brief: ExchangeLimits = {
        var limits = ExchangeLimits()
        limits.grantSilenceMillis = 400
        limits.grantHoldMillis = 400
        limits.pieceDeadlineMillis = 100
        return limits
    }()

    private func pieces(_ answer: GrantAnswer?) -> Range<Int>? {
        if case .granted(let pieces) = answer { pieces } else { nil }
    }

    private func isRefused(_ answer: GrantAnswer?) -> Bool {
        if case .refused(let millis) = answer { millis > 0 } else { false }
    }

    @Test("nodes that ask together share a blob out, and each piece is read once", arguments: RegisterKind.allCases)
    func once(_ kind: RegisterKind) async throws {
        let harness = try await RegisterHarness(kind)
        let subject = try GrantSubject()
        let nodes = try await [harness.asker("a"), harness.asker("b"), harness.asker("c"), harness.asker("d")]
        var readers = [Int](repeating: -1, count: 400)
        var generator = SeededGenerator(seed: 7)
        while let missing = readers.firstIndex(of: -1) {
            let node = Int.random(in: 0..<nodes.count, using: &generator)
            guard let granted = pieces(await nodes[node].ask(subject.wants([missing..<400]))) else {
                Issue.record("refused with piece \(missing) left")
                break
            }
            for piece in granted {
                #expect(readers[piece] == -1, "piece \(piece) is given to \(readers[piece]) and \(node)")
                readers[piece] = node
            }
            await nodes[node].tell(subject.read(granted.count, of: granted))
        }
        #expect(Set(readers) == [0, 1, 2, 3])
        #expect(isRefused(await nodes[0].ask(subject.wants([0..<400]))))
        try await harness.end()
    }

    @Test("one that asks alone is given twice as much with each grant that it has read", arguments: RegisterKind.allCases)
    func alone(_ kind: RegisterKind) async throws {
        let harness = try await RegisterHarness(kind)
        let subject = try GrantSubject(pieces: 640)
        let node = try await harness.asker("a")
        var sizes: [Int] = []
        while let granted = pieces(await node.ask(subject.wants([0..<640]))) {
            sizes.append(granted.count)
            await node.tell(subject.read(granted.count, of: granted, isOver: true))
        }
        #expect(sizes == [10, 20, 40, 80, 160, 320, 10])
        try await harness.end()
    }

    @Test("the first wanted piece that is free is given, and nothing outside of what was asked for",
        arguments: RegisterKind.allCases)
    func wanted(_ kind: RegisterKind) async throws {
        let harness = try await RegisterHarness(kind)
        let subject = try GrantSubject()
        let (a, b) = try await (harness.asker("a"), harness.asker("b"))
        await a.tell(subject.read(4, of: 10..<20))
        let first = pieces(await b.ask(subject.wants([12..<18, 18..<22, 30..<40])))
        #expect(first == 20..<22)
        #expect(pieces(await b.ask(subject.wants([10..<20, 39..<40]))) == 39..<40)
        #expect(pieces(await b.ask(subject.wants([399..<400]))) == 399..<400)
        // The one that is read, the end of the one before and the next are enough for one holder.
        #expect(isRefused(await b.ask(subject.wants([200..<300]))))
        try await harness.end()
    }

    @Test("a holder that reports keeps its grant, one that is silent loses it", arguments: RegisterKind.allCases)
    func silence(_ kind: RegisterKind) async throws {
        let harness = try await RegisterHarness(kind, Self.brief)
        let subject = try GrantSubject()
        let (a, b, c) = try await (harness.asker("a"), harness.asker("b"), harness.asker("c"))
        let living = try #require(pieces(await a.ask(subject.wants([0..<4]))))
        let silent = try #require(pieces(await b.ask(subject.wants([100..<104]))))
        try await eventually("the silent one's is given to another") {
            await a.tell(subject.read(0, of: living))
            #expect(isRefused(await c.ask(subject.wants([living]))))
            return pieces(await c.ask(subject.wants([silent])))?.lowerBound == silent.lowerBound
        }
        try await harness.end()
    }

    @Test("what was read is left to its reader to hand on, for a while, and less for one who says it did not come",
        arguments: RegisterKind.allCases)
    func read(_ kind: RegisterKind) async throws {
        var limits = Self.brief
        limits.grantHoldMillis = 60_000
        let harness = try await RegisterHarness(kind, limits)
        let subject = try GrantSubject()
        let (a, b) = try await (harness.asker("a"), harness.asker("b"))
        await a.tell(subject.read(4, of: 0..<4, isOver: true))
        #expect(isRefused(await b.ask(subject.wants([0..<4]))))
        try await eventually("one who says that it did not come may read it") {
            pieces(await b.ask(subject.wants([0..<4], isRetry: true))) == 0..<4
        }
        try await harness.end()
    }

    @Test("what is given back is free at once, and only so many read at once", arguments: RegisterKind.allCases)
    func back(_ kind: RegisterKind) async throws {
        var limits = ExchangeLimits()
        limits.originFetchersMax = 2
        let harness = try await RegisterHarness(kind, limits)
        let subject = try GrantSubject()
        let (a, b, c) = try await (harness.asker("a"), harness.asker("b"), harness.asker("c"))
        let first = try #require(pieces(await a.ask(subject.wants([0..<400]))))
        #expect(pieces(await b.ask(subject.wants([0..<400]))) != nil)
        #expect(isRefused(await c.ask(subject.wants([0..<400]))))
        await a.tell(subject.read(1, of: first, isOver: true))
        #expect(pieces(await c.ask(subject.wants([0..<400])))?.lowerBound == 1)
        try await harness.end()
    }

    @Test("of one that somebody lost, what it reads is given anew, and so is what it has read and not handed on",
        arguments: RegisterKind.allCases)
    func lost(_ kind: RegisterKind) async throws {
        var limits = ExchangeLimits()
        limits.grantReportMillis = 50
        let harness = try await RegisterHarness(kind, limits)
        let subject = try GrantSubject()
        let (a, b) = try await (harness.asker("a"), harness.asker("b"))
        await a.tell(subject.read(2, of: 0..<4))
        #expect(isRefused(await b.ask(subject.wants([0..<4]))))
        await b.tellLost(try #require(PeerName("a")), of: subject.blob, bytes: subject.layout.blobBytes)
        try await eventually("all of it is given to another") {
            pieces(await b.ask(subject.wants([0..<4]))) == 0..<4
        }
        try await harness.end()
    }

    @Test("blobs and sizes are kept apart", arguments: RegisterKind.allCases)
    func apart(_ kind: RegisterKind) async throws {
        let harness = try await RegisterHarness(kind)
        let a = try await harness.asker("a")
        let subject = try GrantSubject()
        await a.tell(subject.read(400, of: 0..<400, isOver: true))
        #expect(isRefused(await a.ask(subject.wants([0..<4]))))
        #expect(pieces(await a.ask(try GrantSubject(1, pieces: 399).wants([0..<4]))) != nil)
        #expect(pieces(await a.ask(try GrantSubject(2).wants([0..<4]))) != nil)
        try await harness.end()
    }
}
