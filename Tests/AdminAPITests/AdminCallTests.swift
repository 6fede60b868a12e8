import AdminAPI
import EventLoop
import Glibc
import TestSupport
import Testing

/// A node of fixed answers.
private struct FixedNode: AdminService {
    func status() async -> NodeStatus {
        var status = NodeStatus()
        status.name = "node-a"
        status.uptimeSeconds = 61
        status.draining = true
        status.uploadedBytes = 9
        status.uploadedWireBytes = 8
        status.uploadedCompressedBytes = 7
        status.cache.quotaBytes = 20 << 30
        status.mirror.cutShort = 3
        status.mirror.staleTagsServed = 4
        var source = SourceBytes()
        source.source = "node-b"
        source.isPeer = true
        source.contentBytes = 1 << 40
        source.wireBytes = 1 << 39
        source.compressedBytes = 1 << 38
        status.received = [source]
        var discovery = DiscoveryReport()
        discovery.source = "dns"
        discovery.asked = "nodes:4000"
        discovery.state = "failing"
        discovery.reason = "because"
        discovery.endpoints = 7
        status.discovery = [discovery]
        var limit = LimitStatus()
        limit.key = "limits.upload"
        limit.bytesPerSecond = 1 << 40
        limit.bytes = 5
        limit.waits = 2
        status.limits = [limit]
        var registry = RegistryStatus()
        registry.host = "docker.io"
        registry.requests = 9
        registry.retries = 1
        registry.failures = 2
        registry.bytes = 1 << 40
        registry.skippedBytes = 3
        var rateLimit = RateLimitStatus()
        rateLimit.limit = 100
        rateLimit.remaining = 76
        rateLimit.windowSeconds = 21600
        registry.rateLimit = rateLimit
        var silent = RegistryStatus()
        silent.host = "r.example"
        status.registries = [registry, silent]
        status.recentProblems = ["one", "two"]
        status.recentProbes = ["r.example/hawker-probe/x:probe"]
        var wiring = ContainerdWiring()
        wiring.state = "bypassed"
        wiring.reason = "because"
        wiring.config = "/etc/containerd/config.toml"
        status.containerdWiring = wiring
        var store = RuntimeStoreStatus()
        store.folder = "/content"
        store.blobs = 3
        store.bytes = 1 << 40
        store.servedBytes = 9
        store.sharingProblem = "because"
        status.runtimeStore = store
        status.cache.sharedBytes = 8
        return status
    }

    func file(_ request: FileRequest) async throws(AdminFailure) -> FileOffer {
        guard request.authorization == "Bearer x" else { throw AdminFailure(.failedPrecondition, "no") }
        var offer = FileOffer()
        offer.path = "/files/" + request.sha256
        offer.bytes = 1 << 40
        offer.isCached = request.url == "http://a/b"
        offer.mirrorAddress = "127.0.0.1:4001"
        return offer
    }

    func peers() async -> [PeerStatus] {
        (0..<3).map { number in
            var peer = PeerStatus()
            peer.name = "peer-\(number)"
            peer.sentBytes = UInt64(number)
            peer.zone = "rack-1"
            peer.knownFrom = ["dns", "redis"].prefix(number).map { $0 }
            return peer
        }
    }

    func reload() async throws(AdminFailure) -> ReloadReport {
        var report = ReloadReport()
        report.file = "/etc/hawker/hawker.toml"
        report.applied = ["limits.upload", "registry.rate of docker.io"]
        report.needRestart = ["mirror.listen"]
        return report
    }

    func cacheList() async throws(AdminFailure) -> [CachedBlob] {
        throw AdminFailure(.failedPrecondition, "the cache is off")
    }

    func cacheRemove(_ digests: [String]) async throws(AdminFailure) -> [CacheRemoved] {
        digests.map { digest in
            var removed = CacheRemoved()
            removed.digest = digest
            removed.removed = digest.hasSuffix("1")
            return removed
        }
    }
}

@LoopActor
@Suite("The admin socket")
struct AdminCallTests {
    private func withServer<Answer: Sendable>(
        _ body: @LoopActor (_ client: AdminClient, _ path: String) async throws -> Answer
    ) async throws -> Answer {
        let folder = try TemporaryFolder()
        let path = folder.path + "/run/hawker.sock"
        let server = try AdminServer(socket: path, service: FixedNode())
        defer { server.close() }
        return try await body(AdminClient(socket: path), path)
    }

    @Test("a status arrives with every field as it was sent")
    func status() async throws {
        let status = try await withServer { client, _ in try await client.status() }
        #expect(await status == FixedNode().status())
    }

    @Test("an answer of several items keeps their order")
    func peers() async throws {
        let peers = try await withServer { client, _ in try await client.peers() }
        #expect(peers.map(\.name) == ["peer-0", "peer-1", "peer-2"])
        #expect(peers.map(\.sentBytes) == [0, 1, 2])
    }

    @Test("an argument reaches the node")
    func remove() async throws {
        let removed = try await withServer { client, _ in try await client.cacheRemove(["a1", "b2"]) }
        #expect(removed.map(\.removed) == [true, false])
    }

    @Test("a file is offered with every field as it was asked for and answered")
    func file() async throws {
        var request = FileRequest()
        request.url = "http://a/b"
        request.sha256 = "ab"
        request.authorization = "Bearer x"
        let asked = request
        let offer = try await withServer { client, _ in try await client.file(asked) }
        #expect(await offer == (try FixedNode().file(asked)))
    }

    @Test("a failure arrives with its code and its sentence")
    func failure() async throws {
        await #expect(throws: AdminFailure(.failedPrecondition, "the cache is off")) {
            try await withServer { client, _ in try await client.cacheList() }
        }
    }

    @Test("a list of no digests, or of too many, is refused")
    func digestCount() async throws {
        for count in [0, AdminLimits.digestsPerRemoveMax + 1] {
            await #expect(throws: AdminFailure.self) {
                try await withServer { client, _ in
                    try await client.cacheRemove([String](repeating: "x", count: count))
                }
            }
        }
    }

    @Test("the socket is the owner's alone, and so is the folder made for it")
    func modes() async throws {
        let modes = try await withServer { _, path in
            [path, String(path.dropLast("/hawker.sock".count))].map { path in
                var info = stat()
                lstat(path, &info)
                return info.st_mode & 0o777
            }
        }
        #expect(modes == [0o600, 0o700])
    }

    @Test("nobody at the socket is said in a sentence that names it")
    func nobody() async throws {
        do {
            _ = try await AdminClient(socket: "/nonexistent/hawker.sock").status()
            Issue.record("a call succeeded without a daemon")
        } catch {
            #expect(error.code == .unavailable)
            #expect(error.message.contains("/nonexistent/hawker.sock"))
        }
    }

    @Test(
        "bytes that are no call end the connection and leave the server answering",
        arguments: [
            [UInt8](repeating: 0xFF, count: 64), [0, 0, 0], [UInt8](repeating: 0, count: 16), Array("GET / HTTP/1.1\r\n\r\n".utf8),
        ])
    func garbage(bytes: [UInt8]) async throws {
        let status = try await withServer { client, path in
            await withCheckedContinuation { continuation in
                Stream.connect(unixPath: path) { connected in
                    guard case .success(let stream) = connected else { return continuation.resume() }
                    stream.startReading { event in
                        if case .bytes = event { return }
                        stream.close()
                        continuation.resume()
                    }
                    stream.write(bytes)
                    stream.shutdown()
                }
            }
            return try await client.status()
        }
        #expect(status.name == "node-a")
    }
}
