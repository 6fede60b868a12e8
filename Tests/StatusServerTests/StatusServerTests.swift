import EventLoop
import StatusServer
import TestSupport
import Testing

@Suite("The status port", .timeLimit(.minutes(1)))
struct StatusServerTests {
    @LoopActor private static func start() throws -> StatusServer {
        let server = StatusServer { path in
            switch path {
            case "/a": StatusAnswer(.ok, "first\nsecond")
            case "/ill": StatusAnswer(.unavailable, "not ready: because")
            default: StatusAnswer(.notFound, "no \(path)")
            }
        }
        try server.start(host: "127.0.0.1", port: 0)
        return server
    }

    private static func curl(_ arguments: String..., port: UInt16, path: String) async throws -> [String] {
        let output = try await ChildProcess.run(
            ["curl", "--silent", "--show-error", "--write-out", "%{http_code} %{content_type}"] + arguments
                + ["http://127.0.0.1:\(port)\(path)"])
        return output.text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(String.init)
    }

    @Test("GET gets what is there, whatever the query, with a line feed behind it")
    func get() async throws {
        let server = try await Self.start()
        let port = await server.port
        for path in ["/a", "/a?x=y"] {
            let answer = try await Self.curl(port: port, path: path)
            #expect(answer == ["first", "second", "200 text/plain; charset=utf-8"])
        }
        #expect(try await Self.curl(port: port, path: "/ill").first == "not ready: because")
        #expect(try await Self.curl(port: port, path: "/ill").last?.hasPrefix("503 ") == true)
        #expect(try await Self.curl(port: port, path: "/b").last?.hasPrefix("404 ") == true)
        await server.close()
    }

    @Test("HEAD gets the same without the body, other methods and wrong requests are refused")
    func others() async throws {
        let server = try await Self.start()
        let port = await server.port
        let head = try await Self.curl("--head", port: port, path: "/a")
        #expect(head.contains("Content-Length: 13") && head.contains("Connection: close") && !head.contains("first"))
        let post = try await Self.curl("--request", "POST", "--include", port: port, path: "/a")
        #expect(post.contains("Allow: GET, HEAD") && post.last?.hasPrefix("405 ") == true, "\(post)")
        let padding = String(repeating: "a", count: 20_000)
        let large = try await Self.curl("--header", "X-Pad: \(padding)", port: port, path: "/a")
        #expect(large.last?.hasPrefix("400 ") == true, "\(large)")
        await server.close()
        #expect(!FreePort.isListening(port))
    }

    @Test("those who connect and say nothing keep nobody else out for long, and no more than the bound")
    func crowd() async throws {
        let server = try await Self.start()
        let port = await server.port
        var silent: [Stream] = []
        for _ in 0..<StatusServer.connectionsMax { silent.append(try await Self.connect(port)) }
        let shed = try await Self.connect(port)
        #expect(await Self.ends(shed), "one more than the bound is closed at once")
        for stream in silent { await stream.close() }
        try await eventually("there is room again") {
            try await Self.curl(port: port, path: "/a").last?.hasPrefix("200 ") == true
        }
        await server.close()
    }

    @LoopActor private static func connect(_ port: UInt16) async throws -> Stream {
        let result = await withCheckedContinuation { continuation in
            Stream.connect(host: "127.0.0.1", port: port, timeoutMillis: 5_000) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    @LoopActor private static func ends(_ stream: Stream) async -> Bool {
        let isEnd = await withCheckedContinuation { continuation in
            stream.startReading { event in
                stream.stopReading()
                switch event {
                case .bytes: continuation.resume(returning: false)
                case .end, .failed: continuation.resume(returning: true)
                }
            }
        }
        stream.close()
        return isEnd
    }
}
