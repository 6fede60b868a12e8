import Glibc
import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("a node that is told to stop")
    struct DrainTests {
        @Test(
            "finishes what it sends, listens no more, and ends with status 0",
            arguments: [SIGTERM, SIGINT]
        )
        func drains(signal: Int32) async throws {
            let image = try await TestImage.noise(layerSizes: [6_000_000], seed: 9)
            let layer = try #require(image.layers.first).blob
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let relay = try await Relay(to: registry.port)
            var settings = try NodeProcess.Settings(name: "a")
            settings.registries = [(registry.host, "http://127.0.0.1:\(relay.port)")]
            let node = try NodeProcess(settings)
            let process = try await node.start()

            await relay.limit(holdAfter: 1_000_000)
            async let answer = node.get("image/blobs/\(layer.digest)", from: registry)
            try await eventually("the download is in the middle") { await relay.isHeld }
            process.send(signal)
            try await eventually("the mirror has stopped listening") {
                !FreePort.isListening(node.settings.mirrorPort)
            }
            #expect(process.ending == nil)
            await relay.limit()

            let received = try await answer
            #expect(received.status == 200 && received.isWhole && received.bytes == layer.bytes)
            #expect(try await process.waitForEnd() == .exited(0))
            #expect(DiskContent(of: layer, in: node).isWhole)
            await relay.close()
            try await registry.process.stop()
        }
    }
}
