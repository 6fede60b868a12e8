import Foundation
import OCIModel
import TestSupport
import Testing

/// What the distribution specification asks of who serves pulls, asked of the mirror: written from the text of version
/// 1.1, "Pull" and "Content Discovery".
struct PullConformance {
    struct Manifest {
        let content: Blob
        let mediaType: String
        var tag: String?
    }

    let node: NodeProcess
    let host: String
    let repository: String

    private func target(_ rest: String, _ query: String = "") -> String {
        "/v2/\(repository)/\(rest)?ns=\(host)\(query)"
    }

    func checkBase() async throws {
        #expect(try await node.ask("/v2/").status == 200)
    }

    func check(_ manifest: Manifest) async throws {
        let digest = manifest.content.digest
        let size = "\(manifest.content.bytes.count)"
        for reference in [manifest.tag, digest.description].compactMap({ $0 }) {
            let accept = ["--header", "Accept: \(manifest.mediaType), */*"]
            let head = try await node.head(target("manifests/\(reference)"), accept)
            #expect(head.status == 200, "HEAD \(reference)")
            #expect(head.header("content-length") == size)
            #expect(head.header("content-type") == manifest.mediaType)
            #expect(head.header("docker-content-digest") == digest.description)
            let get = try await node.ask(target("manifests/\(reference)"), accept)
            #expect(get.status == 200 && get.bytes == manifest.content.bytes, "GET \(reference)")
            #expect(get.header("content-length") == size)
            #expect(get.header("content-type") == manifest.mediaType)
            #expect(get.header("docker-content-digest") == digest.description)
        }
    }

    func check(_ blob: Blob) async throws {
        let target = target("blobs/\(blob.digest)")
        let head = try await node.head(target)
        #expect(head.status == 200)
        #expect(head.header("content-length") == "\(blob.bytes.count)")
        #expect(head.header("docker-content-digest") == blob.digest.description)
        try await checkRanges(blob, target)
        let get = try await node.ask(target)
        #expect(get.status == 200 && get.bytes == blob.bytes)
        // The same of a blob that is whole by now.
        try await checkRanges(blob, target)
    }

    /// Of a blob of at least 3000 and less than 5000 bytes.
    private func checkRanges(_ blob: Blob, _ target: String) async throws {
        let size = blob.bytes.count
        let cases: [(String, Range<Int>?)] = [
            ("500-1499", 500..<1500), ("500-", 500..<size), ("-500", size - 500..<size), ("2000-5000", 2000..<size),
            ("500-0", nil), ("5000-10000", nil), ("0-", 0..<size), ("0-0", 0..<1),
            ("\(size - 1)-", size - 1..<size), ("\(size)-", nil), ("0-18446744073709551616", 0..<size),
        ]
        for (range, part) in cases {
            let reply = try await node.ask(target, ["--header", "Range: bytes=\(range)"])
            if let part {
                #expect(reply.status == 206 && reply.bytes == Array(blob.bytes[part]), "bytes=\(range)")
                #expect(reply.header("content-range") == "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(size)")
                #expect(reply.header("content-length") == "\(part.count)")
            } else {
                #expect(reply.status == 416 && reply.header("content-range") == "bytes */\(size)", "bytes=\(range)")
            }
        }
        for odd in ["bytes=0-1,5-9", "bytes=bbef", "items=0-5", "bytes=-", "bytes=--5"] {
            let reply = try await node.ask(target, ["--header", "Range: \(odd)"])
            #expect(reply.status == 200 && reply.bytes == blob.bytes, "\(odd)")
        }
    }

    func checkWhatIsNotThere() async throws {
        let digest = "sha256:" + String(repeating: "5", count: 64)
        for rest in ["blobs/\(digest)", "manifests/\(digest)", "manifests/no-such-tag"] {
            #expect(try await node.head(target(rest)).status == 404, "HEAD \(rest)")
            let reply = try await node.ask(target(rest))
            #expect(reply.status == 404, "GET \(rest)")
            let errors = try JSONDecoder().decode([String: [[String: String]]].self, from: Data(reply.bytes))
            #expect(errors["errors"]?.first?["code"] != nil)
        }
        for bad in ["blobs/sha256:baddigeststring", "manifests/sha256:baddigeststring", "manifests/.no"] {
            #expect([400, 404].contains(try await node.ask(target(bad)).status), "\(bad)")
        }
        #expect(try await node.ask(target("manifests/\(String(repeating: "a", count: 129))")).status == 404)
    }

    func checkTags(_ tags: [String]) async throws {
        struct List: Decodable {
            let name: String
            let tags: [String]
        }
        let reply = try await node.ask(target("tags/list"))
        #expect(reply.status == 200 && reply.header("content-type") == "application/json")
        let list = try JSONDecoder().decode(List.self, from: Data(reply.bytes))
        #expect(list.name == repository && list.tags.sorted() == tags.sorted())
    }
}

extension NodeTests {
    @Suite("the pull API as the distribution specification has it")
    struct PullConformanceTests {
        private static func node(_ name: String, host: String, url: String) throws -> NodeProcess {
            var settings = try NodeProcess.Settings(name: name)
            settings.registries = [(host, url)]
            return try NodeProcess(settings)
        }

        @Test("in front of a real docker-registry: images and an index of them")
        func realRegistry() async throws {
            let registry = try await DockerRegistry()
            let images = [
                try await TestImage.noise(layerSizes: [4_000], seed: 1),
                try await TestImage.noise(layerSizes: [3_500], seed: 2),
            ]
            for image in images { try registry.add(image, repository: "team/app", tags: []) }
            let entries = images.map {
                """
                {"mediaType":"\(TestImage.manifestMediaType)","digest":"\($0.manifest.digest)",\
                "size":\($0.manifest.bytes.count),"platform":{"architecture":"amd64","os":"linux"}}
                """
            }
            let text = """
                {"schemaVersion":2,"mediaType":"\(MediaType.ociIndex)","manifests":[\(entries.joined(separator: ","))]}
                """
            let index = try await Blob(Array(text.utf8))
            try registry.add(manifest: index, repository: "team/app", tags: ["v1", "latest"])
            let node = try Self.node("real", host: registry.host, url: registry.url)
            let process = try await node.start()
            let checks = PullConformance(node: node, host: registry.host, repository: "team/app")
            try await checks.checkBase()
            try await checks.check(.init(content: index, mediaType: "\(MediaType.ociIndex)", tag: "v1"))
            for image in images {
                try await checks.check(.init(content: image.manifest, mediaType: TestImage.manifestMediaType))
                try await checks.check(try #require(image.layers.first).blob)
            }
            try await checks.checkWhatIsNotThere()
            try await checks.checkTags(["latest", "v1"])
            try await process.stop()
        }

        @Test("in front of a registry of version 1.1: artifacts and types that nobody knows, byte for byte")
        func artifacts() async throws {
            var generator = SeededGenerator(seed: 7)
            let blob = try await Blob(generator.bytes(count: 4_096))
            let empty = try await Blob(Array("{}".utf8))
            let artifact = try await ArtifactRegistry.Manifest(
                "\(MediaType.ociManifest)",
                """
                {"schemaVersion":2, "mediaType":"\(MediaType.ociManifest)","artifactType":"application/vnd.example.model",
                 "config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"\(empty.digest)","size":2},
                 "layers":[{"mediaType":"application/vnd.example.weights","digest":"\(blob.digest)","size":4096}],
                 "annotations":{"key":"\\u00e4 value"}}

                """)
            let unknown = try await ArtifactRegistry.Manifest(
                "application/vnd.example.thing.v9+json", "\n {\"things\": [[1, 2.50, {\"a\": \"b\"}]] }\n")
            let largest = try await ArtifactRegistry.Manifest(
                "application/vnd.example.large+json",
                "{\"text\":\"\(String(repeating: "x", count: (4 << 20) - 11))\"}")
            #expect(largest.content.bytes.count == 4 << 20)
            var state = ArtifactRegistry.State()
            state.manifests = [artifact, unknown, largest]
            state.blobs = [blob, empty]
            state.tags = [
                "model": artifact.content.digest, "odd": unknown.content.digest, "large": largest.content.digest,
            ]
            let registry = try await ArtifactRegistry(state)
            let node = try Self.node("artifacts", host: "registry.test", url: registry.server.url)
            let process = try await node.start()
            let checks = PullConformance(node: node, host: "registry.test", repository: ArtifactRegistry.repository)
            for (manifest, tag) in [(artifact, "model"), (unknown, "odd"), (largest, "large")] {
                try await checks.check(.init(content: manifest.content, mediaType: manifest.mediaType, tag: tag))
            }
            try await checks.check(blob)
            try await checks.checkWhatIsNotThere()
            try await checks.checkTags(["large", "model", "odd"])
            try await process.stop()
        }

        @Test("manifests that are too large, or could be read in two ways, leave nothing but 404")
        func refuses() async throws {
            let digest = "sha256:" + String(repeating: "1", count: 64)
            let config = "{\"mediaType\":\"a/b\",\"digest\":\"\(digest)\",\"size\":2}"
            let type = "\(MediaType.ociManifest)"
            let deep = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)
            let texts = [
                ("large", "{\"text\":\"\(String(repeating: "x", count: (4 << 20) - 10))\"}"),
                ("both", "{\"schemaVersion\":2,\"config\":\(config),\"layers\":[],\"manifests\":[]}"),
                ("twice", "{\"schemaVersion\":2,\"config\":\(config),\"layers\":[],\"layers\":[]}"),
                ("deep", "{\"schemaVersion\":2,\"config\":\(config),\"layers\":[],\"annotations\":\(deep)}"),
                ("other", "{\"schemaVersion\":2,\"mediaType\":\"\(MediaType.ociIndex)\",\"manifests\":[]}"),
            ]
            var state = ArtifactRegistry.State()
            for (tag, text) in texts {
                let manifest = try await ArtifactRegistry.Manifest(type, text)
                state.manifests.append(manifest)
                state.tags[tag] = manifest.content.digest
            }
            let registry = try await ArtifactRegistry(state)
            let node = try Self.node("refuses", host: "registry.test", url: registry.server.url)
            let process = try await node.start()
            for (tag, _) in texts {
                for reference in [tag, try #require(state.tags[tag]).description] {
                    let path = "/v2/\(ArtifactRegistry.repository)/manifests/\(reference)"
                    let reply = try await node.ask("\(path)?ns=registry.test")
                    #expect(reply.status == 404 && reply.bytes.count < 400, "\(tag)")
                }
            }
            try await process.stop()
        }
    }
}
