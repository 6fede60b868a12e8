import Foundation
import OCIModel
import TestSupport
import Testing

extension NodeTests {
    /// Three hosts with a network of their own, each with a real containerd and a node; zones x (a, b) and y (c); TLS.
    @Suite("a cluster of three hosts in two zones")
    struct ThreeNodeTests {
        private static let names = ["a", "b", "c"]
        private static let (mirrorPort, peerPort, statusPort): (UInt16, UInt16, UInt16) = (4001, 4000, 4002)

        private struct Host {
            let node: NodeProcess
            let containerd: Containerd
        }

        private struct Named: Sendable {
            let image: TestImage
            let repository: String
        }

        @Test("pulls everywhere, counts what the registry logged, refuses strangers, and changes its authority")
        func cluster() async throws {
            try await NamespaceNetwork.with(Self.names + ["registry", "other", "expired"]) { network in
                let registry = try await DockerRegistry(
                    port: 5000, address: network.address("registry"), namespace: network.namespace("registry"))
                let images = try await Self.images(6, registry)
                let (authority, folder) = (try await Authority(), try TemporaryFolder("tls"))
                for name in Self.names { try await authority.issue(name, into: folder, trusting: [authority]) }
                let hosts = try Self.names.map { try Self.host($0, network, registry, folder) }
                var processes: [ChildProcess] = []
                for host in hosts { processes.append(try await host.node.start()) }
                try await hosts.map(\.node).untilConnected()
                for host in hosts {
                    try await host.containerd.configure(mode: "config-path", mirror: host.node, registry)
                    processes.append(try await host.containerd.start(namespace: host.node.settings.namespace))
                }

                try await Self.pull(images[0], hosts, registry)
                try await Self.pull(images[1], hosts, registry)
                try await Self.requireSameBytes(hosts, registry)
                let strangers = try await Self.strangers(network, registry, folder, authority)
                for stranger in strangers { processes.append(try await stranger.start()) }
                try await Self.rotate(authority, hosts, folder) { try await Self.pull(images[$0 + 2], hosts, registry) }
                for stranger in strangers {
                    #expect(try await stranger.peers().allSatisfy { $0.state != "connected" })
                    #expect(try await stranger.report().bytesFromPeers == 0)
                }
                try await Self.pull(images[5], hosts, registry)
                try await Self.requireSameBytes(hosts, registry)
                for process in processes.reversed() { try await process.stop() }
                try await registry.process.stop()
            }
        }

        private static func images(_ count: Int, _ registry: DockerRegistry) async throws -> [Named] {
            var generator = SeededGenerator(seed: 71)
            var images: [Named] = []
            for number in 0..<count {
                let image = try await TestImage.unpackable([(.gzip, ["noise": generator.bytes(count: 4_000_000)])])
                try registry.add(image, repository: "image-\(number)")
                images.append(Named(image: image, repository: "image-\(number)"))
            }
            return images
        }

        private static func host(
            _ name: String, _ network: NamespaceNetwork, _ registry: DockerRegistry, _ folder: TemporaryFolder
        ) throws -> Host {
            let zone = name == "c" ? "y" : "x"
            let node = try NodeProcess(settings(name, of: zone, network, registry, folder))
            return Host(node: node, containerd: try Containerd())
        }

        private static func settings(
            _ name: String, of zone: String, _ network: NamespaceNetwork, _ registry: DockerRegistry,
            _ folder: TemporaryFolder
        ) throws -> NodeProcess.Settings {
            var settings = try NodeProcess.Settings(name: name)
            settings.namespace = network.namespace(name)
            (settings.mirrorPort, settings.peerPort, settings.statusPort) = (mirrorPort, peerPort, statusPort)
            settings.peerHost = network.address(name)
            settings.peers = names.filter { $0 != name }.map { "\(network.address($0)):\(peerPort)" }
            settings.nodeLines = ["zone = \"\(zone)\""]
            settings.registries = [(registry.host, registry.url)]
            settings.peerLines = Authority.settings(of: name, in: folder)
            return settings
        }

        /// All three containerds at once.
        private static func pull(_ image: Named, _ hosts: [Host], _ registry: DockerRegistry) async throws {
            let asked = registry.accesses.count
            try await withThrowingTaskGroup(of: Void.self) { group in
                for host in hosts {
                    group.addTask { try await host.containerd.pull("\(registry.host)/\(image.repository):latest") }
                }
                try await group.waitForAll()
            }
            #expect(registry.accesses.count > asked)
            for layer in image.image.layers { #expect(registry.bytesSent(layer.blob.digest) == layer.blob.bytes.count) }
        }

        /// What the nodes say they read from the registry is what it says it sent, and what they sent one another is
        /// what they received.
        private static func requireSameBytes(_ hosts: [Host], _ registry: DockerRegistry) async throws {
            func sum(_ name: String, _ labels: [String: String] = [:]) async throws -> Int {
                var total = 0
                for host in hosts { total += try await host.node.metrics().sum(name, labels) }
                return total
            }
            try await eventually("the nodes and the registry's log agree") {
                try await sum("hawker_image_bytes_total", ["source": "registry"]) == registry.contentBytesSent
            }
            let sent = try await sum("hawker_peer_sent_bytes_total")
            #expect(sent > 0)
            #expect(try await sum("hawker_peer_received_bytes_total") == sent)
            let across = ["zone": "x", "peer_zone": "y"]
            #expect(
                try await sum("hawker_peer_sent_bytes_total", across)
                    == sum("hawker_peer_received_bytes_total", ["zone": "y", "peer_zone": "x"]))
        }

        /// Nodes that no member may talk to: one of another authority, and one whose certificate is of last year.
        private static func strangers(
            _ network: NamespaceNetwork, _ registry: DockerRegistry, _ folder: TemporaryFolder, _ authority: Authority
        ) async throws -> [NodeProcess] {
            let foreign = try await Authority()
            try await foreign.issue("other", into: folder, trusting: [authority, foreign])
            try await authority.issue("expired", into: folder, trusting: [authority])
            try await authority.expire("expired", in: folder)
            return try ["other", "expired"].map {
                try NodeProcess(settings($0, of: "x", network, registry, folder))
            }
        }

        private static func rotate(
            _ old: Authority, _ hosts: [Host], _ folder: TemporaryFolder, pulling: (Int) async throws -> Void
        ) async throws {
            let next = try await Authority()
            let both = [old, next]
            let steps: [(trusted: [Authority], shown: Authority)] = [(both, old), (both, next), ([next], next)]
            for (number, step) in steps.enumerated() {
                for host in hosts {
                    try await step.shown.issue(host.node.settings.name, into: folder, trusting: step.trusted)
                    _ = try await host.node.admin(["reload"])
                }
                try await hosts.map(\.node).untilConnected()
                try await pulling(number)
            }
        }
    }
}
