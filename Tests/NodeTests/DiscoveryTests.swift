import Foundation
import TestSupport
import Testing

extension NodeTests {
    @Suite("nodes that no list names find each other")
    struct DiscoveryTests {
        @Test("by a name whose addresses change while they run, and whose server goes")
        func dns() async throws {
            let image = try await TestImage.noise(layerSizes: [3_000_000], seed: 21)
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let names = try NameServer()
            try names.publish(["nodes.test": ["127.0.0.2", "127.0.0.3"]])
            let server = try await names.start()
            let port = try FreePort.next()
            let nodes = try ["a", "b", "c"].enumerated().map { number, name in
                try node(name, registry) {
                    $0.peerHost = "127.0.0.\(number + 2)"
                    $0.peerPort = port
                    $0.peerLines = [
                        "dns = \"nodes.test\"", "dns_server = \"\(names.address)\"", "dns_seconds = 1",
                    ]
                }
            }
            let (a, b, c) = (nodes[0], nodes[1], nodes[2])
            var processes = [try await a.start(), try await b.start()]
            try await knows(a, ["b"], from: "dns")
            try await knows(b, ["a"], from: "dns")
            try await a.pull(image, "image", from: registry)

            try names.publish(["nodes.test": ["127.0.0.2", "127.0.0.4"]])
            server.send(SIGHUP)
            try await eventually("a forgets where b listens, and keeps it while it is there") {
                let peer = try await a.peers().first { $0.name == "b" }
                return peer?.knownFrom == [] && peer?.state == "connected"
            }
            processes.append(try await c.start())
            try await knows(a, ["c"], from: "dns")
            try await knows(c, ["a"], from: "dns")

            try await server.kill()
            try await eventually("c says that discovery fails, and keeps who it knows") {
                let report = try await c.report().discovery.first
                return report?.state == "failing" && report?.endpoints == 1
            }
            #expect(try await c.admin(["status"]).contains("dns (nodes.test:\(port)): 1 endpoints, failing: "))
            #expect(try await c.admin(["peers"]).contains("KNOWN FROM"))
            try await c.pull(image, "image", from: registry)
            #expect(try await c.report().bytes(fromPeer: "a") >= 3_000_000)
            for layer in image.layers {
                #expect(registry.bytesSent(layer.blob.digest) == layer.blob.bytes.count)
            }
            for process in processes { #expect(try await process.stop() == .exited(0)) }
            try await registry.process.stop()
        }

        @Test("by Redis, and do not miss it when it is killed in the middle of a pull")
        func redis() async throws {
            let image = try await TestImage.noise(layerSizes: [30_000_000, 10], seed: 22)
            let layer = try #require(image.layers.first).blob
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let servers = try [RedisProcess(), RedisProcess()]
            var running = [try await servers[0].start(), try await servers[1].start()]
            let list = servers.map { "\"\($0.address)\"" }.joined(separator: ", ")
            let nodes = try ["a", "b", "c"].map { name in
                try node(name, registry) { $0.peerLines = ["redis = [\(list)]", "redis_seconds = 1"] }
            }
            let (a, b, c) = (nodes[0], nodes[1], nodes[2])
            var processes = [try await a.start(), try await b.start()]
            try await knows(a, ["b"], from: "redis")
            try await knows(b, ["a"], from: "redis")
            try await a.pull(image, "image", from: registry)

            async let pull: Void = b.pull(image, "image", from: registry)
            for server in running { try await server.kill() }
            try await pull
            #expect(try await b.report().bytes(fromPeer: "a") >= layer.bytes.count)
            #expect(registry.bytesSent(layer.digest) == layer.bytes.count)
            try await eventually("a says that discovery fails, and keeps who it knows") {
                let report = try await a.report().discovery.first
                return report?.state == "failing" && report?.endpoints == 1
            }

            processes.append(try await c.start())
            running = [try await servers[0].start(), try await servers[1].start()]
            try await knows(c, ["a", "b"], from: "redis")
            try await knows(a, ["b", "c"], from: "redis")
            for process in processes { #expect(try await process.stop() == .exited(0)) }
            for server in running { try await server.kill() }
            try await registry.process.stop()
        }

        private func node(
            _ name: String, _ registry: DockerRegistry, _ change: (inout NodeProcess.Settings) -> Void
        ) throws -> NodeProcess {
            var settings = try NodeProcess.Settings(name: name)
            settings.registries = [(registry.host, registry.url)]
            change(&settings)
            return try NodeProcess(settings)
        }

        private func knows(_ node: NodeProcess, _ names: [String], from source: String) async throws {
            try await eventually("\(node.settings.name) is connected to \(names), known from \(source)") {
                let peers = try await node.peers()
                return names.allSatisfy { name in
                    peers.contains { $0.name == name && $0.state == "connected" && $0.knownFrom == [source] }
                }
            }
        }
    }
}
