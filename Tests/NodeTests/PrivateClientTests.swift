import Foundation
import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("a real containerd and a private registry")
    struct PrivateClientTests {
        private static let user = "somebody:canary-password"

        private static func image() async throws -> TestImage {
            var generator = SeededGenerator(seed: 41)
            return try await TestImage.unpackable([(.gzip, ["noise": generator.bytes(count: 600_000)])])
        }

        /// As `ctr` does it for a user who is logged in, or for nobody.
        private static func pull(
            _ reference: String, as user: String?, _ containerd: Containerd
        ) async throws -> ChildProcess.Output {
            let login = user.map { ["--user", $0] } ?? []
            let hosts = ["--hosts-dir", containerd.configPath + ".certs.d"]
            let address = ["ctr", "--address", containerd.socketPath, "--namespace", "k8s.io"]
            return try await ChildProcess.run(address + ["images", "pull"] + hosts + login + [reference])
        }

        @Test("with a token server: the image comes through the mirror, from a peer, and only for who may have it")
        func bearer() async throws {
            let tokens = try await TokenServer(user: Self.user, repository: "image")
            let registry = try await DockerRegistry(auth: tokens.auth)
            let image = try await Self.image()
            try registry.add(image, repository: "image")
            let cluster = try Cluster(nodes: ["a", "b"], registry: registry)
            let daemons = try await cluster.start(cluster.nodes)
            for (node, isFirst) in zip(cluster.nodes, [true, false]) {
                let containerd = try Containerd()
                try await containerd.configure(mode: "config-path", mirror: node, registry)
                let process = try await containerd.start()
                let stranger = try await Self.pull("\(registry.host)/image:latest", as: nil, containerd)
                #expect(!stranger.succeeded)
                let wrong = try await Self.pull("\(registry.host)/image:latest", as: "somebody:wrong", containerd)
                #expect(!wrong.succeeded)
                let known = try await Self.pull("\(registry.host)/image:latest", as: Self.user, containerd)
                #expect(known.succeeded, "\(known.text)")
                let report = try await node.report()
                if isFirst {
                    #expect(report.bytesFromRegistry > 600_000)
                } else {
                    #expect(report.bytes(fromPeer: "a") > 600_000)
                    #expect(report.bytesFromRegistry == 0)
                }
                #expect(try !Self.log(node).contains("canary"))
                try await process.stop()
            }
            for blob in image.layers.map(\.blob) { #expect(registry.bytesSent(blob.digest) == blob.bytes.count) }
            for daemon in daemons { try await daemon.stop() }
            try await registry.process.stop()
            await tokens.server.close()
        }

        @Test("with passwords: the mirror sees none, and the image comes from the registry")
        func basic() async throws {
            let passwords = try await PasswordFile(Self.user)
            let registry = try await DockerRegistry(auth: passwords.auth)
            let image = try await Self.image()
            try registry.add(image, repository: "image")
            let cluster = try Cluster(nodes: ["a"], registry: registry)
            let daemons = try await cluster.start(cluster.nodes)
            let containerd = try Containerd()
            try await containerd.configure(mode: "config-path", mirror: cluster.nodes[0], registry)
            let process = try await containerd.start()
            let stranger = try await Self.pull("\(registry.host)/image:latest", as: nil, containerd)
            #expect(!stranger.succeeded)
            let known = try await Self.pull("\(registry.host)/image:latest", as: Self.user, containerd)
            #expect(known.succeeded, "\(known.text)")
            #expect(try await cluster.nodes[0].report().bytesFromRegistry == 0)
            #expect(try !Self.log(cluster.nodes[0]).contains("canary"))
            try await process.stop()
            for daemon in daemons { try await daemon.stop() }
            try await registry.process.stop()
        }

        private static func log(_ node: NodeProcess) throws -> String {
            try String(contentsOfFile: node.logPath, encoding: .utf8)
        }
    }
}
