import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("lists of tags and of referrers")
    struct ListingTests {
        private static let path = "/v2/\(ArtifactRegistry.repository)"

        private static func start(
            _ state: ArtifactRegistry.State
        ) async throws -> (ArtifactRegistry, NodeProcess, ChildProcess) {
            let registry = try await ArtifactRegistry(state)
            var settings = try NodeProcess.Settings(name: "lists")
            settings.registries = [("registry.test", registry.server.url)]
            let node = try NodeProcess(settings)
            return (registry, node, try await node.start())
        }

        private static func signatures() async throws -> (subject: Digest, [ArtifactRegistry.Manifest]) {
            let image = try await ArtifactRegistry.Manifest("\(MediaType.ociManifest)", "{\"schemaVersion\":2}")
            let subject = image.content.digest
            var all = [image]
            for type in ["application/vnd.example.signature+json", "application/vnd.example.sbom"] {
                all.append(
                    try await ArtifactRegistry.Manifest(
                        "\(MediaType.ociManifest)", "{\"schemaVersion\":2,\"artifactType\":\"\(type)\"}",
                        subject: subject, artifactType: type))
            }
            return (subject, all)
        }

        @Test("each page names the next one at the mirror, however the registry was named")
        func pages() async throws {
            var state = ArtifactRegistry.State()
            for tag in ["a", "b", "c", "d", "e"] { state.tags[tag] = Digest(words: (1, 2, 3, 4)) }
            let (registry, node, process) = try await Self.start(state)
            let starts = [
                "\(Self.path)/tags/list?n=2&ns=registry.test", "\(Self.path)/tags/list?ns=registry.test&n=2",
                "/v2/registry.test/\(ArtifactRegistry.repository)/tags/list?n=2",
            ]
            for start in starts {
                var tags: [String] = []
                var next: String? = start
                while let target = next {
                    let page = try await node.ask(target)
                    #expect(page.status == 200, "\(target)")
                    tags.append(page.text)
                    next = page.nextPage
                    #expect(next?.hasPrefix("/v2/") ?? true)
                }
                #expect(tags.count == 3 && tags.last?.contains("[\"e\"]") == true, "\(start): \(tags)")
            }
            let header = ["--header", "X-Dragonfly-Registry: https://registry.test"]
            let page = try await node.ask("\(Self.path)/tags/list?n=4&last=a", header)
            #expect(page.text.contains("[\"b\",\"c\",\"d\",\"e\"]") && page.nextPage == nil)
            #expect(await registry.count("GET", "tags/list") == 10)
            #expect(try await node.head("\(Self.path)/tags/list", header).status == 200)
            try await process.stop()
        }

        @Test("referrers come as the registry lists them, with its filter")
        func referrers() async throws {
            let (subject, manifests) = try await Self.signatures()
            var state = ArtifactRegistry.State()
            state.manifests = manifests
            let (registry, node, process) = try await Self.start(state)
            let target = "\(Self.path)/referrers/\(subject)?ns=registry.test"
            let all = try await node.ask(target)
            #expect(all.status == 200 && all.header("content-type") == "\(MediaType.ociIndex)")
            #expect(all.text == ArtifactRegistry.index(Array(manifests.dropFirst())))
            #expect(all.header("oci-filters-applied") == nil)
            let one = try await node.ask(target + "&artifactType=application%2Fvnd.example.signature%2Bjson")
            #expect(one.text == ArtifactRegistry.index([manifests[1]]))
            #expect(one.header("oci-filters-applied") == "artifactType")
            let none = try await node.ask("\(Self.path)/referrers/\(manifests[1].content.digest)?ns=registry.test")
            #expect(none.status == 200 && none.text == ArtifactRegistry.index([]))
            #expect(try await node.ask("\(Self.path)/referrers/sha256:bad?ns=registry.test").status == 404)
            #expect(await registry.count("GET", "referrers/\(subject)") == 2)
            try await process.stop()
        }

        @Test("where a registry has no such list, the index under the tag of the digest stands in, or an empty one")
        func fallback() async throws {
            let (subject, manifests) = try await Self.signatures()
            let index = try await ArtifactRegistry.Manifest(
                "\(MediaType.ociIndex)", ArtifactRegistry.index(Array(manifests.dropFirst())))
            var state = ArtifactRegistry.State()
            state.knowsReferrers = false
            state.manifests = manifests + [index]
            state.tags["sha256-\(subject.hex)"] = index.content.digest
            let (registry, node, process) = try await Self.start(state)
            let target = "\(Self.path)/referrers/\(subject)?ns=registry.test&artifactType=application/vnd.example.sbom"
            let found = try await node.ask(target)
            #expect(found.status == 200 && found.bytes == index.content.bytes)
            // Nothing was left out, and nothing says so.
            #expect(found.header("oci-filters-applied") == nil)
            let none = try await node.ask("\(Self.path)/referrers/\(index.content.digest)?ns=registry.test")
            #expect(none.status == 200 && none.text == ArtifactRegistry.index([]))
            #expect(none.header("content-type") == "\(MediaType.ociIndex)")
            #expect(await registry.count("GET", "manifests/sha256-\(subject.hex)") == 1)
            try await process.stop()
        }

        @Test("each caller gets the registry's own answer: its challenge, or the list for its token")
        func callers() async throws {
            let (subject, manifests) = try await Self.signatures()
            var state = ArtifactRegistry.State()
            state.manifests = manifests
            state.tags = ["secret": subject]
            state.tokens = ["good"]
            let (registry, node, process) = try await Self.start(state)
            for rest in ["tags/list", "referrers/\(subject)"] {
                let target = "\(Self.path)/\(rest)?ns=registry.test"
                for _ in 1...2 {
                    let good = try await node.ask(target, ["--header", "Authorization: Bearer good"])
                    #expect(good.status == 200)
                    let bad = try await node.ask(target, ["--header", "Authorization: Bearer bad"])
                    #expect(bad.status == 401 && bad.header("www-authenticate")?.hasPrefix("Bearer realm=") == true)
                    // The registry's token server gives nothing to an anonymous caller, whose challenge is passed on.
                    let nobody = try await node.ask(target)
                    #expect(nobody.status == 401 || nobody.status == 404)
                    #expect(!nobody.text.contains("secret") && !nobody.text.contains("sbom"))
                    let password = try await node.ask(target, ["--user", "name:word"])
                    #expect(password.status == 404)
                }
                #expect(await registry.count("GET", rest) >= 6)
            }
            registry.change { $0.isUp = false }
            let down = try await node.ask(
                "\(Self.path)/tags/list?ns=registry.test", ["--header", "Authorization: Bearer good"])
            #expect(down.status == 404)
            try await process.stop()
        }
    }
}
