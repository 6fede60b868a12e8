import Foundation
import OCIModel
import TestSupport
import Testing

/// `hawker status --json`, as far as it is about containerd's content store.
private struct StoreReport: Decodable {
    struct RuntimeStore: Decodable {
        let folder: String
        let problem: String
        let blobs: Int
        let servedBytes: Int
        let sharingProblem: String
    }

    struct Cache: Decodable {
        let blobCount: Int
        let usedBytes: Int
        let sharedBytes: Int
    }

    let cache: Cache
    let runtimeStore: RuntimeStore?

    static func of(_ node: NodeProcess) async throws -> StoreReport {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Self.self, from: Data(try await node.admin(["status", "--json"]).utf8))
    }
}

extension NodeTests {
    @Suite("the content store of a real containerd as cache")
    struct RuntimeStoreNodeTests {
        /// Without waiting for the end of the interval in which containerd, not there at the start, is asked again.
        private static func lines(_ containerd: Containerd) -> [String] {
            ["socket = \"\(containerd.socketPath)\"", "check_seconds = 1"]
        }

        private static func cluster(_ registry: DockerRegistry, _ containerd: Containerd) throws -> Cluster {
            try Cluster(nodes: ["a", "b"], registry: registry) { settings in
                if settings.name == "a" { settings.containerdLines = lines(containerd) }
            }
        }

        private static func path(_ digest: Digest, _ containerd: Containerd) -> String {
            "\(containerd.contentFolder)/blobs/sha256/\(digest.hex)"
        }

        private static func fetchPastTheNode(
            _ image: TestImage, _ registry: DockerRegistry, _ containerd: Containerd
        ) async throws {
            _ = try await containerd.ctr(
                ["content", "fetch", "--plain-http", "--label", "keep=", "\(registry.host)/image:latest"])
            for layer in image.layers {
                #expect(FileManager.default.fileExists(atPath: path(layer.blob.digest, containerd)))
            }
        }

        /// Bytes that both stores take on the disk together: a file with two names counts once.
        private static func diskBytes(_ node: NodeProcess, _ containerd: Containerd) async throws -> Int {
            let folders = [containerd.contentFolder, "\(node.cachePath)/blobs", "\(node.cachePath)/partial"]
            let table = try await ChildProcess.check(["du", "--block-size=1", "--total", "--summarize"] + folders)
            let total = table.split(separator: "\n").last?.split(separator: "\t").first
            return try #require(total.flatMap { Int($0) }, "\(table)")
        }

        @Test("what containerd pulled past the node is given to the mirror's callers and to a peer, without a copy")
        func servedInPlace() async throws {
            let image = try await TestImage.noise(layerSizes: [3_000_000, 70_000], seed: 51)
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let containerd = try Containerd()
            let cluster = try Self.cluster(registry, containerd)
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            // The daemon comes first: it asks again, and sees the folder when containerd makes it.
            let daemons = try await cluster.start([a, b])
            let process = try await containerd.start()
            try await Self.fetchPastTheNode(image, registry, containerd)
            try await eventually("a sees the image's blobs") {
                try await StoreReport.of(a).runtimeStore?.blobs == 2 + image.layers.count
            }
            let store = try #require(try await StoreReport.of(a).runtimeStore)
            #expect(store.folder == containerd.contentFolder && store.problem.isEmpty)
            try await b.pull(image, "image", from: registry)
            // Until a has hashed them, the registry is asked as well.
            #expect(try await b.report().bytes(fromPeer: "a") >= 2_700_000)
            let sentToB = image.layers.map { registry.bytesSent($0.blob.digest) }
            try await a.pull(image, "image", from: registry)
            #expect(image.layers.map { registry.bytesSent($0.blob.digest) } == sentToB, "the registry sent them again")
            let report = try await StoreReport.of(a)
            #expect(try #require(report.runtimeStore).servedBytes >= 2_700_000 + 3_070_000)
            #expect(report.cache.usedBytes < 10_000, "a has a copy")
            let metrics = try await a.metrics()
            #expect(metrics.sum("hawker_image_bytes_total", ["source": "containerd"]) >= 3_070_000)
            #expect(metrics.sum("hawker_containerd_store_blobs") == 2 + image.layers.count)

            for daemon in daemons { #expect(try await daemon.stop() == .exited(0)) }
            try await process.stop()
            try await registry.process.stop()
        }

        @Test("a blob that containerd's garbage collection takes in the middle of a transfer arrives all the same")
        func garbageCollection() async throws {
            let image = try await TestImage.noise(layerSizes: [40_000_000], seed: 52)
            let layer = image.layers[0].blob
            let containerd = try Containerd()
            let pair = try await RelayedPair(with: image, containerdOfA: Self.lines(containerd))
            let process = try await containerd.start()
            try await Self.fetchPastTheNode(image, pair.registry, containerd)
            let sent = pair.registry.bytesSent(layer.digest)
            let a = try await pair.a.start()
            let b = try await pair.b.start()
            try await pair.waitUntilConnected()
            try await eventually("a sees the layer") {
                try await StoreReport.of(pair.a).runtimeStore?.blobs == 3
            }

            await pair.relay.limit(holdAfter: 6_000_000)
            async let pull: Void = pair.b.pull(image, "image", from: pair.registry)
            try await pair.waitUntilHeld()
            for reference in try await containerd.ctr(["content", "ls", "--quiet"]).split(separator: "\n") {
                _ = try await containerd.ctr(["content", "rm", String(reference)])
            }
            // A removal that waits for the collection.
            _ = try await containerd.ctr(["images", "rm", "--sync", "\(pair.registry.host)/image:latest"])
            try await eventually("containerd has collected the layer") {
                !FileManager.default.fileExists(atPath: Self.path(layer.digest, containerd))
            }
            await pair.relay.limit()
            try await pull
            // But for what b read there before a had hashed the blob.
            let limit = layer.bytes.count / 10
            #expect(try await pair.b.report().bytes(fromPeer: "a") >= layer.bytes.count - limit)
            #expect(pair.registry.bytesSent(layer.digest) - sent < limit, "b had to go to the registry")

            #expect(try await a.stop() == .exited(0))
            #expect(try await b.stop() == .exited(0))
            try await process.stop()
            try await pair.stop()
        }

        @Test("an image that was pulled through the node takes its space once, until containerd lets go of it")
        func oneFile() async throws {
            var generator = SeededGenerator(seed: 53)
            let layers = (1...3).map { number in
                (TestImage.Packing.plain, ["noise-\(number)": generator.bytes(count: 5_000_000)])
            }
            let image = try await TestImage.unpackable(layers)
            let imageBytes = image.layers.reduce(0) { $0 + $1.blob.bytes.count }
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let containerd = try Containerd()
            let cluster = try Self.cluster(registry, containerd)
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            try await containerd.configure(mode: "config-path", mirror: a, registry)
            let process = try await containerd.start()
            let daemons = try await cluster.start([a, b])
            try await containerd.pull("\(registry.host)/image:latest")

            try await eventually("a's layers are containerd's files") {
                try await StoreReport.of(a).cache.sharedBytes >= imageBytes
            }
            #expect(try await Self.diskBytes(a, containerd) <= imageBytes * 102 / 100)
            let files = try await ChildProcess.check(["find", containerd.contentFolder, "-type", "f", "-perm", "/222"])
            #expect(!files.contains("/blobs/"), "a file of containerd's may be written")

            _ = try await containerd.ctr(["images", "rm", "--sync", "\(registry.host)/image:latest"])
            for name in try await containerd.ctr(["images", "ls", "--quiet"]).split(separator: "\n") {
                _ = try await containerd.ctr(["images", "rm", "--sync", String(name)])
            }
            try await eventually("containerd has collected the layers") {
                image.layers.allSatisfy {
                    !FileManager.default.fileExists(atPath: Self.path($0.blob.digest, containerd))
                }
            }
            try await eventually("a knows that its layers are its own") {
                try await StoreReport.of(a).cache.sharedBytes == 0
            }
            try await b.pull(image, "image", from: registry)
            #expect(try await b.report().bytes(fromPeer: "a") >= imageBytes * 9 / 10)

            for daemon in daemons { #expect(try await daemon.stop() == .exited(0)) }
            try await process.stop()
            try await registry.process.stop()
        }

        @Test("nodes share also where containerd discards layers as soon as they are unpacked")
        func discarded() async throws {
            var generator = SeededGenerator(seed: 54)
            let image = try await TestImage.unpackable([(.gzip, ["noise": generator.bytes(count: 2_000_000)])])
            let layer = image.layers[0].blob
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let section = "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndiscard_unpacked_layers = true\n"
            let containerd = try Containerd(configuration: section)
            let cluster = try Self.cluster(registry, containerd)
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            try await containerd.configure(mode: "config-path", mirror: a, registry)
            let process = try await containerd.start()
            let daemons = try await cluster.start([a, b])
            try await containerd.pull("\(registry.host)/image:latest")
            try await eventually("containerd has discarded the layer") {
                !FileManager.default.fileExists(atPath: Self.path(layer.digest, containerd))
            }
            try await b.pull(image, "image", from: registry)
            #expect(try await b.report().bytes(fromPeer: "a") >= layer.bytes.count * 9 / 10)
            #expect(registry.bytesSent(layer.digest) <= layer.bytes.count * 11 / 10)

            for daemon in daemons { #expect(try await daemon.stop() == .exited(0)) }
            try await process.stop()
            try await registry.process.stop()
        }
    }
}
