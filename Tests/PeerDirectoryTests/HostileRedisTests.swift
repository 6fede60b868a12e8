import EventLoop
import PieceModel
import TestSupport
import Testing

@testable import PeerDirectory

@Suite("what a Redis server sends is a stranger's word", .serialized, .timeLimit(.minutes(1)))
@LoopActor
struct HostileRedisTests {
    private func read(_ text: String) throws -> [RedisReply] {
        let reader = RedisReader()
        try Array(text.utf8).withUnsafeBytes { try reader.feed($0) }
        var replies: [RedisReply] = []
        while let reply = try reader.next() { replies.append(reply) }
        return replies
    }

    @Test("every kind of reply is read")
    func kinds() throws {
        let text = "+OK\r\n:-7\r\n$4\r\na\r\nb\r\n$-1\r\n*2\r\n:1\r\n$1\r\nx\r\n*0\r\n"
        #expect(
            try read(text) == [
                .bytes(Array("OK".utf8)), .integer(-7), .bytes([0x61, 0x0D, 0x0A, 0x62]), .nothing,
                .array([.integer(1), .bytes([0x78])]), .array([]),
            ])
    }

    @Test("of an error only its code is kept: the rest may repeat a password")
    func errors() throws {
        #expect(try read("-ERR unknown command 'AUTH', with args beginning with: 'secret'\r\n") == [.refused("ERR")])
        #expect(try read("-secret\r\n") == [.refused("an error")])
        #expect(try read("-\r\n") == [.refused("an error")])
    }

    @Test(
        "what no answer may be is an error, and takes no memory",
        arguments: [
            "*2147483647\r\n", "*8193\r\n", "*1\r\n*1\r\n:1\r\n", "*99999999999999999999\r\n", "*-5\r\n", "HTTP/1.1 400\r\n\r\n",
            "$-7\r\n", "%1\r\n", "\u{0}", "*1\r\n?\r\n",
        ])
    func refused(bytes: String) {
        #expect(throws: RedisProtocolError.self) { try read(bytes) }
    }

    @Test("a reply that never ends is an error once it is larger than any answer")
    func endless() throws {
        let reader = RedisReader()
        let part = [UInt8](repeating: UInt8(ascii: "a"), count: 100_000)
        try Array("$900000000\r\n".utf8).withUnsafeBytes { try reader.feed($0) }
        #expect(throws: RedisProtocolError.self) {
            for _ in 0..<20 {
                try part.withUnsafeBytes { try reader.feed($0) }
                _ = try reader.next()
            }
        }
    }

    @Test("noise is read to its end or refused", arguments: UInt64(0)..<20)
    func noise(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let alphabet = Array("*$:+-0123456789\r\n".utf8)
        for _ in 0..<300 {
            let text = (0..<40).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            // Reading it is the test: it must not trap.
            _ = try? read(String(decoding: text, as: UTF8.self))
        }
    }

    @Test(
        "an engine whose server answers nonsense says so, tells nobody, and tries again",
        arguments: [
            ":1\r\n", "*2\r\n:1\r\n:-1\r\n", "*1\r\n:1\r\n", "*2\r\n$1\r\na\r\n:1\r\n", "+OK\r\n", "*-1\r\n", "HTTP/1.1 200 OK\r\n",
        ])
    func nonsense(answer: String) async throws {
        let engine = try await listen(answer) { listener, engine in
            try await eventually("it says that it fails") { "\(engine.status.state)".contains("protocol") }
            #expect(listener.told.isEmpty)
        }
        await engine.stop()
    }

    @Test("of a list, what is no endpoint is left out")
    func junkEndpoints() async throws {
        let junk = ["10.1.0.1:4000", "", "a b:1", "\u{7}:1", "10.1.0.2:0", "10.1.0.0:4000", "10.1.0.1:4000"]
        let list = junk.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
        let engine = try await listen("*\(junk.count + 4)\r\n:1\r\n:9\r\n\(list):5\r\n$2\r\n\u{FC}\r\n") { listener, _ in
            try await listener.hears([Endpoints.node(1)])
        }
        await engine.stop()
    }

    /// Runs an engine against a server that gives every command the same answer.
    private func listen(
        _ answer: String, _ body: @LoopActor (Audience, RedisEngine) async throws -> Void
    ) async throws -> RedisEngine {
        let server = try Listener.tcp(host: "127.0.0.1", port: 0)
        var streams: [Stream] = []
        server.accept { stream in
            streams.append(stream)
            stream.startReading { [weak stream] event in
                if case .bytes = event { stream?.write(Array(answer.utf8)) }
            }
        }
        let address = try #require(RedisAddress("127.0.0.1:\(server.port)"))
        let name = try #require(PeerName("own"))
        var options = RedisOptions(servers: [address], cluster: "test", node: name)
        options.everyMillis = Endpoints.everyMillis
        let engine = RedisEngine(options, own: Endpoints.own)
        let listener = Audience()
        engine.start(listener.handlers)
        try await body(listener, engine)
        for stream in streams { stream.close() }
        server.close()
        return engine
    }
}
