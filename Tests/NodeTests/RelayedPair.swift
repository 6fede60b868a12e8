import TestSupport

/// Node b knows node a through a relay, which can hold back what a sends; a does not know b.
final class RelayedPair: Sendable {
    let registry: DockerRegistry
    let a: NodeProcess
    let b: NodeProcess
    let relay: Relay

    /// Nothing of the nodes runs yet. The image's repository is `image`; `lines` are settings of node a.
    convenience init(with image: TestImage, containerdOfA lines: [String]? = nil) async throws {
        let registry = try await DockerRegistry()
        try registry.add(image, repository: "image")
        try await self.init(registry, containerdOfA: lines)
    }

    init(_ registry: DockerRegistry, containerdOfA lines: [String]? = nil) async throws {
        self.registry = registry
        var settings = try NodeProcess.Settings(name: "a")
        settings.registries = [(registry.host, registry.url)]
        if let lines { settings.containerdLines = lines }
        a = try NodeProcess(settings)
        relay = try await Relay(to: settings.peerPort)
        settings = try NodeProcess.Settings(name: "b")
        settings.registries = [(registry.host, registry.url)]
        settings.peers = ["127.0.0.1:\(relay.port)"]
        b = try NodeProcess(settings)
    }

    /// Starts node a and lets it fetch the image.
    func startFilled(with image: TestImage) async throws -> ChildProcess {
        let process = try await a.start()
        try await a.pull(image, "image", from: registry)
        return process
    }

    func waitUntilConnected() async throws {
        try await eventually("node b is connected to a") {
            try await b.peers().contains { $0.state == "connected" }
        }
    }

    func waitUntilHeld() async throws {
        try await eventually("the relay holds back what a sends") { await relay.isHeld }
    }

    func stop() async throws {
        await relay.close()
        try await registry.process.stop()
    }
}
