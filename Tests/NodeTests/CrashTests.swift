import Foundation
import OCIModel
import TestSupport
import Testing

/// The long run has the count that the promise is about; the short one is part of every test run.
private let killedPulls = ProcessInfo.processInfo.environment["HAWKER_ALL_TESTS"] == nil ? 12 : 200

@Suite("a node that is killed at any moment")
struct CrashTests {
    @Test("serves only right bytes after each restart, and downloads no finished piece twice")
    func killedAtRandomMoments() async throws {
        let seed: UInt64 = 6
        var generator = SeededGenerator(seed: seed)
        let registry = try await DockerRegistry()
        let cluster = try Cluster(nodes: ["a"], registry: registry)
        let node = cluster.nodes[0]
        for round in 0..<killedPulls {
            let image = try await TestImage.noise(layerSizes: [6_000_000, 300_000], seed: generator.next())
            try registry.add(image, repository: "image-\(round)")
            let killed = try await node.start()
            async let interrupted: Void = node.pull(image, "image-\(round)", from: registry)
            try await Task.sleep(for: .milliseconds(generator.next() % 150))
            try await killed.kill()
            _ = try? await interrupted  // It may have ended, or not: what counts is the next pull.

            let restarted = try await node.start()
            try await node.pull(image, "image-\(round)", from: registry)
            for layer in image.layers {
                // What was on its way when the node was killed is asked for again; the kernel's buffers and the
                // pieces not yet written are a few megabytes.
                let again = registry.bytesSent(layer.blob.digest) - layer.blob.bytes.count
                #expect(again <= 8 << 20, "round \(round), seed \(seed): \(again) bytes were sent twice")
            }
            #expect(try await restarted.stop() == .exited(0))
        }
        try await registry.process.stop()
    }
}
