import Foundation
import OCIModel
import TestSupport
import Testing

extension NodeTests {
    /// Every caller against every repository, wherever the bytes are.
    @Suite("private images")
    struct PrivateImageTests {
        typealias Repository = TenantRegistry.Repository
        typealias Token = TenantRegistry.Token

        private static let host = "tenants.test"
        /// After so long a verdict counts no more: the nodes' setting, and a little.
        private static let verdictsAge = Duration.milliseconds(1_300)

        private static func node(
            _ name: String, _ registry: TenantRegistry, peers: [String] = [], containerd: TemporaryFolder? = nil
        ) throws -> NodeProcess {
            var settings = try NodeProcess.Settings(name: name)
            settings.registries = [(host, registry.server.url)]
            settings.mirrorLines = ["verdict_seconds = 1"]
            settings.peers = peers
            if let containerd { settings.containerdLines = ["content = \"\(containerd.path)\""] }
            return try NodeProcess(settings)
        }

        /// What a caller asks for in a repository: paths, and the content that each stands for.
        private static func requests(_ registry: TenantRegistry, _ repository: Repository) throws -> [(String, Blob)] {
            var requests = [("blobs/\(registry.shared.digest)", registry.shared)]
            for owner in Repository.allCases {
                let image = try #require(registry.images[owner])
                requests.append(("manifests/\(image.manifest.digest)", image.manifest))
                requests.append(("blobs/\(image.layer.digest)", image.layer))
                if owner == repository { requests.append(("manifests/latest", image.manifest)) }
            }
            return requests
        }

        /// Asks the node for everything as every caller; `allows` is what must come of it.
        private static func check(
            _ node: NodeProcess, _ registry: TenantRegistry, _ place: String,
            by tokens: [Token?] = [nil] + Token.allCases,
            allows: (Token?, Repository, Blob) -> Bool
        ) async throws {
            for token in tokens {
                for repository in Repository.allCases {
                    for (path, content) in try requests(registry, repository) {
                        let options = token.map { ["--header", "Authorization: Bearer \($0.rawValue)"] } ?? []
                        let answer = try await node.get(
                            "\(repository.rawValue)/\(path)", namespace: host, options: options)
                        let what = "\(place): \(token?.rawValue ?? "nobody") asks \(repository.rawValue) for \(path)"
                        if allows(token, repository, content) {
                            #expect(answer.status == 200 && answer.bytes == content.bytes, "\(what): \(answer.status)")
                        } else {
                            #expect(answer.status == 404 || answer.status == 401, "\(what): \(answer.status)")
                            #expect(!registry.holds(answer.bytes), "\(what): got bytes")
                        }
                    }
                }
            }
        }

        @Test("nobody gets a byte that the registry would not give, and everybody what it would")
        func tenants() async throws {
            let registry = try await TenantRegistry(seed: 31)
            let a = try Self.node("a", registry)
            let relay = try await Self.recordedWay(to: a)
            let b = try Self.node("b", registry, peers: ["127.0.0.1:\(relay.port)"])
            let processA = try await a.start()
            // In this order nobody's bytes are there before somebody who may has asked.
            try await Self.check(a, registry, "cold", allows: registry.gives)
            try await Self.check(a, registry, "cached", allows: registry.gives)
            let processB = try await b.start()
            try await eventually("b is connected to a") { try await b.peers().contains { $0.state == "connected" } }
            // Who may not have an image makes nobody send it to his node, or even ask for it.
            let outsiders: [Token?] = [nil, .stranger, .wrong]
            try await Self.check(b, registry, "at a peer, as yet", by: outsiders, allows: registry.gives)
            let before = await relay.recording
            for owner in Repository.allCases {
                let layer = try #require(registry.images[owner]).layer
                let isSent = before.holds(Array(layer.bytes.prefix(4_096)))
                let isNamed = before.holds(layer.digest.bytes)
                #expect(isSent == (owner == .open) && isNamed == isSent, "\(owner): sent \(isSent), named \(isNamed)")
            }
            let insiders: [Token?] = [.acme, .beta, .revoked]
            try await Self.check(b, registry, "at a peer", by: insiders, allows: registry.gives)

            registry.revoke()
            try await Task.sleep(for: Self.verdictsAge)
            try await Self.check(b, registry, "revoked", allows: registry.gives)

            registry.set(isUp: false)
            try await Task.sleep(for: Self.verdictsAge)
            try await Self.check(b, registry, "registry gone", by: [nil, .acme, .wrong]) { _, _, content in
                // What anybody could pull from somewhere is no secret under another name.
                registry.has(content, in: .open)
            }

            for node in [a, b] { try await Self.requireNoCanary(node) }
            try await Self.requireNoCanary(relay, registry, sent: Repository.allCases)
            #expect(try await processA.stop() == .exited(0))
            #expect(try await processB.stop() == .exited(0))
            await registry.server.close()
        }

        /// All of the registry's content, as it lies in the content store of a containerd that pulled it.
        private static func content(of registry: TenantRegistry) throws -> TemporaryFolder {
            let folder = try TemporaryFolder("content")
            for blob in [registry.shared] + registry.images.values.flatMap({ [$0.manifest, $0.layer] }) {
                try folder.write("blobs/sha256/\(blob.digest.hex)", blob.bytes)
            }
            return folder
        }

        /// Waits until the node has seen what is in its containerd's content store.
        private static func waitForContent(_ node: NodeProcess) async throws {
            try await eventually("node \(node.settings.name) sees containerd's blobs") {
                try await node.admin(["status", "--json"]).contains("\"blobs\" : 7")
            }
        }

        @Test("what lies in containerd's store, the node's or a peer's, is given to those whom the registry gives it")
        func tenantsOfContainerd() async throws {
            let registry = try await TenantRegistry(seed: 33)
            let content = try Self.content(of: registry)
            let isAll = ProcessInfo.processInfo.environment["HAWKER_ALL_TESTS"] != nil
            let some: [Token?] = isAll ? [nil] + Token.allCases : [nil, .acme]
            let a = try Self.node("a", registry, containerd: content)
            let relay = try await Self.recordedWay(to: a)
            let b = try Self.node("b", registry, peers: ["127.0.0.1:\(relay.port)"])
            // To c the registry never says a word.
            let c = try Self.node("c", registry, containerd: content)
            let processes = [try await a.start(), try await b.start(), try await c.start()]
            for node in [a, c] { try await Self.waitForContent(node) }
            try await Self.check(a, registry, "in containerd's store", allows: registry.gives)
            try await eventually("b is connected to a") { try await b.peers().contains { $0.state == "connected" } }
            try await Self.check(b, registry, "in a peer's containerd's store", by: some, allows: registry.gives)
            let blobsAsked = await registry.server.requests.count { $0.method == "GET" && $0.target.contains("/blobs/") }
            #expect(blobsAsked == 0, "the bytes came from the registry")

            registry.revoke()
            try await Task.sleep(for: Self.verdictsAge)
            try await Self.check(
                a, registry, "in containerd's store, revoked", by: [.revoked], allows: registry.gives)
            registry.set(isUp: false)
            try await Task.sleep(for: Self.verdictsAge)
            try await Self.check(a, registry, "in containerd's store, registry gone", by: [.acme]) { _, _, content in
                registry.has(content, in: .open)
            }
            try await Self.check(c, registry, "in the store of a node that knows of nothing", by: some) { _, _, _ in
                false
            }
            for node in [a, b, c] { try await Self.requireNoCanary(node) }
            try await Self.requireNoCanary(relay, registry, sent: isAll ? Repository.allCases : [.acme, .open])
            for process in processes { #expect(try await process.stop() == .exited(0)) }
            await registry.server.close()
        }

        @Test("a challenge is the registry's own, and a password is not passed on")
        func challenges() async throws {
            let registry = try await TenantRegistry(seed: 32)
            let node = try Self.node("a", registry)
            let process = try await node.start()
            let path = "acme/app/manifests/latest"
            let anonymous = try await node.get(path, namespace: Self.host, options: ["--include"])
            #expect(anonymous.status == 401)
            let head = String(decoding: anonymous.bytes, as: UTF8.self)
            #expect(head.contains("realm=\"\(registry.server.url)/token\",service=\"tenants\""))
            #expect(head.contains("scope=\"repository:acme/app:pull\""))
            let asked = await registry.server.requests.count
            let basic = try await node.get(path, namespace: Self.host, options: ["--user", "somebody:canary-password"])
            #expect(basic.status == 404)
            #expect(await registry.server.requests.count == asked, "the password went nowhere")
            #expect(try await process.stop() == .exited(0))
            await registry.server.close()
        }

        /// A relay before a node's peer port that keeps what passes.
        private static func recordedWay(to node: NodeProcess) async throws -> Relay {
            let relay = try await Relay(to: node.settings.peerPort)
            await relay.record()
            return relay
        }

        private static let canaries = Token.allCases.flatMap { Recording.spellings(of: $0.rawValue) }

        /// What passed between the nodes was content, and no credential in any spelling.
        private static func requireNoCanary(
            _ relay: Relay, _ registry: TenantRegistry, sent owners: [Repository]
        ) async throws {
            let recording = await relay.recording
            for owner in owners {
                let isSeen = registry.images[owner].map { recording.holds(Array($0.layer.bytes.prefix(4_096))) }
                #expect(isSeen == true, "the relay saw no piece of \(owner)")
            }
            #expect(canaries.filter(recording.holds).isEmpty)
            await relay.close()
        }

        /// A credential is nowhere: not in the log at its most talkative level, in the cache, in the metrics, or in
        /// what the admin tool shows.
        private static func requireNoCanary(_ node: NodeProcess) async throws {
            var texts = [try String(contentsOfFile: node.logPath, encoding: .utf8)]
            for command in [["status", "--json"], ["peers", "--json"], ["cache", "ls", "--json"]] {
                texts.append(try await node.admin(command))
            }
            texts.append(try await node.metrics().text)
            #expect(texts.allSatisfy { text in !text.contains("canary") && !canaries.contains(where: text.contains) })
            let search = ["grep", "--recursive", "--text", "--files-with-matches", "--fixed-strings"]
            let found = try await ChildProcess.run(search + canaries.flatMap { ["-e", $0] } + [node.cachePath])
            #expect(!found.succeeded && found.text.isEmpty, "\(found.text)")
        }
    }
}

extension TenantRegistry {
    /// Whether the bytes are some of what the registry keeps.
    func holds(_ bytes: [UInt8]) -> Bool {
        bytes == shared.bytes || images.values.contains { $0.layer.bytes == bytes || $0.manifest.bytes == bytes }
    }
}
