import OCIModel
import TestSupport
import Testing

@Suite("a real containerd behind a node")
struct ContainerdNodeTests {
    @Test("pulls through the node, and without it from the registry", arguments: ["mirror", "config-path"])
    func pullsWithAndWithoutTheNode(mode: String) async throws {
        let registry = try await DockerRegistry()
        let first = try await Self.image("first")
        let second = try await Self.image("second")
        try registry.add(first, repository: "first", tags: ["1"])
        try registry.add(second, repository: "second", tags: ["1"])
        let cluster = try Cluster(nodes: ["a"], registry: registry)
        let node = cluster.nodes[0]
        let daemon = try await cluster.start([node])[0]
        let containerd = try Containerd()
        try await ChildProcess.check(
            [
                try NodeProcess.binaryPath(), "containerd", "apply", "--mode", mode,
                "--config", containerd.configPath, "--hosts-dir", containerd.configPath + ".certs.d",
                "--state-dir", containerd.configPath + ".hawker-state",
                "--registry", "\(registry.host)=\(registry.url)", "--mirror", node.mirrorURL,
            ])
        let process = try await containerd.start()
        #expect(try await containerd.criState() == "ok")

        try await Self.pull("\(registry.host)/first:1", containerd)
        #expect(try await node.report().bytesFromRegistry > 0)
        #expect(try await daemon.stop() == .exited(0))
        try await Self.pull("\(registry.host)/second:1", containerd)

        try await process.stop()
        try await registry.process.stop()
    }

    private static func pull(_ reference: String, _ containerd: Containerd) async throws {
        try await ChildProcess.check(
            [
                try NodeProcess.binaryPath(), "containerd", "verify", "--containerd-only", "--socket", containerd.socketPath,
                "--image", reference,
            ])
    }

    private static func image(_ name: String) async throws -> TestImage {
        try await TestImage.unpackable(
            TestImage.Packing.allCases.map { ($0, ["\(name)-\($0)": Array("\(name) \($0)".utf8)]) }
        )
    }
}
