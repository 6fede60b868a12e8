import Foundation
import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("hawker get of images, and artifact clients")
    struct GetImageTests {
        private static func get(
            _ node: NodeProcess, _ image: String, _ folder: String, _ more: [String] = []
        ) async throws -> ChildProcess.Output {
            try await ChildProcess.run(
                [
                    try NodeProcess.binaryPath(), "get", image, "--output", folder, "--mirror",
                    "127.0.0.1:\(node.settings.mirrorPort)",
                ] + more, environment: ["HOME": "/nowhere"])
        }

        @Test("an index comes with all that it names, as a layout that Skopeo reads, and an attempt goes on")
        func index() async throws {
            let registry = try await DockerRegistry()
            var images: [TestImage] = []
            for seed in 1...2 {
                let image = try await TestImage.noise(layerSizes: [700_000, 20_000], seed: UInt64(seed))
                try registry.add(image, repository: "team/app", tags: [])
                images.append(image)
            }
            let entries = zip(images, ["amd64", "arm64"]).map { image, architecture in
                """
                {"mediaType":"\(TestImage.manifestMediaType)","digest":"\(image.manifest.digest)",\
                "size":\(image.manifest.bytes.count),"platform":{"architecture":"\(architecture)","os":"linux"}}
                """
            }
            let text = """
                {"schemaVersion":2,"mediaType":"\(MediaType.ociIndex)","manifests":[\(entries.joined(separator: ","))]}
                """
            let index = try await Blob(Array(text.utf8))
            try registry.add(manifest: index, repository: "team/app", tags: ["v1"])
            let cluster = try Cluster(nodes: ["a"], registry: registry)
            let processes = try await cluster.start(cluster.nodes)
            let node = cluster.nodes[0]
            let folder = try TemporaryFolder("layout")
            let reference = "\(registry.host)/team/app:v1"
            let output = try await Self.get(node, reference, folder.path("image"), ["--json"])
            #expect(output.succeeded, "\(output.text)")
            let all = [index] + images.flatMap { [$0.manifest, $0.config] + $0.layers.map(\.blob) }
            for blob in all { #expect(try folder.read("image/blobs/sha256/\(blob.digest.hex)") == blob.bytes) }
            let stored = try FileManager.default.contentsOfDirectory(atPath: folder.path("image/blobs/sha256"))
            #expect(Set(stored) == Set(all.map(\.digest.hex)))
            let raw = try await ChildProcess.check(["skopeo", "inspect", "--raw", "oci:\(folder.path("image")):v1"])
            #expect(raw.contains(images[1].manifest.digest.description))
            try await ChildProcess.check(
                ["skopeo", "copy", "--all", "oci:\(folder.path("image")):v1", "dir:\(folder.path("copy"))"],
                environment: ["HOME": folder.path])
            // Again: refused, then replaced; without its index it counts as unfinished.
            #expect(try await Self.get(node, reference, folder.path("image")).ending == .exited(73))
            #expect(try await Self.get(node, reference, folder.path("image"), ["--overwrite"]).succeeded)
            try FileManager.default.removeItem(atPath: folder.path("image/index.json"))
            let missing = try #require(images[0].layers.first).blob
            try FileManager.default.removeItem(atPath: folder.path("image/blobs/sha256/\(missing.digest.hex)"))
            #expect(try await Self.get(node, reference, folder.path("image")).succeeded)
            #expect(try folder.read("image/blobs/sha256/\(missing.digest.hex)") == missing.bytes)
            let full = try TemporaryFolder("full")
            try full.write("mine", "x")
            #expect(try await Self.get(node, reference, full.path).ending == .exited(73))
            let none = try await Self.get(node, "\(registry.host)/team/none:v1", folder.path("none"))
            #expect(none.ending == .exited(65), "\(none.text)")
            for process in processes { try await process.stop() }
        }

        @Test("a private image comes with the user's own password, which only the token server sees")
        func privateImage() async throws {
            let (user, password) = ("somebody", "canary-password")
            let tokens = try await TokenServer(user: "\(user):\(password)", repository: "team/secret")
            let registry = try await DockerRegistry(auth: tokens.auth)
            let image = try await TestImage.noise(layerSizes: [300_000], seed: 3)
            try registry.add(image, repository: "team/secret")
            let cluster = try Cluster(nodes: ["a"], registry: registry)
            let processes = try await cluster.start(cluster.nodes)
            let node = cluster.nodes[0]
            let folder = try TemporaryFolder("private")
            let reference = "\(registry.host)/team/secret:latest"
            let nobody = try await Self.get(node, reference, folder.path("nobody"))
            #expect(nobody.ending == .exited(77) && nobody.text.contains("credential"), "\(nobody.text)")
            let auth = Data("\(user):\(password)".utf8).base64EncodedString()
            let file = try folder.write("config.json", #"{"auths":{"\#(registry.host)":{"auth":"\#(auth)"}}}"#)
            let output = try await Self.get(node, reference, folder.path("image"), ["--auth-file", file])
            #expect(output.succeeded, "\(output.text)")
            for blob in [image.manifest, image.config] + image.layers.map(\.blob) {
                #expect(try folder.read("image/blobs/sha256/\(blob.digest.hex)") == blob.bytes)
            }
            let log = try String(contentsOfFile: node.logPath, encoding: .utf8)
            #expect(!log.contains(password) && !log.contains(auth))
            for process in processes { try await process.stop() }
        }

        @Test("the Python ORAS client pulls an artifact, pages through tags and sees referrers")
        func oras() async throws {
            var generator = SeededGenerator(seed: 41)
            let weights = try await Blob(generator.bytes(count: 2_000_000))
            let empty = try await Blob(Array("{}".utf8))
            let artifact = try await ArtifactRegistry.Manifest(
                "\(MediaType.ociManifest)",
                """
                {"schemaVersion":2,"mediaType":"\(MediaType.ociManifest)","artifactType":"application/vnd.example.model",\
                "config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"\(empty.digest)","size":2},\
                "layers":[{"mediaType":"application/vnd.example.weights","digest":"\(weights.digest)",\
                "size":\(weights.bytes.count),"annotations":{"org.opencontainers.image.title":"model.bin"}}]}
                """)
            let signature = try await ArtifactRegistry.Manifest(
                "\(MediaType.ociManifest)", "{\"schemaVersion\":2}", subject: artifact.content.digest,
                artifactType: "application/vnd.example.signature")
            var state = ArtifactRegistry.State()
            state.manifests = [artifact, signature]
            state.blobs = [weights, empty]
            for number in 1...5 { state.tags["v\(number)"] = artifact.content.digest }
            let registry = try await ArtifactRegistry(state)
            var settings = try NodeProcess.Settings(name: "oras")
            settings.registries = [("registry.test", registry.server.url)]
            let node = try NodeProcess(settings)
            let process = try await node.start()
            let folder = try TemporaryFolder("oras")
            let name = "127.0.0.1:\(settings.mirrorPort)/registry.test/\(ArtifactRegistry.repository)"
            let script = try folder.write(
                "pull.py",
                """
                import json, oras.provider
                registry = oras.provider.Registry(hostname="127.0.0.1:\(settings.mirrorPort)", insecure=True)
                registry.pull(target="\(name):v1", outdir="\(folder.path("out"))")
                print(sorted(registry.get_tags("\(name)")))
                url = "http://" + "\(name)".replace("/registry", "/v2/registry", 1) + "/referrers/\(artifact.content.digest)"
                print([entry["artifactType"] for entry in registry.do_request(url, "GET").json()["manifests"]])
                """)
            let python = PythonEnvironment.program("oras-python")
            let output = try await ChildProcess.run([python, script], environment: ["HOME": folder.path])
            #expect(output.succeeded, "\(output.text)")
            #expect(output.text.contains("['v1', 'v2', 'v3', 'v4', 'v5']"), "\(output.text)")
            #expect(output.text.contains("['application/vnd.example.signature']"))
            #expect(try folder.read("out/model.bin") == weights.bytes)
            // The same artifact with this program's own command.
            let got = try await Self.get(node, "registry.test/\(ArtifactRegistry.repository):v1", folder.path("layout"))
            #expect(got.succeeded, "\(got.text)")
            #expect(try folder.read("layout/blobs/sha256/\(artifact.content.digest.hex)") == artifact.content.bytes)
            #expect(try folder.read("layout/blobs/sha256/\(weights.digest.hex)") == weights.bytes)
            try await process.stop()
        }
    }
}
