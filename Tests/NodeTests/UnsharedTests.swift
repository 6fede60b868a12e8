import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("content that is not shared")
    struct UnsharedTests {
        /// Two nodes that know each other, with these lines for their registry.
        private static func pair(
            _ registry: DockerRegistry, _ lines: [String]
        ) async throws -> ([NodeProcess], [ChildProcess]) {
            var settings = try ["a", "b"].map { try NodeProcess.Settings(name: $0) }
            for index in settings.indices {
                settings[index].registries = [(registry.host, registry.url)]
                settings[index].registryLines = lines
                settings[index].peers = ["127.0.0.1:\(settings[1 - index].peerPort)"]
            }
            let nodes = try settings.map { try NodeProcess($0) }
            var processes: [ChildProcess] = []
            for node in nodes { processes.append(try await node.start()) }
            for node in nodes {
                try await eventually("connected") { try await node.peers().contains { $0.state == "connected" } }
            }
            return (nodes, processes)
        }

        @Test("nothing of the registry is asked of a peer or given to one, not even after a restart")
        func never() async throws {
            let registry = try await DockerRegistry()
            let image = try await TestImage.noise(layerSizes: [900_000], seed: 11)
            try registry.add(image, repository: "team/app")
            var (nodes, processes) = try await Self.pair(registry, ["share = \"never\""])
            try await nodes[0].pull(image, "team/app", from: registry)
            try await processes[0].stop()
            processes[0] = try await nodes[0].start()
            for node in nodes {
                try await eventually("connected") { try await node.peers().contains { $0.state == "connected" } }
            }
            try await nodes[1].pull(image, "team/app", from: registry)
            for node in nodes {
                let report = try await node.report()
                #expect(report.bytesFromPeers == 0)
            }
            let layer = try #require(image.layers.first).blob
            #expect(registry.bytesSent(layer.digest) == 2 * layer.bytes.count)
            // To take a copy of it under some URL gives it to nobody either.
            let folder = try TemporaryFolder("unshared")
            _ = try await nodes[0].admin([
                "get", "\(registry.url)/any/path", "--sha256", layer.digest.hex, "--output", folder.path("copy"),
            ])
            #expect(try folder.read("copy") == layer.bytes)
            _ = try await nodes[1].admin(["cache", "rm", layer.digest.description])
            try await nodes[1].pull(image, "team/app", from: registry)
            #expect(try await nodes[1].report().bytesFromPeers == 0)
            for process in processes { try await process.stop() }
        }

        @Test("one repository keeps to its node, and a blob that another one has as well may go")
        func repositories() async throws {
            let registry = try await DockerRegistry()
            let image = try await TestImage.noise(layerSizes: [900_000], seed: 12)
            let layer = try #require(image.layers.first).blob
            for repository in ["secret/app", "open/app"] { try registry.add(image, repository: repository) }
            let (nodes, processes) = try await Self.pair(registry, ["unshared = [\"secret/*\"]"])
            try await nodes[0].pull(image, "secret/app", from: registry)
            try await nodes[1].pull(image, "secret/app", from: registry)
            #expect(registry.bytesSent(layer.digest) == 2 * layer.bytes.count)
            for node in nodes { _ = try await node.admin(["cache", "rm", layer.digest.description]) }
            try await nodes[0].pull(image, "open/app", from: registry)
            try await nodes[1].pull(image, "open/app", from: registry)
            // A busy machine answers late, and some of it is then read from the registry.
            #expect(try await nodes[1].report().bytesFromPeers > layer.bytes.count / 2)
            for process in processes { try await process.stop() }
        }
    }
}
