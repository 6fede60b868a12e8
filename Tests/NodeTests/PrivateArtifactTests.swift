import Foundation
import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("the Python ORAS client and a private registry")
    struct PrivateArtifactTests {
        private static let password = "canary-password"
        private static let user = "somebody:\(password)"
        private static let strangers = [nil, "somebody:canary-wrong"]
        private static let repository = "team/model"
        /// As the nodes know the registry.
        private static let host = "registry.test"

        /// Puts an artifact of one file, `model.bin`, into the registry, and returns that.
        private static func addArtifact(to registry: DockerRegistry) async throws -> Blob {
            var generator = SeededGenerator(seed: 45)
            let weights = try await Blob(generator.bytes(count: 900_000))
            let empty = try await Blob(Array("{}".utf8))
            let manifest = try await Blob(
                Array(
                    """
                    {"schemaVersion":2,"mediaType":"\(MediaType.ociManifest)",\
                    "artifactType":"application/vnd.example.model",\
                    "config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"\(empty.digest)","size":2},\
                    "layers":[{"mediaType":"application/vnd.example.weights","digest":"\(weights.digest)",\
                    "size":\(weights.bytes.count),"annotations":{"org.opencontainers.image.title":"model.bin"}}]}
                    """.utf8))
            for blob in [weights, empty] { try registry.add(blob, repository: repository) }
            try registry.add(manifest: manifest, repository: repository, tags: ["v1"])
            return weights
        }

        private static func cluster(_ names: [String], _ registry: DockerRegistry) throws -> Cluster {
            try Cluster(nodes: names, registry: registry) { $0.registries = [(host, registry.url)] }
        }

        /// What came of a pull.
        private struct Pulled {
            let output: ChildProcess.Output
            /// `nil` when there is no file.
            let file: [UInt8]?
        }

        /// `port` is that of a mirror or of the registry itself; `scheme`, `token` or `basic`, is how the client
        /// answers a challenge.
        private static func pull(
            _ name: String, at port: UInt16, _ scheme: String, as user: String?
        ) async throws -> Pulled {
            let folder = try TemporaryFolder("oras")
            let script = try folder.write(
                "pull.py",
                """
                import sys, time, oras.provider
                # What was refused is asked for five times more, within two minutes.
                time.sleep = lambda seconds: None
                host, target, folder, scheme, *user = sys.argv[1:]
                registry = oras.provider.Registry(hostname=host, insecure=True, auth_backend=scheme)
                if user:
                    registry.auth.set_basic_auth(*user[0].split(":"))
                registry.pull(target=target, outdir=folder)
                """)
            let python = PythonEnvironment.program("oras-python")
            let address = "127.0.0.1:\(port)"
            let words = [python, script, address, "\(address)/\(name):v1", folder.path("out"), scheme]
            let output = try await ChildProcess.run(
                words + (user.map { [$0] } ?? []), environment: ["HOME": folder.path])
            return Pulled(output: output, file: try? folder.read("out/model.bin"))
        }

        @Test("with a token server: the artifact comes through a mirror, from a peer, and only for who may have it")
        func bearer() async throws {
            let tokens = try await TokenServer(user: Self.user, repository: Self.repository)
            let registry = try await DockerRegistry(auth: tokens.auth)
            let weights = try await Self.addArtifact(to: registry)
            let cluster = try Self.cluster(["a", "b"], registry)
            let daemons = try await cluster.start(cluster.nodes)
            let name = "\(Self.host)/\(Self.repository)"
            for node in cluster.nodes {
                let way = try await Relay(to: node.settings.mirrorPort)
                await way.record()
                for stranger in Self.strangers {
                    let refused = try await Self.pull(name, at: way.port, "token", as: stranger)
                    #expect(!refused.output.succeeded && refused.file == nil, "\(stranger ?? "nobody")")
                }
                let known = try await Self.pull(name, at: way.port, "token", as: Self.user)
                #expect(known.output.succeeded, "\(known.output.text)")
                #expect(known.file == weights.bytes)
                let recording = await way.recording
                #expect(recording.holds(tokens.token) && recording.spellings(of: Self.password).isEmpty)
                #expect(try !String(contentsOfFile: node.logPath, encoding: .utf8).contains("canary"))
                await way.close()
            }
            #expect(registry.bytesSent(weights.digest) == weights.bytes.count)
            #expect(try await cluster.nodes[1].report().bytes(fromPeer: "a") >= weights.bytes.count)
            for daemon in daemons { try await daemon.stop() }
            try await registry.process.stop()
            await tokens.server.close()
        }

        @Test("with passwords: the mirror gives nobody anything and sees none, and the registry itself gives it")
        func basic() async throws {
            let passwords = try await PasswordFile(Self.user)
            let registry = try await DockerRegistry(auth: passwords.auth)
            let weights = try await Self.addArtifact(to: registry)
            let cluster = try Self.cluster(["a"], registry)
            let daemons = try await cluster.start(cluster.nodes)
            let node = cluster.nodes[0]
            let way = try await Relay(to: node.settings.mirrorPort)
            await way.record()
            for user in Self.strangers + [Self.user] {
                let name = "\(Self.host)/\(Self.repository)"
                let declined = try await Self.pull(name, at: way.port, "basic", as: user)
                #expect(!declined.output.succeeded && declined.file == nil, "\(user ?? "nobody")")
            }
            let recording = await way.recording
            #expect(recording.holds("/v2/\(Self.host)/\(Self.repository)/manifests/v1"))
            #expect(recording.spellings(of: Self.password).isEmpty && !recording.holds("Authorization: Basic"))
            #expect(registry.bytesSent(weights.digest) == 0)
            for stranger in Self.strangers {
                let refused = try await Self.pull(Self.repository, at: registry.port, "basic", as: stranger)
                #expect(!refused.output.succeeded && refused.file == nil, "\(stranger ?? "nobody")")
            }
            let known = try await Self.pull(Self.repository, at: registry.port, "basic", as: Self.user)
            #expect(known.output.succeeded, "\(known.output.text)")
            #expect(known.file == weights.bytes)
            #expect(registry.bytesSent(weights.digest) == weights.bytes.count)
            #expect(try !String(contentsOfFile: node.logPath, encoding: .utf8).contains("canary"))
            await way.close()
            for daemon in daemons { try await daemon.stop() }
            try await registry.process.stop()
        }
    }
}
