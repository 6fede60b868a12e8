import EventLoop
import HTTPTransfer
import TestSupport
import Testing

/// Runs one transfer to its end and keeps what came.
@LoopActor
final class Recorder {
    private(set) var head: ResponseHead?
    private(set) var body: [UInt8] = []
    private(set) var transfer: Transfer?

    func run(_ request: TransferRequest, on engine: TransferEngine) async -> Result<
        TransferSummary, TransferError
    > {
        await withCheckedContinuation { done in
            transfer = engine.start(
                request,
                onHead: { self.head = $0 },
                onBody: {
                    self.body += $0
                    return .more
                },
                onEnd: { done.resume(returning: $0) }
            )
        }
    }
}

@LoopActor
func request(_ server: ScriptedServer, _ target: String = "/") throws -> TransferRequest {
    TransferRequest(.get, try #require(TransferURL(server.url + target)))
}

@Suite("The transfer engine")
struct TransferEngineTests {
    private static let pattern: [UInt8] = {
        var generator = SeededGenerator(seed: 2)
        return generator.bytes(count: 300_000)
    }()

    @Test("a response arrives with head and body, and its connection is used again")
    @LoopActor func reuses() async throws {
        let server = try ScriptedServer { _ in .response(200, headers: [("X-A", "b")], body: Self.pattern) }
        defer { server.close() }
        let engine = TransferEngine()
        for _ in 0..<3 {
            let recorder = Recorder()
            let summary = try await recorder.run(request(server, "/x"), on: engine).get()
            #expect(summary.bodyBytes == 300_000)
            #expect(recorder.body == Self.pattern)
            #expect(recorder.head?.status == 200)
            #expect(recorder.head?.headers.single("x-a") == "b")
            #expect(recorder.head?.address == .loopback)
        }
        #expect(server.requests.map(\.connection) == [0, 0, 0])
        #expect(server.requests[0].header("accept-encoding") == nil)
    }

    @Test("a short answer after a long one on the same connection is not waited for in vain")
    @LoopActor func shortAfterLong() async throws {
        let server = try ScriptedServer { request in
            .response(200, body: request.target == "/long" ? Self.pattern : [1, 2, 3])
        }
        defer { server.close() }
        let engine = TransferEngine()
        for (target, count) in [("/long", 300_000), ("/short", 3), ("/long", 300_000), ("/short", 3)] {
            let summary = try await Recorder().run(request(server, target), on: engine).get()
            #expect(summary.bodyBytes == Int64(count))
        }
        #expect(server.requests.map(\.connection) == [0, 0, 0, 0])
    }

    @Test("the length that an answer to HEAD tells is not waited for on its connection")
    @LoopActor func shortAfterHead() async throws {
        let server = try ScriptedServer { request in
            let isHead = request.method == "HEAD"
            return .response(200, body: isHead ? Self.pattern : [1, 2, 3], isHead: isHead)
        }
        defer { server.close() }
        let engine = TransferEngine()
        var head = try request(server)
        head.method = .head
        #expect(try await Recorder().run(head, on: engine).get().bodyBytes == 0)
        #expect(try await Recorder().run(request(server), on: engine).get().bodyBytes == 3)
        #expect(server.requests.map(\.connection) == [0, 0])
    }

    @Test("redirects are handed over, not followed")
    @LoopActor func redirects() async throws {
        let server = try ScriptedServer { _ in .response(307, headers: [("Location", "/elsewhere")]) }
        defer { server.close() }
        let recorder = Recorder()
        _ = try await recorder.run(request(server), on: TransferEngine()).get()
        #expect(recorder.head?.status == 307)
        #expect(server.requests.count == 1)
    }

    @Test("headers and a body are sent, and a header that would break the request is refused")
    @LoopActor func sends() async throws {
        let server = try ScriptedServer { _ in .response(204) }
        defer { server.close() }
        let engine = TransferEngine()
        var request = try request(server, "/up?x=1")
        request.headers = [("Authorization", "Bearer abc"), ("X-Empty", "")]
        _ = try await Recorder().run(request, on: engine).get()
        #expect(server.requests.first?.header("authorization") == "Bearer abc")
        #expect(server.requests.first?.header("x-empty") == "")
        #expect(server.requests.first?.target == "/up?x=1")
        for bad in [("X", "a\r\nY: b"), ("X\n", "a"), ("X: Y", "a"), ("", "a")] {
            request.headers = [bad]
            await #expect(throws: TransferError(.invalidRequest)) {
                try await Recorder().run(request, on: engine).get()
            }
        }
    }

    @Test("a body shorter than its length is an error, and what came of it was delivered")
    @LoopActor func truncated() async throws {
        let server = try ScriptedServer { _ in
            .response(200, headers: [("Content-Length", "100")], body: [1, 2, 3]) + [.close]
        }
        defer { server.close() }
        let recorder = Recorder()
        let result = try await recorder.run(request(server), on: TransferEngine())
        #expect(throws: TransferError.self) { try result.get() }
        #expect(Self.kind(result) == .truncated)
        #expect(recorder.body == [1, 2, 3])
    }

    private static func kind(_ result: Result<TransferSummary, TransferError>) -> TransferError.Kind? {
        if case .failure(let error) = result { error.kind } else { nil }
    }

    @Test("silence ends a transfer: before the head, and within the body")
    @LoopActor func stalls() async throws {
        let server = try ScriptedServer { request in
            guard request.target == "/body" else { return [.hang] }
            return .response(200, headers: [("Content-Length", "100")], body: [1]) + [.hang]
        }
        defer { server.close() }
        let engine = TransferEngine()
        var head = try request(server, "/head")
        head.timeouts = .init(connect: 5_000, head: 50, stall: 50)
        #expect(Self.kind(await Recorder().run(head, on: engine)) == .timedOut(.head))
        var body = try request(server, "/body")
        body.timeouts = .init(connect: 5_000, head: 5_000, stall: 50)
        #expect(Self.kind(await Recorder().run(body, on: engine)) == .timedOut(.body))
    }

    @Test("an endless head is refused")
    @LoopActor func endlessHead() async throws {
        let server = try ScriptedServer { _ in
            let line = Array("X-Filler: \(String(repeating: "y", count: 990))\r\n".utf8)
            return [.send(Array("HTTP/1.1 200 OK\r\n".utf8))] + Array(repeating: .send(line), count: 100) + [
                .hang
            ]
        }
        defer { server.close() }
        #expect(Self.kind(try await Recorder().run(request(server), on: TransferEngine())) == .headTooLarge)
    }

    @Test("what is not HTTP is a protocol violation, and an immediate end a lost connection")
    @LoopActor func garbage() async throws {
        let server = try ScriptedServer { request in
            request.target == "/garbage" ? [.send(Array("SSH-2.0-x\r\n\r\n".utf8)), .close] : [.close]
        }
        defer { server.close() }
        let engine = TransferEngine()
        #expect(
            Self.kind(try await Recorder().run(request(server, "/garbage"), on: engine)) == .protocolViolation
        )
        #expect(Self.kind(try await Recorder().run(request(server, "/"), on: engine)) == .connectionLost)
    }

    @Test("an address that the policy forbids is not dialled, nor reached over a pooled connection")
    @LoopActor func policy() async throws {
        let server = try ScriptedServer { _ in .response(200, body: [1]) }
        defer { server.close() }
        let engine = TransferEngine()
        var outside = try request(server)
        outside.addressPolicy = .reachable(from: .public)
        #expect(Self.kind(await Recorder().run(outside, on: engine)) == .addressRefused)
        _ = try await Recorder().run(request(server), on: engine).get()
        #expect(Self.kind(await Recorder().run(outside, on: engine)) == .addressRefused)
        #expect(server.requests.count == 1)
    }

    @Test("nobody listening and no such name are told apart")
    @LoopActor func unreachable() async throws {
        let engine = TransferEngine()
        let closed = try #require(TransferURL("http://127.0.0.1:\(try FreePort.next())/"))
        #expect(Self.kind(await Recorder().run(TransferRequest(.get, closed), on: engine)) == .connectFailed)
        let unknown = try #require(TransferURL("http://registry.invalid/"))
        #expect(Self.kind(await Recorder().run(TransferRequest(.get, unknown), on: engine)) == .nameNotFound)
    }

    @Test("closing the engine ends what is under way and refuses more")
    @LoopActor func closes() async throws {
        let server = try ScriptedServer { _ in [.hang] }
        defer { server.close() }
        let engine = TransferEngine()
        var hanging = try request(server)
        // However late this test's turns come, the close comes first.
        hanging.timeouts = TransferRequest.Timeouts(connect: 600_000, head: 600_000, stall: 600_000)
        let patient = hanging
        let pending = Task { @LoopActor in await Recorder().run(patient, on: engine) }
        try await eventually("the request arrives") { server.requests.count == 1 }
        engine.close()
        #expect(Self.kind(await pending.value) == .closed)
        #expect(Self.kind(try await Recorder().run(request(server), on: engine)) == .closed)
    }
}
