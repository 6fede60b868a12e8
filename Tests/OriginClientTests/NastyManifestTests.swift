import EventLoop
import Hashing
import OCIModel
import TestSupport
import Testing

@testable import OriginClient

@Suite("Manifests from a registry that misbehaves")
struct NastyManifestTests {
    private static let text = Array(#"{"schemaVersion":2}"#.utf8)
    private static let digest = SHA256Hasher.hash(text)
    private static let type = ("Content-Type", "application/vnd.oci.image.manifest.v1+json; charset=utf-8")

    @Test("a manifest comes with its digest computed and its type without parameters")
    @LoopActor func right() async throws {
        let registry = try NastyRegistry { _ in
            .response(
                200,
                headers: [Self.type, ("Docker-Content-Digest", "\(Self.digest)")],
                body: Self.text
            )
        }
        let manifest = try await registry.manifest()
        #expect(manifest.digest == Self.digest)
        #expect(manifest.mediaType == .ociManifest)
        #expect(manifest.bytes == Self.text)
        #expect(registry.server.requests.first?.target == "/v2/library/thing/manifests/latest")
        #expect(registry.server.requests.first?.header("accept")?.split(separator: ",").count == 5)
    }

    @Test("HEAD believes complete headers and fetches the manifest when they are not")
    @LoopActor func head() async throws {
        let digest = ("Docker-Content-Digest", "\(Self.digest)")
        for (headers, methods) in [([Self.type, digest], ["HEAD"]), ([Self.type], ["HEAD", "GET"])] {
            let registry = try NastyRegistry { request in
                .response(200, headers: headers, body: Self.text, isHead: request.method == "HEAD")
            }
            let manifest = try await registry.manifest(head: true)
            #expect(
                manifest
                    == OriginManifest(
                        mediaType: .ociManifest,
                        digest: Self.digest,
                        bytes: [],
                        size: Int64(Self.text.count)
                    )
            )
            #expect(registry.server.requests.map(\.method) == methods)
        }
    }

    @Test("bytes that do not match a stated digest or the digest asked for are refused")
    @LoopActor func digests() async throws {
        let other = SHA256Hasher.hash(Array("other".utf8))
        let lying = try NastyRegistry { _ in
            .response(200, headers: [Self.type, ("Docker-Content-Digest", "\(other)")], body: Self.text)
        }
        await #expect(throws: OriginError.badContent(.digest)) { try await lying.manifest() }
        let wrong = try NastyRegistry { _ in .response(200, headers: [Self.type], body: Self.text) }
        await #expect(throws: OriginError.badContent(.digest)) { try await wrong.manifest("\(other)") }
        let lyingHead = try NastyRegistry { _ in
            .response(
                200,
                headers: [Self.type, ("Docker-Content-Digest", "\(other)")],
                body: Self.text,
                isHead: true
            )
        }
        await #expect(throws: OriginError.badContent(.digest)) {
            try await lyingHead.manifest(head: true, "\(Self.digest)")
        }
    }

    @Test("pages, other text, missing types, encodings and endless bodies are no manifests")
    @LoopActor func refuses() async throws {
        let cases: [([(String, String)], [UInt8], OriginError.BadContent)] = [
            ([("Content-Type", "text/html")], Self.text, .contentType),
            ([("Content-Type", "nonsense")], Self.text, .contentType),
            ([], Self.text, .contentType),
            ([Self.type], Array("<html>".utf8), .notJSON),
            ([Self.type], [], .notJSON),
            ([Self.type], [UInt8](repeating: 0x20, count: (4 << 20) + 1), .tooLong),
        ]
        for (headers, body, expected) in cases {
            let registry = try NastyRegistry { _ in .response(200, headers: headers, body: body) }
            await #expect(throws: OriginError.badContent(expected)) { try await registry.manifest() }
            #expect(registry.server.requests.count == 1)
        }
    }

    @Test("a cancelled task ends its request at once")
    @LoopActor func cancels() async throws {
        let registry = try NastyRegistry { _ in [.hang] }
        let pending = Task { @LoopActor in try await registry.manifest() }
        try await eventually("the request arrives") { registry.server.requests.count == 1 }
        pending.cancel()
        await #expect(throws: OriginError.cancelled) { try await pending.value }
        #expect(registry.client.counters[registry.endpoint.registry]?.failures ?? 0 == 0)
    }

    @Test("an encoded manifest arrives decoded, and one that says so and is not encoded does not arrive")
    @LoopActor func encoded() async throws {
        let folder = try TemporaryFolder("gzip")
        try folder.write("manifest", Self.text)
        try await ChildProcess.check(["gzip", "-n", "manifest"], folder: folder.path)
        let packed = try folder.read("manifest.gz")
        let digest = ("Docker-Content-Digest", "\(Self.digest)")
        let registry = try NastyRegistry { request in
            let headers = [Self.type, digest, ("Content-Encoding", "gzip")]
            return .response(200, headers: headers, body: packed, isHead: request.method == "HEAD")
        }
        #expect(try await registry.manifest().bytes == Self.text)
        // The length of the encoded bytes is not the manifest's.
        #expect(try await registry.manifest(head: true).size == Int64(Self.text.count))
        #expect(registry.server.requests.map(\.method) == ["GET", "HEAD", "GET"])
        let lying = try NastyRegistry { _ in
            .response(200, headers: [Self.type, digest, ("Content-Encoding", "gzip")], body: Self.text)
        }
        await #expect(throws: OriginError.self) { try await lying.manifest() }
    }

    @Test("a blob's size is what HEAD says, or an error when it says nothing")
    @LoopActor func sizes() async throws {
        let repository = try #require(RepositoryName("library/thing"))
        for (headers, expected) in [([("Content-Length", "123456789012")], 123_456_789_012), ([], nil)]
            as [([(String, String)], Int64?)]
        {
            let registry = try NastyRegistry { _ in
                expected == nil
                    ? .response(200, headers: [("Transfer-Encoding", "chunked")], isHead: true)
                    : .response(200, headers: headers, isHead: true)
            }
            let size = try? await registry.client.blobSize(
                endpoint: registry.endpoint,
                repository: repository,
                digest: NastyRegistry.digest
            )
            #expect(size == expected)
        }
    }
}
