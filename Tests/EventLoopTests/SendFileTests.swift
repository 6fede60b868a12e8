import EventLoop
import Glibc
import Testing

@Suite("Sending files", .timeLimit(.minutes(1)))
@LoopActor
struct SendFileTests {
    @Test("headers, 64 MiB of file and trailers arrive in the order asked for, byte for byte")
    func ordered() async throws {
        let pair = try await Pair.tcp()
        let file = TemporaryFile(bytes: 64 << 20)
        let done = Box<String>()
        var last: Int64 = 0
        pair.client.write(Array("head".utf8))
        pair.client.sendFile(file.descriptor, offset: 0, count: 64 << 20) { sent in
            #expect(sent > last)
            last = sent
        } then: {
            done.put("\($0)")
        }
        pair.client.write(Array("between".utf8))
        pair.client.sendFile(file.descriptor, offset: 5, count: 10) { done.put("\($0)") }
        pair.client.sendFile(file.descriptor, offset: 0, count: 0) { done.put("\($0)") }
        pair.client.write(Array("tail".utf8)) { done.put("\($0 == nil)") }
        pair.client.shutdown { done.put("fin") }
        #expect(pair.client.queuedBytes > 60 << 20)
        let received = try await pair.server.readToEnd().get()
        let content = TemporaryFile.content(64 << 20)
        let expected =
            Array("head".utf8) + content + Array("between".utf8) + content[5..<15] + Array("tail".utf8)
        #expect(received.count == expected.count)
        #expect(isSame(received, expected))
        #expect(last == 64 << 20)
        for expected in ["success(67108864)", "success(10)", "success(0)", "true", "fin"] {
            #expect(await done.take() == expected)
        }
        #expect(pair.client.queuedBytes == 0)
    }

    @Test("thousands of writes behind a file wait for it and keep their order")
    func manyBehind() async throws {
        let pair = try await Pair.tcp()
        let file = TemporaryFile(bytes: 8 << 20)
        var expected = TemporaryFile.content(8 << 20)
        pair.client.sendFile(file.descriptor, offset: 0, count: 8 << 20) { _ in }
        for number in 0..<5000 {
            let bytes = withUnsafeBytes(of: number) { Array($0) }
            expected += bytes
            pair.client.write(bytes)
            if number % 1000 == 999 {
                pair.client.sendFile(file.descriptor, offset: 0, count: 4096) { _ in }
                expected += TemporaryFile.content(4096)
            }
        }
        pair.client.shutdown()
        let received = try await pair.server.readToEnd().get()
        #expect(isSame(received, expected))
    }

    @Test("a Unix stream takes files too")
    func unix() async throws {
        let folder = TemporaryFolder()
        let pair = try await Pair.unix(folder.path + "/s")
        let file = TemporaryFile(bytes: 3 << 20)
        pair.client.sendFile(file.descriptor, offset: 0, count: 3 << 20) { _ in }
        pair.client.shutdown()
        let received = try await pair.server.readToEnd().get()
        #expect(isSame(received, TemporaryFile.content(3 << 20)))
    }

    @Test("a file shorter than promised is an error, and nothing follows it")
    func short() async throws {
        let pair = try await Pair.tcp()
        let file = TemporaryFile(bytes: 1000)
        let after = Box<LoopError?>()
        let result = Box<Result<Int64, LoopError>>()
        pair.client.sendFile(file.descriptor, offset: 0, count: 2000) { result.put($0) }
        pair.client.write([1]) { after.put($0) }
        #expect(await result.take() == .failure(LoopError(.endOfFile, "sendfile")))
        #expect(await after.take() == LoopError(.endOfFile, "sendfile"))
        pair.client.close()
        #expect(await pair.server.readToEnd() == .success(TemporaryFile.content(1000)))
    }

    @Test("close while the socket is full, or while the pool is at work, cancels and gives the file back")
    func close() async throws {
        let file = TemporaryFile(bytes: 64 << 20)
        for number in 0..<40 {
            let pair = try await Pair.tcp()
            let result = Box<Result<Int64, LoopError>>()
            let started = Box<Int>()
            pair.client.sendFile(file.descriptor, offset: 0, count: 64 << 20) { _ in
                if number % 4 == 1 { pair.client.close() }
                started.put(0)
            } then: {
                result.put($0)
            }
            if number % 4 >= 2 {
                _ = await started.take()
                if number % 4 == 3 { await pair.server.readSome() }
            }
            pair.client.close()
            #expect(await result.take() == .failure(LoopError(.canceled, "sendfile")))
            pair.server.close()
        }
    }

    @Test("a stream dropped while it sends ends as canceled")
    func dropped() async throws {
        let file = TemporaryFile(bytes: 64 << 20)
        let result = Box<Result<Int64, LoopError>>()
        let server: EventLoop.Stream
        do {
            let pair = try await Pair.tcp()
            server = pair.server
            pair.client.sendFile(file.descriptor, offset: 0, count: 64 << 20) { result.put($0) }
        }
        #expect(await result.take() == .failure(LoopError(.canceled, "sendfile")))
        server.close()
    }

    @Test("the other side's disappearance ends the transfer with its error")
    func broken() async throws {
        let pair = try await Pair.tcp()
        let file = TemporaryFile(bytes: 64 << 20)
        let result = Box<Result<Int64, LoopError>>()
        pair.client.sendFile(file.descriptor, offset: 0, count: 64 << 20) { _ in
            pair.server.close()
        } then: {
            result.put($0)
        }
        guard case .failure(let error) = await result.take() else {
            Issue.record("the transfer succeeded")
            return
        }
        #expect(error.code == .reset || error.code == .brokenPipe)
    }
}

extension EventLoop.Stream {
    fileprivate func readSome() async {
        await withCheckedContinuation { (waiter: CheckedContinuation<Void, Never>) in
            startReading { [unowned self] _ in
                stopReading()
                waiter.resume()
            }
        }
    }
}
