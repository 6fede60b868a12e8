import OCIModel
import TestSupport
import Testing

@Suite("real Podman and Skopeo behind a node")
struct ContainersNodeTests {
    private static let host = "registry.test"

    /// A user's folder: where its programs look for their settings, and where Podman keeps its images.
    final class Home: Sendable {
        let folder: TemporaryFolder

        init(_ conf: String?) throws {
            folder = try TemporaryFolder("home")
            try folder.write(
                ".config/containers/policy.json", #"{"default": [{"type": "insecureAcceptAnything"}]}"#)
            if let conf { try folder.write(".config/containers/registries.conf", conf) }
        }

        var configPath: String { folder.path(".config/containers/registries.conf") }

        func podman(_ arguments: [String]) async throws {
            let own = [
                "--root", folder.path("images"), "--runroot", folder.path("run"), "--storage-driver", "vfs",
                "--cgroup-manager", "cgroupfs", "--events-backend", "none",
            ]
            try await ChildProcess.check(environment + ["podman"] + own + arguments)
        }

        /// What stands before a program that is to take this home for its user's.
        var environment: [String] { ["env", "-u", "XDG_CONFIG_HOME", "HOME=\(folder.path)"] }

        /// Fetches an image as it is stored and returns the bytes of one of its files, by digest.
        func skopeo(_ reference: String, _ digest: Digest, into name: String) async throws -> [UInt8] {
            try await ChildProcess.check(
                environment + ["skopeo", "copy", "docker://\(reference)", "dir:\(folder.path(name))"])
            return try folder.read("\(name)/\(digest.hex)")
        }

        /// Everything below the settings folder, with content.
        func settings() async throws -> String {
            try await ChildProcess.check(
                ["sh", "-c", "find . -type f | sort | xargs -r sha256sum; find . -type d | sort"],
                folder: folder.path(".config/containers"))
        }
    }

    private static func confs(_ registry: DockerRegistry) -> [String?] {
        [
            nil, "unqualified-search-registries = [\"\(host)\"]\n",
            "# mine\n[[registry]]\nprefix = \"\(host)\"\nlocation = \"\(registry.host)\"\ninsecure = true\n",
        ]
    }

    @Test(
        "they pull through the node, without it from the registry, and revert gives back the files",
        arguments: 0...2)
    func pullsWithAndWithoutTheNode(variant: Int) async throws {
        let registry = try await DockerRegistry()
        let first = try await Self.image("first")
        let second = try await Self.image("second")
        try registry.add(first, repository: "some/first", tags: ["1"])
        try registry.add(second, repository: "some/second", tags: ["1"])
        var settings = try NodeProcess.Settings(name: "a")
        settings.registries = [(Self.host, registry.url)]
        let node = try NodeProcess(settings)
        let daemon = try await node.start()
        let home = try Home(Self.confs(registry)[variant])
        let before = try await home.settings()
        let files = [
            "--runtime", "podman", "--config", home.configPath, "--state-dir", home.folder.path("state"),
        ]
        try await Self.hawker(
            ["apply", "--registry", "\(Self.host)=\(registry.url)", "--mirror", node.mirrorURL] + files)
        let layers = first.layers.map(\.blob)

        try await home.podman(["pull", "--quiet", "\(Self.host)/some/first:1"])
        let size = layers.reduce(0) { $0 + $1.bytes.count }
        let report = try await node.report()
        #expect(report.bytesFromRegistry >= size)
        #expect(report.mirror.bytesSent >= size)
        #expect(report.mirror.blobsServed >= layers.count)
        for layer in layers {
            let bytes = try await home.skopeo(
                "\(Self.host)/some/first:1", layer.digest, into: "copy-\(layer.digest.hex)")
            #expect(bytes == layer.bytes)
            // The node asked once; what the two programs got came from it.
            #expect(registry.bytesSent(layer.digest) == layer.bytes.count)
        }

        #expect(try await daemon.stop() == .exited(0))
        try await home.podman(["pull", "--quiet", "\(Self.host)/some/second:1"])
        let layer = try #require(second.layers.first).blob
        #expect(
            try await home.skopeo("\(Self.host)/some/second:1", layer.digest, into: "direct") == layer.bytes)

        try await Self.hawker(["revert"] + files)
        #expect(try await home.settings() == before)
        try await registry.process.stop()
    }

    private static func hawker(_ arguments: [String]) async throws {
        try await ChildProcess.check([try NodeProcess.binaryPath(), "runtime"] + arguments)
    }

    private static func image(_ name: String) async throws -> TestImage {
        try await TestImage.unpackable(
            TestImage.Packing.allCases.map { ($0, ["\(name)-\($0)": Array("\(name) \($0)".utf8)]) }
        )
    }
}
