import EventLoop
import HTTPTransfer
import Hashing
import OCIModel
import TestSupport
import Testing

@testable import OriginClient

/// What one blob fetch handed over.
@LoopActor
final class BlobRecorder {
    private(set) var bytes: [UInt8] = []

    func fetch(
        _ client: OriginClient,
        _ endpoint: OriginEndpoint,
        _ digest: Digest,
        _ range: ByteRange
    ) async -> Result<Void, OriginError> {
        guard let repository = RepositoryName("library/thing") else { return .failure(.notFound) }
        return await withCheckedContinuation { done in
            _ = client.fetchBlob(
                endpoint: endpoint,
                repository: repository,
                digest: digest,
                range: range,
                onBytes: { self.bytes += $0 },
                onEnd: { done.resume(returning: $0) }
            )
        }
    }
}

/// A client, a scripted registry and one blob.
@LoopActor
struct NastyRegistry {
    nonisolated static let content: [UInt8] = {
        var generator = SeededGenerator(seed: 3)
        return generator.bytes(count: 100_000)
    }()
    nonisolated static let digest = SHA256Hasher.hash(content)

    let server: ScriptedServer
    let client: OriginClient
    let endpoint: OriginEndpoint

    init(_ script: @escaping ScriptedServer.Script) throws {
        server = try ScriptedServer(script)
        var timeouts = OriginTimeouts()
        timeouts.transfer = .init(connect: 5_000, head: 5_000, stall: 1_000)
        client = OriginClient(timeouts: timeouts)
        let host = try #require(RegistryHost("registry.example"))
        endpoint = try #require(OriginEndpoint(registry: host, url: server.url))
    }

    func fetch(_ start: Int64 = 10_000, _ end: Int64 = 60_000) async throws -> ([UInt8], OriginError?) {
        let recorder = BlobRecorder()
        let range = try #require(ByteRange(start: start, end: end))
        let result = await recorder.fetch(client, endpoint, Self.digest, range)
        server.close()
        if case .failure(let error) = result { return (recorder.bytes, error) }
        return (recorder.bytes, nil)
    }

    func manifest(head: Bool = false, _ reference: String = "latest") async throws -> OriginManifest {
        let repository = try #require(RepositoryName("library/thing"))
        let reference = try #require(ManifestReference(reference))
        return try await client.manifest(
            endpoint: endpoint,
            repository: repository,
            reference: reference,
            head: head
        )
    }

    /// The right answer to a range request.
    static func part(_ request: ScriptedServer.Request, total: String = "100000") -> [ScriptedServer.Step] {
        let range = (request.header("range") ?? "").dropFirst("bytes=".count).split(separator: "-")
        guard range.count == 2, let first = Int(range[0]), let last = Int(range[1]) else {
            return .response(416)
        }
        return .response(
            206,
            headers: [("Content-Range", "bytes \(first)-\(last)/\(total)")],
            body: Array(content[first...last])
        )
    }
}

@Suite("Blobs from a registry that misbehaves")
struct NastyBlobTests {
    private static let wanted = Array(NastyRegistry.content[10_000..<60_000])

    @Test("a right answer, with a total or without one")
    @LoopActor func right() async throws {
        for total in ["100000", "*"] {
            let registry = try NastyRegistry { NastyRegistry.part($0, total: total) }
            let (bytes, error) = try await registry.fetch()
            #expect(error == nil)
            #expect(bytes == Self.wanted)
            #expect(registry.server.requests.first?.header("range") == "bytes=10000-59999")
            #expect(registry.server.requests.first?.header("accept-encoding") == "identity")
        }
    }

    @Test("a registry that ignores Range costs bytes, but the range comes out right")
    @LoopActor func ignoresRange() async throws {
        let registry = try NastyRegistry { _ in .response(200, body: NastyRegistry.content) }
        let (bytes, error) = try await registry.fetch()
        #expect(error == nil)
        #expect(bytes == Self.wanted)
        let counters = registry.client.counters[registry.endpoint.registry]
        #expect(counters?.bytes == 50_000)
        #expect(counters?.skippedBytes == 10_000)
    }

    @Test("a whole blob in chunks without a length is cut to the range")
    @LoopActor func chunked() async throws {
        let registry = try NastyRegistry { _ in
            let size = String(NastyRegistry.content.count, radix: 16)
            let body = Array("\(size)\r\n".utf8) + NastyRegistry.content + Array("\r\n".utf8)
            return .response(200, headers: [("Transfer-Encoding", "chunked")], body: body) + [.hang]
        }
        let (bytes, error) = try await registry.fetch()
        #expect(error == nil)
        #expect(bytes == Self.wanted)
    }

    @Test(
        "an answer that is not what was asked gives no byte and is not asked for again",
        arguments: [
            (206, ("Content-Range", "bytes 0-49999/100000"), 50_000, OriginError.BadContent.contentRange),
            (206, ("Content-Range", "bytes 10000-59998/100000"), 49_999, .contentRange),
            (206, ("Content-Range", "bytes 10000-60000/100000"), 50_001, .contentRange),
            (206, ("X", "y"), 50_000, .contentRange),
            (206, ("Content-Range", "bytes 10000-59999/100000"), 40_000, .contentLength),
            (200, ("X", "y"), 50_000, .contentLength),
            (200, ("Content-Encoding", "gzip"), 100_000, .contentEncoding),
            (200, ("Content-Type", "text/html; charset=utf-8"), 100_000, .contentType),
            (204, ("X", "y"), 0, .status(204)),
            (416, ("Content-Range", "bytes */5"), 0, .status(416)),
        ] as [(Int, (String, String), Int, OriginError.BadContent)]
    )
    @LoopActor func refuses(
        _ status: Int,
        _ header: (String, String),
        _ count: Int,
        _ expected: OriginError.BadContent
    ) async throws {
        let registry = try NastyRegistry { _ in
            .response(status, headers: [header], body: Array(NastyRegistry.content.prefix(count)))
        }
        let (bytes, error) = try await registry.fetch()
        #expect(error == .badContent(expected))
        #expect(bytes.isEmpty)
        #expect(registry.server.requests.count == 1)
    }

    @Test("a part in chunks that goes on too long gives the range and no byte more")
    @LoopActor func tooLong() async throws {
        let registry = try NastyRegistry { _ in
            let body = NastyRegistry.content[10_000..<70_000]
            let chunk =
                Array("\(String(body.count, radix: 16))\r\n".utf8) + body + Array("\r\n0\r\n\r\n".utf8)
            let headers = [("Transfer-Encoding", "chunked"), ("Content-Range", "bytes 10000-59999/100000")]
            return .response(206, headers: headers, body: chunk)
        }
        let (bytes, _) = try await registry.fetch()
        #expect(bytes == Self.wanted)
    }

    @Test("a connection that breaks off again and again is resumed where it broke")
    @LoopActor func resumes() async throws {
        var breaks = 3
        let registry = try NastyRegistry { request in
            guard breaks > 0 else { return NastyRegistry.part(request) }
            breaks -= 1
            guard case .send(let whole)? = NastyRegistry.part(request).first else { return [.close] }
            return [.send(Array(whole.prefix(15_000))), .close]
        }
        let (bytes, error) = try await registry.fetch()
        #expect(error == nil)
        #expect(bytes == Self.wanted)
        #expect(registry.server.requests.count == 4)
        #expect(Set(registry.server.requests.compactMap { $0.header("range") }).count == 4)
    }

    @Test("a registry that stalls in the body is left and asked again")
    @LoopActor func stalls() async throws {
        var stalls = 1
        let registry = try NastyRegistry { request in
            guard stalls > 0, case .send(let whole)? = NastyRegistry.part(request).first else {
                return NastyRegistry.part(request)
            }
            stalls -= 1
            return [.send(Array(whole.prefix(9_000))), .hang]
        }
        let (bytes, error) = try await registry.fetch()
        #expect(error == nil)
        #expect(bytes == Self.wanted)
    }

    @Test("a registry that only ever breaks off is given up after three retries")
    @LoopActor func givesUp() async throws {
        let registry = try NastyRegistry { _ in [.close] }
        let (bytes, error) = try await registry.fetch()
        #expect(bytes.isEmpty)
        guard case .unreachable? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(registry.server.requests.count == 4)
        #expect(registry.client.counters[registry.endpoint.registry]?.failures == 1)
    }

    @Test("a burst of 500 and 503 passes", arguments: [500, 502, 503, 504, 408, 429])
    @LoopActor func bursts(_ status: Int) async throws {
        var burst = 2
        let registry = try NastyRegistry { request in
            burst -= 1
            return burst >= 0
                ? .response(status, body: Array("{\"errors\":[]}".utf8)) : NastyRegistry.part(request)
        }
        let (bytes, error) = try await registry.fetch()
        #expect(error == nil)
        #expect(bytes == Self.wanted)
        #expect(registry.client.counters[registry.endpoint.registry]?.retries == 2)
        #expect(Set(registry.server.requests.map(\.connection)) == [0])
    }

    @Test("a rate limit with a long Retry-After is reported at once, and its body is not content")
    @LoopActor func rateLimited() async throws {
        let registry = try NastyRegistry { _ in
            .response(429, headers: [("Retry-After", "3600")], body: NastyRegistry.content)
        }
        let (bytes, error) = try await registry.fetch()
        #expect(error == .rateLimited(retryAfterMillis: 3_600_000))
        #expect(bytes.isEmpty)
        #expect(registry.server.requests.count == 1)
    }

    @Test(
        "what the registry refuses is not asked for twice",
        arguments: [(404, OriginError.notFound), (403, .denied(status: 403)), (401, .denied(status: 401))]
    )
    @LoopActor func refusals(_ status: Int, _ expected: OriginError) async throws {
        let registry = try NastyRegistry { _ in
            .response(status, headers: [("WWW-Authenticate", "Basic realm=x")])
        }
        let (_, error) = try await registry.fetch()
        #expect(error == expected)
        #expect(registry.server.requests.count == 1)
    }
}
