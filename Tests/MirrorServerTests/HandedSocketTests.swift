import EventLoop
import Glibc
import OCIModel
import TestSupport
import Testing

@testable import MirrorServer

@Suite("A mirror on a socket that the service manager holds", .timeLimit(.minutes(1)))
struct HandedSocketTests {
    @Test("while it drains, new requests are declined at once: none waits for the next process")
    func drain() async throws {
        let socket = try InheritedSocket()
        let kept = socket.copy()
        defer { close(kept) }
        let mirror = try await TestMirror.start(on: socket)
        let bytes = testBytes(200_000)
        let blob = TestArrival(try TestFile(bytes))
        await mirror.serve(blob)
        await blob.deliver(0..<1000)
        let running = try mirror.client()
        try running.get(TestMirror.blobTarget)
        #expect(try running.head().status == 200)

        let stopped = Task { await mirror.server.stop(drainMillis: 60_000) }
        try await eventually("the mirror drains") { await mirror.isDraining }
        try expectDeclined(by: mirror)
        await blob.deliver(1000..<200_000)
        #expect(running.rest() == (bytes, .fin))
        await stopped.value
        try expectDeclined(by: mirror)
        await mirror.server.close()

        // The process is as good as gone: who comes now waits for the next one.
        let waiting = try mirror.client()
        let next = try await TestMirror.start(on: try #require(HandedSocket(dup(kept))), port: mirror.port)
        try waiting.get("/v2/")
        #expect(try waiting.response().status == 200)
        await next.stop()
    }

    private func expectDeclined(by mirror: TestMirror) throws {
        for target in [TestMirror.blobTarget, "/v2/a/b/manifests/latest"] {
            let late = try mirror.client()
            try late.get(target)
            let answer = try late.response()
            #expect(answer.status == 404)
            #expect(answer.text.contains("the node is stopping"), "\(answer.text)")
            #expect(late.rest() == ([], .fin))
        }
    }
}

extension TestMirror {
    @LoopActor var isDraining: Bool { server.isDraining }

    @LoopActor static func start(on socket: InheritedSocket) throws -> TestMirror {
        try start(on: try #require(HandedSocket(socket.descriptor)), port: socket.port)
    }

    @LoopActor static func start(on socket: HandedSocket, port: UInt16) throws -> TestMirror {
        let source = TestSource()
        let server = MirrorServer(options: MirrorOptions { $0 == .dockerHub }, source: source)
        try server.start(on: socket)
        #expect(server.port == port)
        return TestMirror(server: server, source: source, port: port)
    }
}
