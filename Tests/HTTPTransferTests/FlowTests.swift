import EventLoop
import HTTPTransfer
import TestSupport
import Testing

@Suite("Pausing and cancelling transfers")
struct FlowTests {
    private static let content: [UInt8] = {
        var generator = SeededGenerator(seed: 1)
        return generator.bytes(count: 8 << 20)
    }()
    private static let total = 8 << 20

    @LoopActor private static func server() throws -> ScriptedServer {
        let content = Self.content
        return try ScriptedServer { _ in .response(200, body: content) }
    }

    @Test("a reader that pauses after every chunk still gets every byte once, in order")
    @LoopActor func pauses() async throws {
        let server = try Self.server()
        defer { server.close() }
        let engine = TransferEngine()
        let timer = LoopTimer()
        var received: [UInt8] = []
        var isPaused = false
        var pauses = 0
        var cameWhilePaused = false
        let url = try #require(TransferURL(server.url + "/"))
        let summary = await withCheckedContinuation { done in
            var transfer: Transfer?
            transfer = engine.start(
                TransferRequest(.get, url),
                onHead: { _ in },
                onBody: { bytes in
                    if isPaused { cameWhilePaused = true }
                    received += bytes
                    isPaused = true
                    pauses += 1
                    timer.start(after: pauses % 50 == 0 ? 1 : 0) {
                        isPaused = false
                        transfer?.resume()
                    }
                    return .pause
                },
                onEnd: { done.resume(returning: $0) }
            )
        }
        #expect(try summary.get().bodyBytes == Int64(Self.total))
        #expect(!cameWhilePaused)
        #expect(pauses > 100)
        #expect(received == Self.content)
    }

    @Test("a paused transfer is not taken for a stalled one, and the server is held back")
    @LoopActor func pausedIsNotStalled() async throws {
        let server = try Self.server()
        defer { server.close() }
        let engine = TransferEngine()
        var request = TransferRequest(.get, try #require(TransferURL(server.url + "/")))
        request.timeouts = .init(connect: 5_000, head: 5_000, stall: 500)
        let timer = LoopTimer()
        var bytesAtPause = 0
        var received = 0
        var bytesAtResume = 0
        let result = await withCheckedContinuation { done in
            var transfer: Transfer?
            transfer = engine.start(
                request,
                onHead: { _ in },
                onBody: { bytes in
                    received += bytes.count
                    guard bytesAtPause == 0 else { return .more }
                    bytesAtPause = received
                    timer.start(after: 1_200) {
                        bytesAtResume = received
                        transfer?.resume()
                    }
                    return .pause
                },
                onEnd: { done.resume(returning: $0) }
            )
        }
        #expect(try result.get().bodyBytes == Int64(Self.total))
        #expect(bytesAtPause == bytesAtResume)
    }

    @Test("a transfer cancelled from its own handlers calls none of them again, and others go on")
    @LoopActor func cancelsInside() async throws {
        let server = try Self.server()
        defer { server.close() }
        let engine = TransferEngine()
        let url = try #require(TransferURL(server.url + "/"))
        var calls = 0
        for cancelsAtHead in [true, false] {
            var transfer: Transfer?
            transfer = engine.start(
                TransferRequest(.get, url),
                onHead: { _ in
                    calls += 1
                    if cancelsAtHead { transfer?.cancel() }
                },
                onBody: { _ in
                    calls += 1
                    transfer?.cancel()
                    return .more
                },
                onEnd: { _ in calls += 100 }
            )
        }
        let recorder = Recorder()
        let summary = try await recorder.run(TransferRequest(.get, url), on: engine).get()
        #expect(summary.bodyBytes == Int64(Self.total))
        try await eventually("both were cancelled") { calls == 3 }
        let another = try await Recorder().run(TransferRequest(.get, url), on: engine).get()
        #expect(another.bodyBytes == Int64(Self.total))
        #expect(calls == 3)
    }

    @Test("a handler may start the next transfer, and a transfer cancelled before it began never begins")
    @LoopActor func startsInside() async throws {
        let server = try ScriptedServer { _ in .response(200, body: [1]) }
        defer { server.close() }
        let engine = TransferEngine()
        let url = try #require(TransferURL(server.url + "/"))
        engine.start(
            TransferRequest(.get, url),
            onHead: { _ in Issue.record("began") },
            onBody: { _ in .more },
            onEnd: { _ in Issue.record("ended") }
        ).cancel()
        let bytes = await withCheckedContinuation { done in
            engine.start(
                TransferRequest(.get, url),
                onHead: { _ in },
                onBody: { _ in
                    engine.start(
                        TransferRequest(.get, url),
                        onHead: { _ in },
                        onBody: { _ in .more },
                        onEnd: { done.resume(returning: (try? $0.get())?.bodyBytes) }
                    )
                    return .more
                },
                onEnd: { _ in }
            )
        }
        #expect(bytes == 1)
        #expect(server.requests.count == 2)
    }
}
