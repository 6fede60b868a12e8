import EventLoop
import HTTPTransfer
import OCIModel
import TestSupport
import Testing

@testable import OriginClient

@Suite("Links to content networks")
struct LinkTests {
    private static let wanted = Array(NastyRegistry.content[10_000..<60_000])

    /// A registry whose blobs are elsewhere, behind a new link for each request.
    @LoopActor private static func registry(to network: ScriptedServer) throws -> NastyRegistry {
        var links = 0
        return try NastyRegistry { _ in
            links += 1
            return .response(307, headers: [("Location", "\(network.url)/blob?X-Signature=\(links)")])
        }
    }

    @LoopActor private static func size(_ registry: NastyRegistry) async throws(OriginError) -> Int64 {
        guard let repository = RepositoryName("library/thing") else { throw .notFound }
        return try await registry.client.blobSize(
            endpoint: registry.endpoint, repository: repository, digest: NastyRegistry.digest)
    }

    @Test("a link that has expired is asked for again", arguments: [400, 401, 403, 410])
    @LoopActor func expired(_ status: Int) async throws {
        let network = try ScriptedServer { request in
            request.target.hasSuffix("=1")
                ? .response(status, body: Array("<Error>Request has expired</Error>".utf8)) : NastyRegistry.part(request)
        }
        defer { network.close() }
        let registry = try Self.registry(to: network)
        let (bytes, error) = try await registry.fetch()
        #expect(error == nil)
        #expect(bytes == Self.wanted)
        #expect(network.requests.map(\.target) == ["/blob?X-Signature=1", "/blob?X-Signature=2"])
    }

    @Test("a link that expires in the middle of a blob is asked for again, and the rest follows")
    @LoopActor func expiresLater() async throws {
        let network = try ScriptedServer { request in
            if request.target.hasSuffix("=2") { return .response(403) }
            guard request.target.hasSuffix("=1") else { return NastyRegistry.part(request) }
            let head = "HTTP/1.1 206 x\r\nContent-Length: 50000\r\nContent-Range: bytes 10000-59999/100000\r\n\r\n"
            return [.send(Array(head.utf8) + Self.wanted.prefix(20_000)), .close]
        }
        defer { network.close() }
        let registry = try Self.registry(to: network)
        let (bytes, error) = try await registry.fetch()
        #expect(error == nil)
        #expect(bytes == Self.wanted)
        #expect(network.requests.map { $0.target.suffix(1) } == ["1", "2", "3"])
        #expect(network.requests.last?.header("range") == "bytes=30000-59999")
    }

    @Test("links that are always refused end the fetch")
    @LoopActor func alwaysRefused() async throws {
        let network = try ScriptedServer { _ in .response(403) }
        defer { network.close() }
        let registry = try Self.registry(to: network)
        #expect(try await registry.fetch().1 == .linkRefused(status: 403))
        #expect(network.requests.count == 2)
    }

    @Test("a network that refuses HEAD tells the size with the first byte", arguments: [400, 403, 405, 501])
    @LoopActor func headRefused(_ status: Int) async throws {
        let network = try ScriptedServer { request in
            request.method == "HEAD" ? .response(status, isHead: true) : NastyRegistry.part(request)
        }
        defer { network.close() }
        let registry = try Self.registry(to: network)
        #expect(try await Self.size(registry) == 100_000)
        #expect(network.requests.map(\.method) == ["HEAD", "GET"])
        #expect(network.requests.last?.header("range") == "bytes=0-0")
    }

    @Test("a registry that knows no HEAD is asked for the first byte, and may ignore that it is one")
    @LoopActor func noHead() async throws {
        for ignoresRange in [false, true] {
            let registry = try NastyRegistry { request in
                if request.method == "HEAD" { return .response(405, isHead: true) }
                return ignoresRange ? .response(200, body: NastyRegistry.content) : NastyRegistry.part(request)
            }
            #expect(try await Self.size(registry) == 100_000)
        }
    }

    @Test("a manifest that HEAD does not give is fetched")
    @LoopActor func manifestWithoutHead() async throws {
        let type = ("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        let registry = try NastyRegistry { request in
            request.method == "HEAD" ? .response(405, isHead: true) : .response(200, headers: [type], body: Array("{}".utf8))
        }
        #expect(try await registry.manifest(head: true).size == 2)
    }

    @Test("what a registry says of its rate limit is kept, also when it refuses")
    @LoopActor func rateLimits() async throws {
        let registry = try NastyRegistry { request in
            let left = request.header("range") == nil ? 0 : 76
            let headers = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "\(left);w=21600")]
            guard left > 0 else { return .response(429, headers: headers + [("Retry-After", "40")]) }
            let body = Array(NastyRegistry.content[10_000..<60_000])
            return .response(206, headers: headers + [("Content-Range", "bytes 10000-59999/100000")], body: body)
        }
        #expect(try await registry.fetchKeepingServer() == nil)
        let said = try #require(registry.client.rateLimits[registry.endpoint.registry])
        #expect(said.limit == 100 && said.remaining == 76 && said.windowSeconds == 21_600)
        await #expect(throws: OriginError.rateLimited(retryAfterMillis: 40_000)) { try await registry.manifest() }
        #expect(registry.client.rateLimits[registry.endpoint.registry]?.remaining == 0)
    }

    @Test("a registry that wants to be left alone for long is not asked meanwhile")
    @LoopActor func quiet() async throws {
        let registry = try NastyRegistry { _ in .response(429, headers: [("Retry-After", "40")]) }
        await #expect(throws: OriginError.rateLimited(retryAfterMillis: 40_000)) { try await registry.manifest() }
        for _ in 0..<3 {
            let error = await #expect(throws: OriginError.self) { try await registry.manifest() }
            guard case .rateLimited(let left?)? = error, left <= 40_000 else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
        #expect(registry.server.requests.count == 1)
        guard case .rateLimited? = try await registry.fetchKeepingServer() else {
            Issue.record("a blob was asked for")
            return
        }
        #expect(registry.server.requests.count == 1)
    }

    @Test("a quiet time ends, and cannot be long")
    func quietTime() {
        let time = QuietTime(error: .serverFailed(status: 503, retryAfterMillis: nil), endNanoseconds: 5_000_000_000)
        #expect(time.error(nowNanoseconds: 0) == .serverFailed(status: 503, retryAfterMillis: 5000))
        #expect(time.error(nowNanoseconds: 5_000_000_000) == nil)
    }

    @Test("a server that sends a token or a manifest a byte at a time is left at the deadline")
    @LoopActor func drips() async throws {
        let drip: [ScriptedServer.Step] =
            [.send(Array("HTTP/1.1 200 x\r\nContent-Length: 1000\r\n\r\n".utf8))]
            + Array(repeating: [ScriptedServer.Step.send([0x20]), .pause(milliseconds: 100)], count: 200)
            .flatMap(\.self)
        let slow = try ScriptedServer { _ in drip }
        defer { slow.close() }
        let registry = try NastyRegistry { _ in
            .response(401, headers: [("WWW-Authenticate", #"Bearer realm="\#(slow.url)/token""#)])
        }
        var timeouts = OriginTimeouts()
        timeouts.token.total = 700
        timeouts.manifestTotal = 700
        let client = OriginClient(timeouts: timeouts)
        let hasty = NastyRegistry(server: registry.server, client: client, endpoint: registry.endpoint)
        guard case .unreachable(let error)? = try await hasty.fetchKeepingServer() else {
            Issue.record("the token arrived")
            return
        }
        #expect(error.kind == .timedOut(.body))
    }
}

extension NastyRegistry {
    /// The same registry for another client.
    init(server: ScriptedServer, client: OriginClient, endpoint: OriginEndpoint) {
        self.server = server
        self.client = client
        self.endpoint = endpoint
    }

    /// The error of a fetch, if any; the server goes on.
    func fetchKeepingServer() async throws -> OriginError? {
        let range = try #require(ByteRange(start: 10_000, end: 60_000))
        let result = await BlobRecorder().fetch(client, endpoint, Self.digest, range)
        if case .failure(let error) = result { return error }
        return nil
    }
}
