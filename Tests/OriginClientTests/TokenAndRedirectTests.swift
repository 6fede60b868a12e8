import EventLoop
import HTTPTransfer
import OCIModel
import TestSupport
import Testing

@testable import OriginClient

@Suite("Tokens")
struct TokenFlowTests {
    @LoopActor private final class Accepted {
        var value = "Bearer t1"
    }

    /// A registry that wants a token of `realm`, and one blob behind it.
    @LoopActor private static func registry(
        realm: @escaping @LoopActor () -> String,
        accepts: @escaping @LoopActor (String) -> Bool
    ) throws -> NastyRegistry {
        try NastyRegistry { request in
            if let value = request.header("authorization"), accepts(value) {
                return NastyRegistry.part(request)
            }
            let challenge = #"Bearer realm="\#(realm())",service="registry",scope="repository:x:pull,push""#
            return .response(401, headers: [("WWW-Authenticate", challenge)], body: Array("{}".utf8))
        }
    }

    /// What that registry says.
    private static func challenge(realm: String) -> BearerChallenge? {
        BearerChallenge(realm: realm, service: "registry", scope: "repository:x:pull,push")
    }

    @LoopActor private static func fetchMany(_ registry: NastyRegistry, _ count: Int) async throws {
        let range = try #require(ByteRange(start: 0, end: 1000))
        let fetches = (0..<count).map { _ in
            Task { @LoopActor in
                await BlobRecorder().fetch(registry.client, registry.endpoint, NastyRegistry.digest, range)
            }
        }
        for fetch in fetches { try await fetch.value.get() }
    }

    @Test("one token serves all fetches of a repository, and is asked for once, for reading only")
    @LoopActor func shared() async throws {
        let tokens = try ScriptedServer { _ in
            .response(200, body: Array(#"{"token":"t1","expires_in":300}"#.utf8))
        }
        defer { tokens.close() }
        let registry = try Self.registry(realm: { tokens.url + "/token" }, accepts: { $0 == "Bearer t1" })
        defer { registry.server.close() }
        try await Self.fetchMany(registry, 5)
        try await Self.fetchMany(registry, 3)
        #expect(
            tokens.requests.map(\.target) == ["/token?service=registry&scope=repository:library/thing:pull"]
        )
        #expect(tokens.requests.first?.header("authorization") == nil)
        #expect(registry.client.counters[registry.endpoint.registry]?.tokenRequests == 1)
        // Of the five at once each may have been told to get a token; of the three after none.
        #expect(registry.server.requests.suffix(3).allSatisfy { $0.header("authorization") == "Bearer t1" })
    }

    @Test("a token the registry no longer takes is replaced once")
    @LoopActor func replaced() async throws {
        var number = 0
        let tokens = try ScriptedServer { _ in
            number += 1
            return .response(200, body: Array(#"{"access_token":"t\#(number)"}"#.utf8))
        }
        defer { tokens.close() }
        let accepted = Accepted()
        let registry = try Self.registry(realm: { tokens.url }, accepts: { $0 == accepted.value })
        defer { registry.server.close() }
        try await Self.fetchMany(registry, 1)
        accepted.value = "Bearer t2"
        try await Self.fetchMany(registry, 1)
        #expect(number == 2)
        accepted.value = "nothing"
        let challenge = Self.challenge(realm: tokens.url)
        await #expect(throws: OriginError.denied(status: 401, challenge: challenge)) {
            try await Self.fetchMany(registry, 1)
        }
        #expect(number == 3)
    }

    @Test(
        "a realm on another scheme or at a metadata address is never asked",
        arguments: [
            ("ftp://127.0.0.1/token", OriginError.refused(.challenge)),
            ("http://169.254.169.254/token", .refused(.address)),
            ("http://[::ffff:169.254.169.254]/token", .refused(.address)),
            ("http://0.0.0.0/token", .refused(.address)), ("not a url", .refused(.challenge)),
        ] as [(String, OriginError)]
    )
    @LoopActor func realms(_ realm: String, _ expected: OriginError) async throws {
        let registry = try Self.registry(realm: { realm }, accepts: { _ in false })
        defer { registry.server.close() }
        await #expect(throws: expected) { try await Self.fetchMany(registry, 1) }
        #expect(registry.server.requests.count == 1)
    }

    @Test("a token server's failure is the fetch's failure, and an unusable token is none")
    @LoopActor func failures() async throws {
        let cases: [(Int, String, OriginError)] = [
            (403, "{}", .denied(status: 403)), (404, "{}", .denied(status: 401)), (200, "<html>", .badContent(.notJSON)),
            (200, #"{"token":"a\nb"}"#, .badContent(.token)),
        ]
        for (status, body, expected) in cases {
            let tokens = try ScriptedServer { _ in .response(status, body: Array(body.utf8)) }
            defer { tokens.close() }
            let registry = try Self.registry(realm: { tokens.url }, accepts: { _ in false })
            defer { registry.server.close() }
            let challenge = Self.challenge(realm: tokens.url)
            let told = expected.challenged(by: challenge)
            await #expect(throws: told) { try await Self.fetchMany(registry, 1) }
            #expect(tokens.requests.count == 1)
        }
    }
}

@Suite("Redirects")
struct RedirectTests {
    @Test("a blob behind a redirect to another port arrives, and the token does not go there")
    @LoopActor func strips() async throws {
        let store = try ScriptedServer { NastyRegistry.part($0) }
        defer { store.close() }
        let tokens = try ScriptedServer { _ in .response(200, body: Array(#"{"token":"secret"}"#.utf8)) }
        defer { tokens.close() }
        let registry = try NastyRegistry { request in
            guard request.header("authorization") != nil else {
                return .response(401, headers: [("WWW-Authenticate", #"Bearer realm="\#(tokens.url)""#)])
            }
            return .response(307, headers: [("Location", store.url + "/bucket/x?signature=1")])
        }
        let (bytes, error) = try await registry.fetch()
        #expect(error == nil)
        #expect(bytes == Array(NastyRegistry.content[10_000..<60_000]))
        #expect(store.requests.map(\.target) == ["/bucket/x?signature=1"])
        #expect(store.requests.first?.header("authorization") == nil)
        #expect(store.requests.first?.header("range") == "bytes=10000-59999")
    }

    @Test("a redirect loop ends after three")
    @LoopActor func loops() async throws {
        let registry = try NastyRegistry { _ in .response(302, headers: [("Location", "/v2/again")]) }
        let (bytes, error) = try await registry.fetch()
        #expect(error == .refused(.tooManyRedirects))
        #expect(bytes.isEmpty)
        #expect(registry.server.requests.count == 4)
    }

    @Test(
        "a redirect to another scheme, a metadata address or nowhere is refused",
        arguments: [
            ("file:///etc/passwd", OriginError.refused(.badLocation)),
            ("gopher://127.0.0.1/", .refused(.badLocation)),
            ("http://169.254.169.254/latest/meta-data", .refused(.address)),
            ("http://[fe80::1]/", .refused(.address)),
            ("http://2852039166/", .refused(.address)),
        ] as [(String, OriginError)]
    )
    @LoopActor func refuses(_ location: String, _ expected: OriginError) async throws {
        let registry = try NastyRegistry { _ in .response(307, headers: [("Location", location)]) }
        let (_, error) = try await registry.fetch()
        #expect(error == expected)
    }

    @Test("a 401 of a redirect target asks for no token")
    @LoopActor func foreignChallenge() async throws {
        let store = try ScriptedServer { _ in
            .response(401, headers: [("WWW-Authenticate", #"Bearer realm="http://127.0.0.1:1/""#)])
        }
        defer { store.close() }
        let registry = try NastyRegistry { _ in .response(307, headers: [("Location", store.url)]) }
        let (_, error) = try await registry.fetch()
        #expect(error == .linkRefused(status: 401))
        // The link may have expired, so the registry was asked for another one.
        #expect(store.requests.count == 2)
        #expect(registry.client.counters[registry.endpoint.registry]?.tokenRequests == 0)
    }
}

@Suite("Control of blob transfers")
struct BlobControlTests {
    @Test("a paused fetch gives nothing, a resumed one the rest, a cancelled one no end")
    @LoopActor func controls() async throws {
        let registry = try NastyRegistry { NastyRegistry.part($0) }
        defer { registry.server.close() }
        let repository = try #require(RepositoryName("library/thing"))
        let range = try #require(ByteRange(start: 0, end: 100_000))
        let timer = LoopTimer()
        var received = 0
        var receivedAtResume = 0
        var receivedAtPause = 0
        var transfer: OriginTransfer?
        let result = await withCheckedContinuation { done in
            transfer = registry.client.fetchBlob(
                endpoint: registry.endpoint,
                repository: repository,
                digest: NastyRegistry.digest,
                range: range,
                onBytes: { bytes in
                    received += bytes.count
                    guard receivedAtPause == 0 else { return }
                    receivedAtPause = received
                    transfer?.pause()
                    timer.start(after: 1_500) {
                        receivedAtResume = received
                        transfer?.resume()
                    }
                },
                onEnd: { done.resume(returning: $0) }
            )
        }
        try result.get()
        #expect(received == 100_000)
        #expect(receivedAtPause == receivedAtResume)

        var calls = 0
        let cancelled = registry.client.fetchBlob(
            endpoint: registry.endpoint,
            repository: repository,
            digest: NastyRegistry.digest,
            range: range,
            onBytes: { _ in calls += 1 },
            onEnd: { _ in calls += 1 }
        )
        cancelled.cancel()
        _ = try await registry.fetch()
        #expect(calls == 0)
    }

    @Test(
        "a registry is sent no more blob transfers than allowed, and a manifest does not wait for them"
    )
    @LoopActor func slots() async throws {
        let registry = try NastyRegistry { request in
            request.target.contains("manifests") ? .response(404) : [.hang]
        }
        defer { registry.server.close() }
        let endpoint = try #require(
            OriginEndpoint(
                registry: registry.endpoint.registry,
                url: registry.server.url,
                transfersMax: 2
            )
        )
        let repository = try #require(RepositoryName("library/thing"))
        let range = try #require(ByteRange(start: 0, end: 10))
        let transfers = (0..<5).map { _ in
            registry.client.fetchBlob(
                endpoint: endpoint,
                repository: repository,
                digest: NastyRegistry.digest,
                range: range,
                onBytes: { _ in },
                onEnd: { _ in }
            )
        }
        try await eventually("two transfers arrive") { registry.server.requests.count == 2 }
        await #expect(throws: OriginError.notFound) { try await registry.manifest() }
        #expect(registry.server.requests.count == 3)
        transfers[0].cancel()
        transfers[4].cancel()
        try await eventually("the next one follows") { registry.server.requests.count == 4 }
        for transfer in transfers { transfer.cancel() }
    }
}
