import Foundation
import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("what nodes show of themselves")
    struct MetricsTests {
        @Test("every byte is counted where it came from, as the registry's own log has it")
        func bytesBySource() async throws {
            let image = try await TestImage.noise(layerSizes: [5_000_000, 70_000, 1], seed: 61)
            let other = try await TestImage.noise(layerSizes: [300_000], seed: 62)
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            try registry.add(other, repository: "other")
            let cluster = try Cluster(nodes: ["a", "b"], registry: registry) { settings in
                settings.nodeLines = ["zone = \"zone-of-\(settings.name)\""]
            }
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            let processes = try await cluster.start([a, b])

            try await a.pull(image, "image", from: registry)
            try await b.pull(image, "image", from: registry)
            try await b.pull(other, "other", from: registry)
            try await a.pull(image, "image", from: registry)
            let tagged = try await b.get("image/manifests/latest", from: registry)
            #expect(tagged.bytes == image.manifest.bytes)

            try await eventually("the registry's log and the nodes agree") {
                let sum = try await a.metrics().sum("hawker_image_bytes_total", ["source": "registry"])
                    + b.metrics().sum("hawker_image_bytes_total", ["source": "registry"])
                return sum == registry.contentBytesSent
            }
            let (ofA, ofB) = (try await a.metrics(), try await b.metrics())
            let bytes = "hawker_image_bytes_total"
            for page in [ofA, ofB] {
                #expect(page.sum(bytes, ["source": "registry", "registry": registry.host])
                    == page.sum(bytes, ["source": "registry"]))
            }
            // What b took from a: sent there, received here, and of the right registry and zones.
            let taken = ofB.sum(bytes, ["source": "peer"])
            #expect(taken == ofB.sum(bytes, ["registry": registry.host, "source": "peer", "zone": "zone-of-a"]))
            #expect(taken == ofB.sum("hawker_peer_received_bytes_total", ["zone": "zone-of-b", "peer_zone": "zone-of-a"]))
            #expect(taken == ofA.sum("hawker_peer_sent_bytes_total", ["zone": "zone-of-a", "peer_zone": "zone-of-b"]))
            let layers = image.layers.map(\.blob.bytes.count).reduce(0, +)
            #expect(taken >= layers && taken <= image.allBytes)
            #expect(ofB.sum("hawker_piece_duration_seconds_count") == ofB.sum("hawker_pieces_total", ["outcome": "stored"]))
            // The second pull of a came from its cache, every byte.
            #expect(ofA.sum(bytes, ["source": "cache", "zone": "zone-of-a"]) == image.allBytes)
            #expect(ofA.sum("hawker_cache_lookups_total", ["kind": "blob", "result": "hit"]) == image.layers.count + 1)
            for page in [ofA, ofB] {
                let spared = page.sum(bytes, ["source": "cache"]) + page.sum(bytes, ["source": "peer"])
                #expect(page.sum("hawker_registry_avoided_bytes_total") == spared)
                #expect(page.sum("hawker_ready") == 3)
                #expect(page.sum("hawker_peers", ["state": "connected"]) == 1)
            }
            for node in [a, b] { try await Self.requireClean(try await node.metrics()) }
            for process in processes { try await process.stop() }
            try await registry.process.stop()
        }

        @Test("what zstd spared between two nodes is in the status of both, in its JSON and in the metrics")
        func compression() async throws {
            var generator = SeededGenerator(seed: 63)
            let text = Array((0..<300_000).map { "line \($0)\n" }.joined().utf8)
            let image = try await TestImage.unpackable([
                (.plain, ["text": text]), (.gzip, ["noise": generator.bytes(count: 900_000)]),
            ])
            let (plain, packed) = (image.layers[0].blob.bytes.count, image.layers[1].blob.bytes.count)
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let cluster = try Cluster(nodes: ["a", "b"], registry: registry)
            let (a, b) = (cluster.nodes[0], cluster.nodes[1])
            let processes = try await cluster.start([a, b])
            #expect(try await !b.admin(["status"]).contains("compression"))
            for node in [a, b] { try await node.pull(image, "image", from: registry) }

            let (ofA, ofB) = (try await a.report(), try await b.report())
            let taken = try #require(ofB.received.first { $0.isPeer })
            // Pieces of the one layer, as many as there was time for, and none of the other.
            #expect((65_536...plain).contains(taken.compressedBytes))
            #expect(taken.contentBytes >= plain + packed)
            #expect(taken.wireBytes < taken.contentBytes - taken.compressedBytes / 2)
            #expect(ofA.uploadedBytes == taken.contentBytes && ofA.uploadedWireBytes == taken.wireBytes)
            #expect(ofA.uploadedCompressedBytes == taken.compressedBytes)
            let share = Int((Double(taken.compressedBytes) / Double(taken.contentBytes) * 100).rounded())
            for (node, way) in [(a, "sent to peers"), (b, "received")] {
                let status = try await node.admin(["status"])
                let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("compression") })
                #expect(line.contains("MiB \(way) as ") && line.hasSuffix(", \(share) % of it compressed"), "\(line)")
            }
            let (pageA, pageB) = (try await a.metrics(), try await b.metrics())
            #expect(pageA.sum("hawker_peer_sent_compressed_bytes_total") == taken.compressedBytes)
            #expect(pageB.sum("hawker_peer_received_compressed_bytes_total") == taken.compressedBytes)
            for process in processes { try await process.stop() }
            try await registry.process.stop()
        }

        /// As Prometheus's own tool judges names, types, help and units.
        private static func requireClean(_ page: MetricsPage) async throws {
            let folder = try TemporaryFolder("metrics")
            let output = try await ChildProcess.run(
                ["sh", "-c", "promtool check metrics <\(try folder.write("metrics", page.text))"])
            #expect(output.succeeded && output.text.isEmpty, "\(output.text)")
        }

        @Test("a node that nothing is configured for is ready")
        func readyAlone() async throws {
            var settings = try NodeProcess.Settings(name: "alone")
            settings.registries = []
            let node = try NodeProcess(settings)
            let process = try await node.start()
            let ready = try await node.askStatus("/readyz")
            #expect(ready.status == 200 && ready.text == "ready\n", "\(ready)")
            #expect(try await node.askStatus("/healthz").status == 200)
            #expect(try await node.askStatus("/").text.contains("/metrics"))
            #expect(try await node.askStatus("/else").status == 404)

            // A loop that is stuck answers nobody.
            process.send(SIGSTOP)
            #expect(try await node.askStatus("/healthz", seconds: 1).status == 0)
            process.send(SIGCONT)
            #expect(try await node.askStatus("/healthz").status == 200)
            #expect(try await process.stop() == .exited(0))
        }

        @Test("a node whose cache cannot be written is not ready, and says so")
        func cacheGone() async throws {
            let node = try NodeProcess(try NodeProcess.Settings(name: "a"))
            let process = try await node.start()
            try FileManager.default.removeItem(atPath: node.cachePath + "/tmp")
            let answer = try await node.askStatus("/readyz")
            #expect(answer.status == 503 && answer.text.contains("not ready: the cache cannot be written"), "\(answer)")
            let page = try await node.metrics()
            #expect(page.sum("hawker_ready", ["check": "store"]) == 0 && page.sum("hawker_ready") == 2)
            // It is alive all the same: a restart would mend nothing.
            #expect(try await node.askStatus("/healthz").status == 200)
            try await process.stop()
        }

        @Test("a node whose mirror takes no more connections is not ready, and says so")
        func mirrorFull() async throws {
            var settings = try NodeProcess.Settings(name: "a")
            settings.limitLines = ["mirror_connections = 1"]
            let node = try NodeProcess(settings)
            let process = try await node.start()
            #expect(try await node.askStatus("/readyz").status == 200)
            let holder = try ChildProcess(
                ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/\(settings.mirrorPort); sleep 60"], logPath: "/dev/null")
            try await eventually("the mirror is full") {
                let answer = try await node.askStatus("/readyz")
                return answer.status == 503 && answer.text.contains("the mirror at 127.0.0.1:\(settings.mirrorPort)")
            }
            #expect(try await node.metrics().sum("hawker_mirror_connections_shed_total") >= 1)
            try await holder.kill()
            try await eventually("there is room again") { try await node.askStatus("/readyz").status == 200 }
            try await process.stop()
        }

        @Test("a node whose status port is taken serves all the same, and warns")
        func portTaken() async throws {
            let registry = try await DockerRegistry()
            var settings = try NodeProcess.Settings(name: "a")
            settings.statusPort = registry.port
            let node = try NodeProcess(settings)
            let process = try await node.start()
            try await eventually("the log says that there is no status port") {
                try String(contentsOfFile: node.logPath, encoding: .utf8).contains("no status port: set status.listen")
            }
            try await process.stop()
            try await registry.process.stop()
        }
    }
}

extension DockerRegistry {
    /// Bytes of manifests and blobs in answers to GET.
    var contentBytesSent: Int {
        accesses.filter { access in
            access.method == "GET" && [200, 206].contains(access.status)
                && (access.target.contains("/blobs/") || access.target.contains("/manifests/"))
        }.map(\.bytes).reduce(0, +)
    }
}

extension TestImage {
    fileprivate var allBytes: Int {
        ([manifest, config] + layers.map(\.blob)).map(\.bytes.count).reduce(0, +)
    }
}
