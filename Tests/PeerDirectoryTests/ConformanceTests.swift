import EventLoop
import PieceModel
import TestSupport
import Testing

@testable import PeerDirectory

@Suite("every discovery engine", .serialized, .timeLimit(.minutes(2)))
@LoopActor
struct ConformanceTests {
    @Test("tells who is there, sorted, each once, without the node itself, and never inside start",
        arguments: EngineKind.allCases)
    func tells(_ kind: EngineKind) async throws {
        let harness = try await kind.harness()
        try await harness.publish([3, 1, 0, 2, 1].map(Endpoints.node))
        let listener = Audience()
        harness.engine.start(listener.handlers)
        #expect(listener.told.isEmpty)
        try await listener.hears([1, 2, 3].map(Endpoints.node))
        #expect(harness.engine.status.endpoints == 3)
        try await eventually("it works") { harness.engine.status.state == .working }
        #expect(listener.told.allSatisfy { $0 == $0.sorted() && Set($0).count == $0.count })
        #expect(listener.told.allSatisfy { !$0.contains(Endpoints.node(0)) })
        try await harness.end()
    }

    @Test("tells of one that comes, and forgets one that is gone", arguments: EngineKind.allCases)
    func changes(_ kind: EngineKind) async throws {
        let harness = try await kind.harness()
        try await harness.publish([1, 2].map(Endpoints.node))
        let listener = Audience()
        harness.engine.start(listener.handlers)
        try await listener.hears([1, 2].map(Endpoints.node))
        try await harness.publish([2, 3].map(Endpoints.node))
        try await listener.hears([2, 3].map(Endpoints.node))
        for (before, after) in zip(listener.told, listener.told.dropFirst()) { #expect(before != after) }
        try await harness.end()
    }

    @Test("begins with nobody, and with a source that comes later", arguments: EngineKind.allCases)
    func late(_ kind: EngineKind) async throws {
        let harness = try await kind.harness()
        try await harness.breakDown()
        let listener = Audience()
        harness.engine.start(listener.handlers)
        if kind.hasSource {
            try await eventually("it says that it fails") { isFailing(harness.engine) }
        }
        #expect(listener.told.isEmpty)
        try await harness.repair()
        try await harness.publish([Endpoints.node(1)])
        try await listener.hears([Endpoints.node(1)])
        try await eventually("it works") { harness.engine.status.state == .working }
        try await harness.end()
    }

    @Test("keeps who it knows while its source is gone, says so, and goes on when it is back",
        arguments: EngineKind.allCases.filter(\.hasSource))
    func sourceLost(_ kind: EngineKind) async throws {
        let harness = try await kind.harness()
        try await harness.publish([1, 2].map(Endpoints.node))
        let listener = Audience()
        harness.engine.start(listener.handlers)
        try await listener.hears([1, 2].map(Endpoints.node))
        try await harness.breakDown()
        try await eventually("it says that it fails") { isFailing(harness.engine) }
        // Longer than the grace, which runs only while there are answers.
        try await Task.sleep(for: .milliseconds(5 * Endpoints.everyMillis))
        #expect(harness.engine.status.endpoints == 2)
        #expect(listener.told.last == [1, 2].map(Endpoints.node))

        try await harness.repair()
        try await harness.publish([1, 2, 3].map(Endpoints.node))
        try await listener.hears([1, 2, 3].map(Endpoints.node))
        try await eventually("it works again") { harness.engine.status.state == .working }
        #expect(listener.states.contains(.working))
        try await harness.end()
    }

    @Test("says nothing once it was stopped, also twice", arguments: EngineKind.allCases)
    func stopped(_ kind: EngineKind) async throws {
        let harness = try await kind.harness()
        try await harness.publish([Endpoints.node(1)])
        let listener = Audience()
        harness.engine.start(listener.handlers)
        try await listener.hears([Endpoints.node(1)])
        await harness.engine.stop()
        let told = listener.told.count
        try await harness.publish([1, 2].map(Endpoints.node))
        try await Task.sleep(for: .milliseconds(5 * Endpoints.everyMillis))
        #expect(listener.told.count == told)
        await harness.engine.stop()
        try await harness.end()
    }

    private func isFailing(_ engine: any DiscoveryEngine) -> Bool {
        if case .failing = engine.status.state { true } else { false }
    }
}
