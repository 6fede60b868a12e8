import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("the test harness runs real programs")
    struct HarnessTests {
        @Test("a registry serves an image that was put into its storage, and its log says what it sent")
        func registryServesAndCounts() async throws {
            let registry = try await DockerRegistry()
            let image = try await TestImage.noise(layerSizes: [100_000, 7], seed: 1)
            try registry.add(image, repository: "some/image")
            let layer = try #require(image.layers.first).blob

            let manifest = try await ChildProcess.check(
                [
                    "curl", "-sf", "-H", "Accept: \(TestImage.manifestMediaType)",
                    "\(registry.url)/v2/some/image/manifests/latest",
                ])
            #expect(Array(manifest.utf8) == image.manifest.bytes)

            let blobURL = "\(registry.url)/v2/some/image/blobs/\(layer.digest)"
            try await ChildProcess.check(["curl", "-sf", "-o", "/dev/null", blobURL])
            try await ChildProcess.check(["curl", "-sf", "-o", "/dev/null", "-r", "10-19", blobURL])
            try await eventually("both answers are logged") { registry.bytesSent(layer.digest) == 100_010 }
            try await registry.process.stop()
        }

        @Test("a containerd of its own pulls an image with plain, gzip and zstd layers from the registry")
        func containerdPulls() async throws {
            let registry = try await DockerRegistry()
            let image = try await TestImage.unpackable(
                TestImage.Packing.allCases.map { ($0, ["file-\($0)": Array("content of \($0)".utf8)]) }
            )
            try registry.add(image, repository: "packed", tags: ["v1"])
            let containerd = try Containerd()
            let process = try await containerd.start()
            #expect(try await containerd.criState() == "ok")
            _ = try await containerd.ctr(["images", "pull", "--plain-http", "\(registry.host)/packed:v1"])
            #expect(try await containerd.ctr(["images", "ls", "-q"]).contains("packed:v1"))
            try await process.stop()
            try await registry.process.stop()
        }

        @Test("a child's output, ending and absence are reported")
        func childProcesses() async throws {
            #expect(
                try await ChildProcess.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
                    .text == "out\nerr\n"
            )
            #expect(try await ChildProcess.run(["sh", "-c", "exit 3"]).ending == .exited(3))
            #expect(try await ChildProcess.run(["sh", "-c", "kill -9 $$"]).ending == .signalled(9))
            #expect(try await ChildProcess.run(["pwd"], folder: "/usr").text == "/usr\n")
            await #expect(throws: TestFailure.self) { try await ChildProcess.check(["false"]) }
        }
    }
}
