import Glibc
import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("a real containerd behind a node")
    struct ContainerdNodeTests {
        @Test(
            "pulls through the node, and without it from the registry",
            arguments: ["mirror", "config-path"]
        )
        func pullsWithAndWithoutTheNode(mode: String) async throws {
            let registry = try await DockerRegistry()
            let first = try await Self.image("first")
            let second = try await Self.image("second")
            try registry.add(first, repository: "first", tags: ["1"])
            try registry.add(second, repository: "second", tags: ["1"])
            let cluster = try Cluster(nodes: ["a"], registry: registry)
            let node = cluster.nodes[0]
            let daemon = try await cluster.start([node])[0]
            let containerd = try Containerd()
            try await containerd.configure(mode: mode, mirror: node, registry)
            let process = try await containerd.start()
            #expect(try await containerd.criState() == "ok")

            try await containerd.pull("\(registry.host)/first:1")
            #expect(try await node.report().bytesFromRegistry > 0)
            #expect(try await daemon.stop() == .exited(0))
            try await containerd.pull("\(registry.host)/second:1")

            try await process.stop()
            try await registry.process.stop()
        }

        @Test("with both daemons stopped, CRI and ctr pull from the registry in either mode")
        func bothDaemonsStopped() async throws {
            let registry = try await DockerRegistry()
            for name in ["before", "through-cri", "through-ctr"] {
                try registry.add(try await Self.image(name), repository: name, tags: ["1"])
            }
            let cluster = try Cluster(nodes: ["a", "b"], registry: registry)
            let daemons = try await cluster.start(cluster.nodes)
            let (a, b) = (try Containerd(), try Containerd())
            try await a.configure(mode: "mirror", mirror: cluster.nodes[0], registry)
            try await b.configure(mode: "config-path", mirror: cluster.nodes[1], registry)
            let processes = [try await a.start(), try await b.start()]
            for containerd in [a, b] {
                #expect(try await containerd.criState() == "ok")
                try await containerd.pull("\(registry.host)/before:1")
            }
            #expect(try await cluster.nodes[1].report().bytes(fromPeer: "a") > 0)
            #expect(Self.blobsAskedByContainerd(registry) == 0, "the nodes were passed by")

            for daemon in daemons { daemon.send(SIGTERM) }
            for daemon in daemons { #expect(try await daemon.waitForEnd() == .exited(0)) }
            for (containerd, way) in [(a, ["--plain-http"]), (b, ["--hosts-dir", b.configPath + ".certs.d"])] {
                let blobsAsked = Self.blobsAskedByContainerd(registry)
                try await containerd.pull("\(registry.host)/through-cri:1")
                #expect(Self.blobsAskedByContainerd(registry) > blobsAsked)
                // ctr knows no CRI setting: of the two modes it sees only the files of the second.
                _ = try await containerd.ctr(["images", "pull"] + way + ["\(registry.host)/through-ctr:1"])
                #expect(try await containerd.ctr(["images", "check"]).contains("through-ctr:1"))
            }

            for process in processes { try await process.stop() }
            try await registry.process.stop()
        }

        @Test("pulls from another node by digest when the registry is gone")
        func registryGone() async throws {
            let image = try await Self.image("kept")
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let cluster = try Cluster(nodes: ["a", "b"], registry: registry)
            let daemons = try await cluster.start(cluster.nodes)
            try await cluster.nodes[0].pull(image, "image", from: registry)
            let containerd = try Containerd()
            try await containerd.configure(mode: "config-path", mirror: cluster.nodes[1], registry)
            let process = try await containerd.start()
            try await registry.process.stop()

            try await containerd.pull("\(registry.host)/image@\(image.manifest.digest)")
            #expect(try await cluster.nodes[1].report().bytesFromRegistry == 0)
            try await process.stop()
            for daemon in daemons { try await daemon.stop() }
        }

        @Test(
            "finishes a pull whose sending node is killed in the middle",
            arguments: ["mirror", "config-path"]
        )
        func senderKilled(mode: String) async throws {
            var generator = SeededGenerator(seed: 8)
            let noise = generator.bytes(count: 16_000_000)
            let image = try await TestImage.unpackable([(.plain, ["noise": noise])])
            let pair = try await RelayedPair(with: image)
            let a = try await pair.startFilled(with: image)
            let b = try await pair.b.start()
            try await pair.waitUntilConnected()
            let containerd = try Containerd()
            try await containerd.configure(mode: mode, mirror: pair.b, pair.registry)
            let process = try await containerd.start()

            await pair.relay.limit(holdAfter: 6_000_000)
            async let pull: Void = containerd.pull("\(pair.registry.host)/image:latest")
            try await pair.waitUntilHeld()
            try await a.kill()
            await pair.relay.limit()
            try await pull

            #expect(try await pair.b.report().bytes(fromPeer: "a") > 3_000_000)
            #expect(Self.blobsAskedByContainerd(pair.registry) == 0, "containerd went there")
            try await process.stop()
            try await b.stop()
            try await pair.stop()
        }

        private static func blobsAskedByContainerd(_ registry: DockerRegistry) -> Int {
            registry.process.log.matches(of: /GET [^"]*\/blobs\/.*"containerd\//).count
        }

        private static func image(_ name: String) async throws -> TestImage {
            try await TestImage.unpackable(
                TestImage.Packing.allCases.map { ($0, ["\(name)-\($0)": Array("\(name) \($0)".utf8)]) }
            )
        }
    }
}
