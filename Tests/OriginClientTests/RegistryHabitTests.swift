import EventLoop
import HTTPTransfer
import Hashing
import OCIModel
import TestSupport
import Testing

@testable import OriginClient

/// How one registry product asks for tokens and where it keeps its blobs.
///
/// `REGISTRY` and `ELSEWHERE` stand for the two servers of a test: the registry itself, and the other hosts of its
/// operator.
struct RegistryHabit: Sendable, CustomTestStringConvertible {
    let name: String
    var host = "r.example"
    /// Behind the registry's host in `registry.url`.
    var path = ""
    var overridesPath = false
    var repository = "team/app"
    /// `nil`: anonymous requests are served.
    var challenge: String?
    /// What the token server is asked for, at either server.
    var tokenTarget: String?
    /// Where requests for the repository go.
    var api = "/v2/team/app"
    /// Where the registry sends a GET for a blob; `nil` when it sends the blob.
    var location: String?
    /// Where it sends one for a manifest.
    var manifestLocation: String?

    var testDescription: String { name }
}

extension RegistryHabit {
    static let all: [RegistryHabit] = [
        RegistryHabit(
            name: "Docker Hub", host: "docker.io", repository: "library/busybox",
            challenge: #"Bearer realm="ELSEWHERE/token",service="registry.docker.io",scope="repository:library/busybox:pull""#,
            tokenTarget: "/token?service=registry.docker.io&scope=repository:library/busybox:pull",
            api: "/v2/library/busybox", location: "ELSEWHERE/registry-v2/docker/data?verify=17-abc%3D"),
        RegistryHabit(
            name: "GHCR",
            challenge: #"Bearer realm="REGISTRY/token",service="ghcr.io",scope="repository:team/app:pull""#,
            tokenTarget: "/token?service=ghcr.io&scope=repository:team/app:pull",
            location: "ELSEWHERE/ghcr1/blobs/sha256:0?se=2026-01-01T00%3A00%3A00Z&sig=abc%2B&sp=r"),
        RegistryHabit(
            name: "Quay",
            challenge: #"Bearer realm="REGISTRY/v2/auth",service="quay.io",scope="repository:team/app:pull""#,
            tokenTarget: "/v2/auth?service=quay.io&scope=repository:team/app:pull",
            location: "ELSEWHERE/quayio-production-s3/sha256/00/0?username=&X-Amz-Signature=abc"),
        RegistryHabit(
            name: "Google Artifact Registry", repository: "project/repo/app",
            challenge: #"Bearer realm="REGISTRY/v2/token",service="REGISTRY",scope="repository:project/repo/app:pull""#,
            tokenTarget: "/v2/token?service=http://127.0.0.1:PORT&scope=repository:project/repo/app:pull",
            api: "/v2/project/repo/app", location: "/artifacts-downloads/namespaces/n/downloads/AB=="),
        RegistryHabit(
            name: "ACR",
            challenge: #"Bearer realm="REGISTRY/oauth2/token",service="acr.example",scope="repository:team/app:pull""#,
            tokenTarget: "/oauth2/token?service=acr.example&scope=repository:team/app:pull",
            location: "ELSEWHERE/container//docker/registry/v2/blobs/data?se=x&sig=y%3D&regid=z"),
        RegistryHabit(
            name: "ECR Public, whose scope is a word",
            challenge: #"Bearer realm="REGISTRY/token/",service="public.ecr.aws",scope="aws""#,
            tokenTarget: "/token/?service=public.ecr.aws&scope=repository:team/app:pull",
            location: "ELSEWHERE/12345-abc?X-Amz-Expires=3600"),
        RegistryHabit(
            name: "Harbor",
            challenge: #"Bearer realm="REGISTRY/service/token",service="harbor-registry",scope="repository:team/app:pull""#,
            tokenTarget: "/service/token?service=harbor-registry&scope=repository:team/app:pull"),
        RegistryHabit(
            name: "a Harbor project that caches Docker Hub", host: "docker.io", path: "/v2/hub-cache",
            overridesPath: true, repository: "library/busybox",
            challenge: #"Bearer realm="REGISTRY/service/token",service="harbor-registry",scope="repository:hub-cache/library/busybox:pull""#,
            tokenTarget: "/service/token?service=harbor-registry&scope=repository:hub-cache/library/busybox:pull",
            api: "/v2/hub-cache/library/busybox"),
        RegistryHabit(
            name: "Artifactory by path", path: "/artifactory/api/docker/hub-remote",
            challenge: #"Bearer realm="REGISTRY/artifactory/api/docker/hub-remote/v2/token",service="art.example""#,
            tokenTarget: "/artifactory/api/docker/hub-remote/v2/token?service=art.example&scope=repository:team/app:pull",
            api: "/artifactory/api/docker/hub-remote/v2/team/app", location: "ELSEWHERE/filestore/00/0?Signature=s"),
        RegistryHabit(
            name: "GitLab",
            challenge: #"Bearer realm="ELSEWHERE/jwt/auth",service="container_registry",scope="repository:team/app:pull",error="invalid_token""#,
            tokenTarget: "/jwt/auth?service=container_registry&scope=repository:team/app:pull",
            location: "ELSEWHERE/gitlab-registry/data?GoogleAccessId=a&Signature=b"),
        RegistryHabit(
            name: "registry.k8s.io, which is other registries", location: "ELSEWHERE/v2/prod/team/app/blob",
            manifestLocation: "ELSEWHERE/v2/prod/team/app/manifests/latest"),
        RegistryHabit(name: "a registry of one's own"),
    ]
}

@Suite("Registries as they are")
struct RegistryHabitTests {
    private static let manifest = Array(#"{"schemaVersion":2}"#.utf8)

    /// Either server's answer to a GET that may be answered.
    @LoopActor private static func content(_ request: ScriptedServer.Request) -> [ScriptedServer.Step] {
        if request.header("range") != nil { return NastyRegistry.part(request) }
        return .response(200, headers: [("Content-Type", MediaType.ociManifest.text)], body: manifest)
    }

    @Test("a public image comes from it", arguments: RegistryHabit.all)
    @LoopActor func pulls(_ habit: RegistryHabit) async throws {
        let token = Array(#"{"token":"t1","access_token":"t1","expires_in":300}"#.utf8)
        let elsewhere = try ScriptedServer { request in
            habit.tokenTarget == request.target ? .response(200, body: token) : Self.content(request)
        }
        defer { elsewhere.close() }
        var registry: ScriptedServer?
        func filled(_ text: String) -> String {
            text.replacing("REGISTRY", with: registry?.url ?? "").replacing("ELSEWHERE", with: elsewhere.url)
                .replacing("PORT", with: "\(registry?.port ?? 0)")
        }
        let server = try ScriptedServer { request in
            if let target = habit.tokenTarget, request.target == filled(target) { return .response(200, body: token) }
            guard request.target.hasPrefix(habit.api + "/") else { return Self.content(request) }
            if let challenge = habit.challenge, request.header("authorization") != "Bearer t1" {
                return .response(401, headers: [("WWW-Authenticate", filled(challenge))], body: Array("{}".utf8))
            }
            let place = request.target.contains("/blobs/") ? habit.location : habit.manifestLocation
            guard let place else { return Self.content(request) }
            return .response(307, headers: [("Location", filled(place))])
        }
        registry = server
        defer { server.close() }

        var options = OriginEndpoint.Options()
        options.url = server.url + habit.path
        options.overridesPath = habit.overridesPath
        let host = try #require(RegistryHost(habit.host))
        let endpoint = try #require(OriginEndpoint(host, options))
        let repository = try #require(RepositoryName(habit.repository))
        let client = OriginClient()
        let manifest = try await client.manifest(
            endpoint: endpoint, repository: repository, reference: .tag(.latest), head: false)
        #expect(manifest.bytes == Self.manifest)
        let range = try #require(ByteRange(start: 10_000, end: 60_000))
        let bytes = await Self.fetch(client, endpoint, repository, range)
        #expect(bytes == Array(NastyRegistry.content[10_000..<60_000]))

        let all = server.requests + elsewhere.requests
        if let target = habit.tokenTarget { #expect(all.filter { $0.target == filled(target) }.count == 1) }
        #expect(server.requests.contains { $0.target == habit.api + "/manifests/latest" })
        #expect(elsewhere.requests.allSatisfy { $0.header("authorization") == nil })
    }

    @Test("ECR asks for a password, which an anonymous client does not have")
    @LoopActor func basic() async throws {
        let registry = try NastyRegistry { _ in
            .response(401, headers: [("WWW-Authenticate", #"Basic realm="https://1234.dkr.ecr.example/",service="ecr""#)])
        }
        await #expect(throws: OriginError.denied(status: 401)) { try await registry.manifest() }
        #expect(registry.server.requests.count == 1)
    }

    @LoopActor private static func fetch(
        _ client: OriginClient, _ endpoint: OriginEndpoint, _ repository: RepositoryName, _ range: ByteRange
    ) async -> [UInt8] {
        var bytes: [UInt8] = []
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            _ = client.fetchBlob(
                endpoint: endpoint, repository: repository, digest: NastyRegistry.digest, range: range,
                onBytes: { bytes += $0 }, onEnd: { _ in done.resume() })
        }
        return bytes
    }
}
