import Foundation
import TestSupport
import Testing

extension NodeTests {
    /// Times are compared with what a rate allows at the most: a slow machine only makes them longer.
    @Suite("a node keeps to its bounds")
    struct LimitTests {
        private static let size = 6_000_000
        private static let rate = 2_000_000
        /// A tenth of a second's worth, and what may be taken at once: a piece, or one read of a connection.
        private static let slack = 200_000 + 262_144

        @Test("in what it sends to peers", arguments: ["upload", "download"])
        func peers(direction: String) async throws {
            let image = try await TestImage.noise(layerSizes: [Self.size], seed: 31)
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let (sender, taker) = try Self.pair(registry) { sender, taker in
                let line = "\(direction) = \"\(Self.rate / 1_000_000)MB/s\""
                if direction == "upload" { sender.limitLines = [line] } else { taker.limitLines = [line] }
            }
            let processes = [try await sender.start(), try await taker.start()]
            try await Self.connected(taker)
            try await sender.pull(image, "image", from: registry)
            try await registry.process.stop()

            let clock = ContinuousClock()
            let time = try await clock.measure { try await taker.pull(image, "image", from: registry) }
            let bounded = direction == "upload" ? sender : taker
            let bound = try #require(try await bounded.report().limit("limits.\(direction)"))
            #expect(bound.bytesPerSecond == Self.rate)
            #expect(bound.bytes >= Self.size)
            #expect(bound.waits > 0)
            #expect(time / .seconds(1) >= Double(Self.size - Self.slack) / Double(Self.rate))
            #expect(Double(bound.bytes) <= Double(Self.rate) * (time / .seconds(1)) + Double(Self.slack + 100_000))
            for process in processes { try await process.stop() }
        }

        @Test("in what it reads of registries, all together and of one, to the byte")
        func origin() async throws {
            let image = try await TestImage.noise(layerSizes: [Self.size, 100], seed: 32)
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            var settings = try NodeProcess.Settings(name: "a")
            settings.registries = [(registry.host, registry.url)]
            settings.limitLines = ["origin = \"80Mbit/s\""]
            settings.registryLines = ["rate = \"2MB/s\""]
            let node = try NodeProcess(settings)
            let process = try await node.start()
            let clock = ContinuousClock()
            let time = try await clock.measure { try await node.pull(image, "image", from: registry) }
            #expect(time / .seconds(1) >= Double(Self.size - Self.slack) / Double(Self.rate))

            let report = try await node.report()
            let blobs = [image.config] + image.layers.map(\.blob)
            let bytes = blobs.map(\.bytes.count).reduce(0, +)
            let (all, one) = (report.limit("limits.origin"), report.limit("registry.rate of \(registry.host)"))
            #expect(all?.bytes == bytes && one?.bytes == bytes)
            #expect(all?.bytesPerSecond == 10_000_000 && one?.bytesPerSecond == Self.rate)
            #expect(blobs.map { registry.bytesSent($0.digest) }.reduce(0, +) == bytes)
            try await process.stop()
            try await registry.process.stop()
        }

        @Test("until it is told otherwise, and keeps them when it is told nonsense")
        func reload() async throws {
            let image = try await TestImage.noise(layerSizes: [Self.size], seed: 33)
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            var settings = try NodeProcess.Settings(name: "a")
            settings.registries = [(registry.host, registry.url)]
            settings.limitLines = ["origin = \"1KB/s\""]
            let node = try NodeProcess(settings)
            let process = try await node.start()
            #expect(try await node.admin(["reload"]).contains("nothing changed"))

            // At this rate it would take longer than any test.
            async let pull: Void = node.pull(image, "image", from: registry)
            try await eventually("the pull waits") { try await (node.report().limit("limits.origin")?.waits ?? 0) > 0 }
            settings.limitLines = ["origin = \"fast\""]
            try node.rewrite(settings)
            let line = try String(contentsOfFile: node.settingsPath, encoding: .utf8)
                .split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains("fast") }
            let refusal = try await ChildProcess.run(
                [try NodeProcess.binaryPath(), "reload", "--socket", node.socketPath])
            #expect(refusal.ending == .exited(65))
            #expect(refusal.text.contains("\(node.settingsPath):\(try #require(line) + 1): limits.origin: expected a rate"))
            #expect(try await node.report().limit("limits.origin")?.bytesPerSecond == 1000)

            settings.limitLines = ["dscp = 8"]
            try node.rewrite(settings)
            process.send(SIGHUP)
            try await pull
            #expect(process.log.contains("settings reloaded applied=limits.origin need_restart=limits.dscp"))
            #expect(try await node.admin(["reload"]).hasPrefix("limits.dscp: waits for the next start"))
            #expect(try await process.stop() == .exited(0))
            try await registry.process.stop()
        }

        @Test("in how urgent its packets to peers are")
        func trafficClass() async throws {
            let registry = try await DockerRegistry()
            let (first, second) = try Self.pair(registry) { first, _ in first.limitLines = ["dscp = 8"] }
            let processes = [try await first.start(), try await second.start()]
            try await Self.connected(second)
            // The mark is the upper six bits of what ss shows.
            let sockets = try await ChildProcess.check(["ss", "-tnpH", "--tos", "state", "established"])
            let marked = sockets.split(separator: "\n").filter { $0.contains("tos:0x20") }
            #expect(marked.contains { $0.contains(":\(first.settings.peerPort)") || $0.contains(":\(second.settings.peerPort)") })
            #expect(marked.allSatisfy { $0.contains("pid=\(processes[0].pid),") })
            for process in processes { try await process.stop() }
            try await registry.process.stop()
        }

        private static func pair(
            _ registry: DockerRegistry,
            _ change: (inout NodeProcess.Settings, inout NodeProcess.Settings) -> Void
        ) throws -> (NodeProcess, NodeProcess) {
            var first = try NodeProcess.Settings(name: "a")
            var second = try NodeProcess.Settings(name: "b")
            first.registries = [(registry.host, registry.url)]
            second.registries = first.registries
            second.peers = ["127.0.0.1:\(first.peerPort)"]
            change(&first, &second)
            return (try NodeProcess(first), try NodeProcess(second))
        }

        private static func connected(_ node: NodeProcess) async throws {
            try await eventually("\(node.settings.name) has a peer") {
                try await node.peers().contains { $0.state == "connected" }
            }
        }
    }
}
