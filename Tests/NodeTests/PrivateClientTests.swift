import Foundation
import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("a real containerd and a private registry")
    struct PrivateClientTests {
        private static let password = "canary-password"
        private static let user = "somebody:\(password)"

        /// Each pulls an image of its own, which has its name for a tag.
        private enum Client: String, CaseIterable { case ctr, cri }

        /// A containerd whose way to a node's mirror is recorded.
        private struct Runtime {
            let containerd: Containerd
            let way: Relay
            let process: ChildProcess

            init(_ node: NodeProcess, _ registry: DockerRegistry, mode: String = "config-path") async throws {
                way = try await Relay(to: node.settings.mirrorPort)
                await way.record()
                containerd = try Containerd()
                try await containerd.configure(
                    mode: mode, mirrorURL: "http://127.0.0.1:\(way.port)", host: registry.host, url: registry.url)
                process = try await containerd.start()
            }

            func pull(_ reference: String, as user: String?, by client: Client) async throws -> ChildProcess.Output {
                guard client == .ctr else { return try await containerd.pull(reference, as: user) }
                let login = user.map { ["--user", $0] } ?? []
                let hosts = ["--hosts-dir", containerd.configPath + ".certs.d"]
                let address = ["ctr", "--address", containerd.socketPath, "--namespace", "k8s.io"]
                return try await ChildProcess.run(address + ["images", "pull"] + hosts + login + [reference])
            }

            /// Nobody and who has the wrong password get nothing, and who has the right one the image.
            func check(_ image: TestImage, _ reference: String, by client: Client) async throws {
                for stranger in [nil, "somebody:canary-wrong"] {
                    let refused = try await pull(reference, as: stranger, by: client)
                    #expect(!refused.succeeded, "\(client) as \(stranger ?? "nobody")")
                    #expect(!refused.text.contains("canary"), "\(refused.text)")
                    #expect(try await !holds(image), "\(client) as \(stranger ?? "nobody")")
                }
                let known = try await pull(reference, as: PrivateClientTests.user, by: client)
                #expect(known.succeeded, "\(client): \(known.text)")
                #expect(try await holds(image))
            }

            private func holds(_ image: TestImage) async throws -> Bool {
                let content = try await containerd.ctr(["content", "ls", "--quiet"])
                return image.layers.contains { content.contains("\($0.blob.digest)") }
            }

            func stop() async throws {
                try await process.stop()
                await way.close()
            }
        }

        private static func images(in registry: DockerRegistry) async throws -> [Client: TestImage] {
            var images: [Client: TestImage] = [:]
            for (number, client) in Client.allCases.enumerated() {
                var generator = SeededGenerator(seed: 41 + UInt64(number))
                let image = try await TestImage.unpackable([(.gzip, ["noise": generator.bytes(count: 600_000)])])
                try registry.add(image, repository: "image", tags: [client.rawValue])
                images[client] = image
            }
            return images
        }

        @Test("with a token server: images come through the mirror, from a peer, and only for who may have them")
        func bearer() async throws {
            let tokens = try await TokenServer(user: Self.user, repository: "image")
            let registry = try await DockerRegistry(auth: tokens.auth)
            let images = try await Self.images(in: registry)
            let pair = try await RelayedPair(registry)
            await pair.relay.record()
            let daemons = [try await pair.a.start(), try await pair.b.start()]
            try await pair.waitUntilConnected()
            for (node, mode) in [(pair.a, "config-path"), (pair.b, "config-path"), (pair.b, "mirror")] {
                let runtime = try await Runtime(node, registry, mode: mode)
                // Without hosts.toml files ctr knows no mirror.
                for client in Client.allCases where mode == "config-path" || client == .cri {
                    let image = try #require(images[client])
                    try await runtime.check(image, "\(registry.host)/image:\(client)", by: client)
                }
                let recording = await runtime.way.recording
                #expect(recording.holds("GET /v2/image/blobs/") && recording.holds("\(tokens.token)"))
                #expect(recording.spellings(of: Self.password).isEmpty)
                try await runtime.stop()
            }
            #expect(try await pair.a.report().bytesFromRegistry > 1_200_000)
            #expect(try await pair.b.report().bytes(fromPeer: "a") > 1_200_000)
            #expect(try await pair.b.report().bytesFromRegistry == 0)
            let frames = await pair.relay.recording
            for image in images.values {
                for blob in image.layers.map(\.blob) {
                    #expect(registry.bytesSent(blob.digest) == blob.bytes.count)
                    let isSeen = frames.holds(Array(blob.bytes.suffix(1_000)))
                    #expect(isSeen, "the relay saw no pieces")
                }
            }
            for secret in [tokens.token, Self.password] { #expect(frames.spellings(of: secret).isEmpty) }
            for node in [pair.a, pair.b] { #expect(try !Self.log(node).contains("canary")) }
            for daemon in daemons { try await daemon.stop() }
            try await pair.stop()
            await tokens.server.close()
        }

        @Test("with passwords: the mirror sees none, and the images come from the registry")
        func basic() async throws {
            let passwords = try await PasswordFile(Self.user)
            let registry = try await DockerRegistry(auth: passwords.auth)
            let images = try await Self.images(in: registry)
            let cluster = try Cluster(nodes: ["a"], registry: registry)
            let daemons = try await cluster.start(cluster.nodes)
            let runtime = try await Runtime(cluster.nodes[0], registry)
            for client in Client.allCases {
                let image = try #require(images[client])
                try await runtime.check(image, "\(registry.host)/image:\(client)", by: client)
                for blob in image.layers.map(\.blob) {
                    #expect(registry.bytesSent(blob.digest) == blob.bytes.count)
                }
                let recording = await runtime.way.recording
                #expect(recording.holds("HEAD /v2/image/manifests/\(client)"), "the mirror was not asked")
            }
            let recording = await runtime.way.recording
            #expect(recording.spellings(of: Self.password).isEmpty && !recording.holds("Authorization:"))
            #expect(try await cluster.nodes[0].report().bytesFromRegistry == 0)
            #expect(try !Self.log(cluster.nodes[0]).contains("canary"))
            try await runtime.stop()
            for daemon in daemons { try await daemon.stop() }
            try await registry.process.stop()
        }

        private static func log(_ node: NodeProcess) throws -> String {
            try String(contentsOfFile: node.logPath, encoding: .utf8)
        }
    }
}
