import EventLoop
import Glibc
import Testing

@Suite("Streams", .timeLimit(.minutes(1)))
@LoopActor
struct StreamTests {
    @Test("bytes come back from an echo server, in order and complete")
    func echo() async throws {
        let pair = try await Pair.tcp()
        let server = pair.server
        server.startReading { event in
            switch event {
            case .bytes(let bytes): server.write(Array(bytes))
            case .end, .failed: server.shutdown { server.close() }
            }
        }
        let sent = TemporaryFile.content(3 << 20)
        for start in stride(from: 0, to: sent.count, by: 65_536) {
            pair.client.write(Array(sent[start..<min(start + 65_536, sent.count)]))
        }
        pair.client.shutdown()
        let received = try await pair.client.readToEnd().get()
        #expect(isSame(received, sent))
        #expect(pair.client.queuedBytes == 0)
    }

    @Test("after this side's FIN the other side can still answer, and writing here is refused")
    func halfClose() async throws {
        let pair = try await Pair.tcp()
        pair.client.write(Array("question".utf8))
        pair.client.shutdown()
        #expect(await pair.client.send([1]) == LoopError(.brokenPipe, "write"))
        #expect(await pair.server.readToEnd() == .success(Array("question".utf8)))
        pair.server.write(Array("answer".utf8))
        pair.server.shutdown()
        #expect(await pair.client.readToEnd() == .success(Array("answer".utf8)))
    }

    @Test("the addresses are those of the two ends")
    func addresses() async throws {
        let pair = try await Pair.tcp()
        #expect(pair.client.peerAddress.hasPrefix("127.0.0.1:"))
        #expect(pair.client.peerCredentials == nil)
    }

    @Test("the kernel says what it saw of the path, while there is one")
    func path() async throws {
        let pair = try await Pair.tcp()
        let sent = [UInt8](repeating: 3, count: 3 << 20)
        pair.client.write(sent)
        pair.client.shutdown()
        #expect(try await pair.server.readToEnd().get().count == sent.count)
        // Whatever comes back acknowledges what was read.
        pair.server.write([1])
        pair.server.shutdown()
        #expect(await pair.client.readToEnd() == .success([1]))
        let path = try #require(pair.client.path)
        #expect(path.ackedBytes >= UInt64(sent.count))
        #expect(path.bytesPerSecond > 0)
        pair.client.close()
        #expect(pair.client.path == nil)
    }

    @Test("what is expected comes in large parts, and what was not is not held back", arguments: [1, 1_000, 100_000])
    func expecting(tail: Int) async throws {
        let pair = try await Pair.tcp()
        let expected = 200_000
        let received = Box<[Int]>()
        var parts: [Int] = []
        pair.server.expect(expected)
        pair.server.startReading { event in
            guard case .bytes(let bytes) = event else { return received.put(parts) }
            parts.append(bytes.count)
            pair.server.expect(expected - parts.reduce(0, +))
        }
        for _ in 0..<(expected / 10_000) {
            pair.client.write([UInt8](repeating: 5, count: 10_000))
            await Task.yield()
        }
        pair.client.write([UInt8](repeating: 6, count: tail))
        pair.client.shutdown()
        let all = await received.take()
        #expect(all.reduce(0, +) == expected + tail)
        #expect(all.first ?? 0 >= 100_000, "the first of \(all) came before there was much")
    }

    @Test("the end is reported although more was expected")
    func endsBeforeExpected() async throws {
        let pair = try await Pair.tcp()
        pair.server.expect(1 << 20)
        pair.client.write([1, 2, 3])
        pair.client.shutdown()
        #expect(await pair.server.readToEnd() == .success([1, 2, 3]))
    }

    @Test("what waits below the mark is reported when nothing is expected any more")
    func expectingNoMore() async throws {
        let pair = try await Pair.tcp()
        let received = Box<Int>()
        pair.server.expect(1 << 20)
        pair.server.startReading { event in
            if case .bytes(let bytes) = event { received.put(bytes.count) }
        }
        #expect(await pair.client.send([1, 2, 3]) == nil)
        pair.server.expect(0)
        #expect(await received.take() == 3)
    }

    @Test("a reader that stops makes the writer's queue grow, and one that starts again drains it")
    func backPressure() async throws {
        let pair = try await Pair.tcp()
        let done = Box<LoopError?>()
        let block = [UInt8](repeating: 7, count: 16 << 20)
        for _ in 0..<4 { pair.client.write(block) }
        pair.client.write([1]) { done.put($0) }
        pair.client.shutdown()
        #expect(pair.client.queuedBytes > 16 << 20)
        let received = await pair.server.readToEnd()
        #expect(try received.get().count == 64 << 20 + 1)
        #expect(await done.take() == nil)
    }

    @Test("close ends pending writes as canceled, then tells its owner")
    func close() async throws {
        let pair = try await Pair.tcp()
        let seen = Box<String>()
        pair.client.onClose = { seen.put("closed") }
        pair.client.write([UInt8](repeating: 1, count: 64 << 20)) { seen.put("\($0?.code == .canceled)") }
        pair.client.close()
        pair.client.close()
        #expect(await seen.take() == "true")
        #expect(await seen.take() == "closed")
        #expect(await pair.client.send([1]) == LoopError(.canceled, "write"))
        #expect(pair.client.queuedBytes == 0)
    }

    @Test("a dropped stream closes its connection, whatever the thread")
    nonisolated func dropped() async throws {
        for _ in 0..<20 {
            var client: EventLoop.Stream?
            let server: EventLoop.Stream
            do {
                let pair = try await Pair.tcp()
                client = pair.client
                server = pair.server
            }
            #expect(client != nil)
            client = nil
            #expect(await server.readToEnd() == .success([]))
        }
    }

    @Test("a broken connection fails reading and writing with a typed error")
    func reset() async throws {
        let pair = try await Pair.tcp()
        #expect(await pair.client.send(Array("unread".utf8)) == nil)
        // The unread bytes make the kernel answer the close with RST.
        pair.server.close()
        #expect(await pair.client.readToEnd() == .failure(LoopError(.reset, "read")))
        let error = await pair.client.send([1])
        #expect(error?.code == .brokenPipe)
    }

    @Test("connecting where nobody listens is refused")
    func refused() async throws {
        let listener = try Listener.tcp(host: "127.0.0.1", port: 0)
        let port = listener.port
        listener.close()
        let result = await connect("127.0.0.1", port, 5_000)
        #expect(result == LoopError(.connectionRefused, "connect"))
    }

    @Test("connecting to a listener that never accepts times out")
    func timeout() async throws {
        // A backlog of 0 holds one connection; the SYNs of the others are dropped.
        let full = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { Glibc.close(full) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(full, $0, length)
                _ = listen(full, 0)
                _ = getsockname(full, $0, &length)
            }
        }
        let port = UInt16(bigEndian: address.sin_port)
        var held: [EventLoop.Stream] = []
        var error: LoopError?
        while error == nil, held.count < 4 {
            let result: Result<EventLoop.Stream, LoopError> = await callback {
                Stream.connect(host: "127.0.0.1", port: port, timeoutMillis: 200, then: $0)
            }
            switch result {
            case .success(let stream): held.append(stream)
            case .failure(let failure): error = failure
            }
        }
        #expect(error == LoopError(.timedOut, "connect"))
    }

    @Test("what cannot be a name is not found, without asking anyone", arguments: ["", "a\0b", "a..b"])
    func names(host: String) async {
        #expect(await connect(host, 1, 30_000)?.code == .nameNotFound)
    }

    @Test("a name is resolved and its addresses are tried in turn")
    func resolve() async throws {
        let listener = try Listener.tcp(host: "127.0.0.1", port: 0)
        listener.accept { _ in }
        // Only the resolver takes this shorthand for an address.
        let error = await connect("127.1", listener.port, 30_000)
        #expect(error == nil)
        listener.close()
    }

    @Test("two hundred connections at once all get through")
    func many() async throws {
        let listener = try Listener.tcp(host: "127.0.0.1", port: 0)
        var servers: [EventLoop.Stream] = []
        listener.accept { stream in
            servers.append(stream)
            stream.startReading { [weak stream] event in
                if case .bytes(let bytes) = event { stream?.write(Array(bytes)) } else { stream?.close() }
            }
        }
        let replies = Box<(Int, EventLoop.Stream?)>()
        for number in 0..<200 {
            Stream.connect(host: "127.0.0.1", port: listener.port, timeoutMillis: 30_000) { result in
                guard case .success(let stream) = result else { return replies.put((-1, nil)) }
                stream.startReading { event in
                    if case .bytes(let bytes) = event { replies.put((Int(bytes[0]), stream)) }
                }
                stream.write([UInt8(number)])
            }
        }
        var numbers: Set<Int> = []
        for _ in 0..<200 {
            let (number, stream) = await replies.take()
            numbers.insert(number)
            stream?.close()
        }
        #expect(numbers == Set(0..<200))
        #expect(servers.count == 200)
        listener.close()
    }

    private func connect(_ host: String, _ port: UInt16, _ millis: UInt64) async -> LoopError? {
        let result: Result<EventLoop.Stream, LoopError> = await callback {
            Stream.connect(host: host, port: port, timeoutMillis: millis, then: $0)
        }
        if case .failure(let error) = result { return error }
        return nil
    }
}
