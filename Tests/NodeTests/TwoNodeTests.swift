import Glibc
import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("two nodes and a registry")
    struct TwoNodeTests {
        @Test("the registry sends each layer once, the second node takes it from the first")
        func eachByteOnce() async throws {
            let image = try await TestImage.noise(layerSizes: [5_000_000, 70_000, 1], seed: 2)
            let cluster = try await Self.cluster(with: image)
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            let processes = try await cluster.start([a, b])

            try await a.pull(image, "image", from: cluster.registry)
            try await b.pull(image, "image", from: cluster.registry)

            let size = image.layers.map(\.blob.bytes.count).reduce(0, +)
            #expect(try await a.report().bytesFromRegistry >= size)
            #expect(try await b.report().bytes(fromPeer: "a") >= size)
            for layer in image.layers {
                #expect(cluster.registry.bytesSent(layer.blob.digest) == layer.blob.bytes.count)
            }
            for process in processes { #expect(try await process.stop() == .exited(0)) }
            try await cluster.registry.process.stop()
        }

        @Test("with the registry gone, a node pulls by digest what another node has")
        func registryGone() async throws {
            let image = try await TestImage.noise(layerSizes: [2_000_000, 10], seed: 3)
            let cluster = try await Self.cluster(with: image)
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            let processes = try await cluster.start([a, b])
            try await a.pull(image, "image", from: cluster.registry)
            try await cluster.registry.process.stop()

            try await b.pull(image, "image", from: cluster.registry)
            for process in processes { try await process.stop() }
        }

        @Test("a registry that takes connections and says nothing does not keep a node from serving a tag as last seen")
        func registryHangs() async throws {
            let image = try await TestImage.noise(layerSizes: [10], seed: 4)
            let cluster = try await Self.cluster(with: image)
            let node = cluster.nodes[0]
            let processes = try await cluster.start([node])
            let before = try await node.get("image/manifests/latest", from: cluster.registry)
            #expect(before.status == 200 && before.bytes == image.manifest.bytes)

            cluster.registry.process.send(SIGSTOP)
            let after = try await node.get("image/manifests/latest", from: cluster.registry)
            #expect(after.status == 200 && after.bytes == image.manifest.bytes)
            cluster.registry.process.send(SIGCONT)
            for process in processes { try await process.stop() }
            try await cluster.registry.process.stop()
        }

        @Test(
            "a sender that dies in the middle of a pull does not fail the pull",
            arguments: ["killed", "killed and cut off, so that its end is not heard"]
        )
        func senderKilled(how: String) async throws {
            let image = try await TestImage.noise(layerSizes: [20_000_000], seed: 4)
            let layer = try #require(image.layers.first).blob
            let pair = try await RelayedPair(with: image)
            let a = try await pair.startFilled(with: image)
            let b = try await pair.b.start()
            try await pair.waitUntilConnected()

            await pair.relay.limit(holdAfter: 8_000_000)
            async let pull: Void = pair.b.pull(image, "image", from: pair.registry)
            try await pair.waitUntilHeld()
            try await a.kill()
            if how == "killed" { await pair.relay.limit() }
            try await pull

            #expect(try await pair.b.report().bytes(fromPeer: "a") > 4_000_000)
            // From its first reader, and the rest of the second node's.
            #expect(pair.registry.bytesSent(layer.digest) > layer.bytes.count)
            try await b.stop()
            try await pair.stop()
        }

        @Test("many clients that ask for one blob at once cost one download")
        func simultaneousClients() async throws {
            let image = try await TestImage.noise(layerSizes: [8_000_000], seed: 5)
            let cluster = try await Self.cluster(with: image)
            let processes = try await cluster.start([cluster.nodes[0]])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask { try await cluster.nodes[0].pull(image, "image", from: cluster.registry) }
                }
                try await group.waitForAll()
            }
            let layer = try #require(image.layers.first).blob
            #expect(cluster.registry.bytesSent(layer.digest) == layer.bytes.count)
            for process in processes { try await process.stop() }
            try await cluster.registry.process.stop()
        }

        private static func cluster(with image: TestImage) async throws -> Cluster {
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            return try Cluster(nodes: ["a", "b"], registry: registry)
        }
    }
}
