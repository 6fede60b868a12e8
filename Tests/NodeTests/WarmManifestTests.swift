import Foundation
import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("a manifest that was asked for before")
    struct WarmManifestTests {
        @Test("comes without the registry's doing while the cache has it, and not once that has let it go")
        func removed() async throws {
            let image = try await TestImage.noise(layerSizes: [1000], seed: 71)
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let cluster = try Cluster(nodes: ["a"], registry: registry)
            let node = cluster.nodes[0]
            let process = try await cluster.start([node])[0]
            let path = "image/manifests/\(image.manifest.digest)"
            for _ in 0..<3 {
                let answer = try await node.get(path, from: registry)
                #expect(answer.status == 200 && answer.bytes == image.manifest.bytes)
            }
            // Another repository does not have it.
            #expect(try await node.get("other/manifests/\(image.manifest.digest)", from: registry).status == 404)
            try await registry.process.stop()
            #expect(try await node.get(path, from: registry).bytes == image.manifest.bytes)
            _ = try await node.admin(["cache", "rm", image.manifest.digest.description])
            #expect(try await node.get(path, from: registry).status == 404)
            try await process.stop()
        }

        @Test("is never given when its file was damaged, but got anew")
        func damaged() async throws {
            let image = try await TestImage.noise(layerSizes: [1000], seed: 72)
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let cluster = try Cluster(nodes: ["a"], registry: registry)
            let node = cluster.nodes[0]
            let path = "image/manifests/\(image.manifest.digest)"
            let first = try await cluster.start([node])[0]
            #expect(try await node.get(path, from: registry).status == 200)
            try await first.stop()
            let hex = image.manifest.digest.hex
            let file = URL(fileURLWithPath: "\(node.cachePath)/blobs/sha256/\(hex.prefix(2))/\(hex)")
            var bytes = try Data(contentsOf: file)
            bytes[bytes.count / 2] ^= 1
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
            let handle = try FileHandle(forWritingTo: file)
            try handle.write(contentsOf: bytes)
            try handle.close()
            let second = try await cluster.start([node])[0]
            for _ in 0..<2 {
                let answer = try await node.get(path, from: registry)
                #expect(answer.status == 200 && answer.bytes == image.manifest.bytes)
            }
            try await second.stop()
            #expect(try Data(contentsOf: file) == Data(image.manifest.bytes))
            #expect(try String(contentsOfFile: node.logPath, encoding: .utf8).contains("was damaged"))
            try await registry.process.stop()
        }
    }
}
