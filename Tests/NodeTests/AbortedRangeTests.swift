import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("clients that ask for all and take a part")
    struct AbortedRangeTests {
        /// containerd 2.1 and later, with parallel chunks: `bytes=N-`, cut off after one chunk.
        @Test("open-ended ranges that are cut off cost the registry each byte once and disturb nobody")
        func openEnded() async throws {
            let registry = try await DockerRegistry()
            let image = try await TestImage.noise(layerSizes: [24 << 20], seed: 21)
            try registry.add(image, repository: "team/app")
            let cluster = try Cluster(nodes: ["a"], registry: registry)
            let node = cluster.nodes[0]
            let processes = try await cluster.start([node])
            let layer = try #require(image.layers.first).blob
            #expect(try await node.get("team/app/manifests/latest", from: registry).status == 200)
            let url = "\(node.mirrorURL)/v2/team/app/blobs/\(layer.digest)?ns=\(registry.host)"
            async let whole = node.get("team/app/blobs/\(layer.digest)", from: registry)
            for start in stride(from: 0, to: layer.bytes.count, by: 4 << 20) {
                // `head` goes away after its chunk, and curl with it.
                let command = "curl --silent --header 'Range: bytes=\(start)-' '\(url)' | head -c 1048576 | sha256sum"
                let output = try await ChildProcess.check(["sh", "-c", command])
                let chunk = try await Blob(Array(layer.bytes[start..<min(start + (1 << 20), layer.bytes.count)]))
                #expect(output.hasPrefix(chunk.digest.hex), "from \(start)")
            }
            let answer = try await whole
            #expect(answer.status == 200 && answer.isWhole && answer.bytes == layer.bytes)
            #expect(registry.bytesSent(layer.digest) == layer.bytes.count)
            for process in processes { try await process.stop() }
        }
    }
}
