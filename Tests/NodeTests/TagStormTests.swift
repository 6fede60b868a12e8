import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("many ask for one tag")
    struct TagStormTests {
        private static let target = "/v2/\(ArtifactRegistry.repository)/manifests/v1?ns=registry.test"

        private static func images() async throws -> [ArtifactRegistry.Manifest] {
            var images: [ArtifactRegistry.Manifest] = []
            for number in 1...2 {
                images.append(
                    try await ArtifactRegistry.Manifest("application/vnd.example.v1+json", "{\"number\":\(number)}"))
            }
            return images
        }

        private static func start(
            _ images: [ArtifactRegistry.Manifest], tags: [String] = [],
            _ change: (inout ArtifactRegistry.State) -> Void = { _ in }
        ) async throws -> (ArtifactRegistry, NodeProcess, ChildProcess) {
            var state = ArtifactRegistry.State()
            state.manifests = images
            state.tags["v1"] = images[0].content.digest
            change(&state)
            let registry = try await ArtifactRegistry(state)
            var settings = try NodeProcess.Settings(name: "tags")
            settings.registries = [("registry.test", registry.server.url)]
            settings.mirrorLines = ["[tags]"] + tags
            let node = try NodeProcess(settings)
            return (registry, node, try await node.start())
        }

        private static func digest(_ node: NodeProcess, _ options: [String] = []) async throws -> String? {
            try await node.head(target, options).header("docker-content-digest")
        }

        @Test("100 at one moment are one request at the registry, by HEAD and by GET; later ones are new questions")
        func coalesced() async throws {
            let images = try await Self.images()
            let (registry, node, process) = try await Self.start(images) { $0.pauseMillis = 1_000 }
            #expect(try await node.storm(100, Self.target, ["--head"]) == Array(repeating: 200, count: 100))
            #expect(await registry.count("HEAD", "manifests/v1") == 1)
            #expect(try await node.storm(100, Self.target) == Array(repeating: 200, count: 100))
            #expect(await registry.count("GET", "manifests/v1") == 1)
            let byDigest = "/v2/\(ArtifactRegistry.repository)/manifests/\(images[1].content.digest)?ns=registry.test"
            #expect(try await node.storm(50, byDigest) == Array(repeating: 200, count: 50))
            #expect(await registry.count("GET", "manifests/\(images[1].content.digest)") == 1)
            _ = try await Self.digest(node)
            #expect(await registry.count("HEAD", "manifests/v1") == 2)
            try await process.stop()
        }

        @Test("callers with different credentials get different answers at the same moment")
        func callers() async throws {
            let (registry, node, process) = try await Self.start(try await Self.images()) {
                $0.pauseMillis = 1_000
                $0.tokens = ["good", "better"]
            }
            async let good = node.storm(20, Self.target, ["--head", "--header", "Authorization: Bearer good"])
            async let better = node.storm(20, Self.target, ["--head", "--header", "Authorization: Bearer better"])
            async let bad = node.storm(20, Self.target, ["--head", "--header", "Authorization: Bearer bad"])
            async let nobody = node.storm(20, Self.target, ["--head"])
            let came = try await [good, better, bad, nobody].map(Set.init)
            #expect(came[0] == [200] && came[1] == [200] && came[2] == [401])
            #expect(came[3].isDisjoint(with: [200]))
            let asked = await registry.server.requests.filter { $0.method == "HEAD" }
            for token in ["good", "better", "bad"] {
                #expect(asked.filter { $0.header("authorization") == "Bearer \(token)" }.count == 1)
            }
            try await process.stop()
        }

        @Test("who goes away takes nobody's answer along")
        func leaving() async throws {
            let (registry, node, process) = try await Self.start(try await Self.images()) { $0.pauseMillis = 1_200 }
            async let hasty = ChildProcess.run(
                ["curl", "--silent", "--head", "--max-time", "0.5", node.mirrorURL + Self.target])
            async let patient = node.storm(5, Self.target, ["--head"])
            let (cut, came) = try await (hasty, patient)
            #expect(!cut.succeeded && came == Array(repeating: 200, count: 5))
            #expect(await registry.count("HEAD", "manifests/v1") == 1)
            try await process.stop()
        }

        @Test("a moved tag is seen by the next request; with tags.ttl after that time, and only its own caller waits")
        func moved() async throws {
            let images = try await Self.images()
            let (registry, node, process) = try await Self.start(images)
            #expect(try await Self.digest(node) == images[0].content.digest.description)
            registry.change { $0.tags["v1"] = images[1].content.digest }
            #expect(try await Self.digest(node) == images[1].content.digest.description)
            #expect(try await node.ask(Self.target).bytes == images[1].content.bytes)
            try await process.stop()

            let (slow, lazy, second) = try await Self.start(images, tags: ["ttl = 3"])
            #expect(try await Self.digest(lazy) == images[0].content.digest.description)
            slow.change { $0.tags["v1"] = images[1].content.digest }
            #expect(try await Self.digest(lazy) == images[0].content.digest.description)
            #expect(try await lazy.ask(Self.target).bytes == images[0].content.bytes)
            #expect(await slow.count("HEAD", "manifests/v1") == 1)
            #expect(await slow.count("GET", "manifests/v1") == 0)
            let token = ["--header", "Authorization: Bearer other"]
            #expect(try await Self.digest(lazy, token) == images[1].content.digest.description)
            try await eventually("the answer is too old") {
                try await Self.digest(lazy) == images[1].content.digest.description
            }
            try await second.stop()
        }

        @Test("a tag is served as last seen while the registry is gone, unless the settings say no")
        func stale() async throws {
            let images = try await Self.images()
            for (lines, status) in [([], 200), (["serve_stale = false"], 404)] as [([String], Int)] {
                let (registry, node, process) = try await Self.start(images, tags: lines)
                #expect(try await node.ask(Self.target).status == 200)
                registry.change { $0.isUp = false }
                let reply = try await node.ask(Self.target)
                #expect(reply.status == status)
                if status == 200 {
                    #expect(reply.bytes == images[0].content.bytes)
                    #expect(try await node.admin(["status"]).contains("served as last seen"))
                }
                try await process.stop()
            }
        }
    }
}
