import Foundation
import TestSupport
import Testing

extension NodeTests {
    @Suite("the log of a node")
    struct LogTests {
        private struct Line: Decodable {
            enum Value: Decodable, Equatable {
                case number(Int)
                case text(String)
                case other

                init(from decoder: any Decoder) throws {
                    let container = try decoder.singleValueContainer()
                    if let number = try? container.decode(Int.self) {
                        self = .number(number)
                    } else {
                        self = (try? container.decode(String.self)).map(Value.text) ?? .other
                    }
                }
            }

            let time: String
            let level: String
            let label: String
            let message: String
            let fields: [String: Value]
        }

        @Test("in JSON each line is one object, each blob has one with its source, bytes and time, and no secret is in any")
        func json() async throws {
            let image = try await TestImage.noise(layerSizes: [3_000_000], seed: 63)
            let registry = try await DockerRegistry()
            try registry.add(image, repository: "image")
            let cluster = try Cluster(nodes: ["a"], registry: registry) { $0.logFormat = "json" }
            let node = cluster.nodes[0]
            let process = try await cluster.start([node])[0]
            let layer = try #require(image.layers.first).blob
            for _ in 0..<2 {
                let answer = try await node.get("image/blobs/\(layer.digest)", from: registry)
                #expect(answer.status == 200 && answer.bytes == layer.bytes)
            }
            let secret = "canary-\(UUID().uuidString)"
            _ = try await node.get(
                "image/manifests/latest", from: registry, options: ["--header", "Authorization: Bearer \(secret)"])
            let page = try await node.metrics()
            try await process.stop()
            try await registry.process.stop()

            let text = try String(contentsOfFile: node.logPath, encoding: .utf8)
            let lines = try text.split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
            #expect(lines.allSatisfy { $0.time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil })
            let served = lines.filter { $0.message == "blob served" }
            #expect(served.map { $0.fields["from"] } == [.text("download"), .text("cache")])
            for line in served {
                #expect(line.level == "info" && line.fields["bytes"] == .number(layer.bytes.count))
                guard case .number = line.fields["millis"] else { Issue.record("no time: \(line)"); continue }
            }
            let finished = try #require(lines.first { $0.message == "download finished" })
            #expect(finished.fields["registry_bytes"] == .number(layer.bytes.count))
            #expect(finished.fields["peer_bytes"] == .number(0) && finished.fields["registry"] == .text(registry.host))
            #expect(lines.contains { $0.message == "serving" } && lines.contains { $0.message == "stopped" })
            #expect(!text.contains(secret) && !page.text.contains(secret))
        }
    }
}
