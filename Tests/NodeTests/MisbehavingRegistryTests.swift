import OCIModel
import Synchronization
import TestSupport
import Testing

extension NodeTests {
    @Suite("a registry that misbehaves")
    struct MisbehavingRegistryTests {
        typealias Steps = [ScriptedServer.Step]

        /// What the registry does when asked for bytes `start` to `end` (excluded) of `content`.
        struct Behaviour: Sendable, CustomTestStringConvertible {
            let name: String
            /// Whether the client can be given the right bytes all the same.
            var isBearable = false
            var sizeTold: @Sendable (Int) -> Int = { $0 }
            let answer: @Sendable (_ content: [UInt8], _ start: Int, _ end: Int) -> Steps

            var testDescription: String { name }
        }

        static let honest = Behaviour(name: "honest", isBearable: true) { content, start, end in
            .response(206, headers: [range(content, start, end)], body: Array(content[start..<end]))
        }

        static let behaviours = [
            Behaviour(name: "sends the whole with 200 for a range", isBearable: true) { content, _, _ in
                .response(200, body: content)
            },
            Behaviour(name: "closes in the middle of each answer", isBearable: true) { content, start, end in
                let part = Array(content[start..<min(end, start + 300_000)])
                let headers = [range(content, start, end), ("Content-Length", "\(end - start)")]
                return .response(206, headers: headers, body: part) + [.close]
            },
            Behaviour(name: "promises more than there is", sizeTold: { $0 + 100 }) { content, start, end in
                let body = Array(content[start..<min(end, content.count)])
                let headers = [range(content, start, end), ("Content-Length", "\(end - start)")]
                return .response(206, headers: headers, body: body) + [.close]
            },
            Behaviour(name: "promises less than there is", sizeTold: { $0 - 100 }) { content, start, end in
                .response(206, headers: [range(content, start, end)], body: Array(content[start..<end]))
            },
            Behaviour(name: "says another length than the range has") { content, start, end in
                let headers = [range(content, start, end), ("Content-Length", "\(end - start - 7)")]
                return .response(206, headers: headers, body: Array(content[start..<(end - 7)]))
            },
            Behaviour(name: "sends another range than asked for") { content, start, end in
                .response(
                    206,
                    headers: [range(content, start + 1, end)],
                    body: Array(content[(start + 1)..<end])
                )
            },
            Behaviour(name: "sends a wrong byte") { content, start, end in
                var body = Array(content[start..<end])
                body[body.count / 2] ^= 1
                return .response(206, headers: [range(content, start, end)], body: body)
            },
        ]

        private static func range(_ content: [UInt8], _ start: Int, _ end: Int) -> (String, String) {
            ("Content-Range", "bytes \(start)-\(end - 1)/\(content.count)")
        }

        @Test(
            "costs an answer at most: no wrong byte is kept, and later the blob comes right",
            arguments: behaviours
        )
        func misbehaves(behaviour: Behaviour) async throws {
            var generator = SeededGenerator(seed: 11)
            let blob = try await Blob(generator.bytes(count: 900_000))
            let current = Mutex(behaviour)
            let server = try await Self.server(blob.bytes) { current.withLock { $0 } }
            let host = "registry.test"
            var settings = try NodeProcess.Settings(name: "a")
            settings.registries = [(host, server.url)]
            settings.defaultRegistry = host
            let node = try NodeProcess(settings)
            let process = try await node.start()

            let answer = try await Self.get(blob.digest, node)
            if behaviour.isBearable {
                #expect(answer.status == 200 && answer.isWhole && answer.bytes == blob.bytes)
            } else {
                #expect(answer.status == 404 || (answer.status == 200 && !answer.isWhole), "\(answer.status)")
                let listed = try await node.admin(["cache", "ls"])
                #expect(!listed.contains(blob.digest.hex.prefix(12)), "\(listed)")
            }

            current.withLock { $0 = Self.honest }
            try await eventually("an honest registry's blob comes right", within: 20) {
                let answer = try await Self.get(blob.digest, node)
                return answer.status == 200 && answer.isWhole && answer.bytes == blob.bytes
            }
            #expect(try await process.stop() == .exited(0))
            let disk = DiskContent(of: blob, in: node)
            #expect(disk.isWhole && disk.wrongBytes == 0)
            await server.close()
        }

        private static func server(
            _ content: [UInt8],
            _ behaviour: @escaping @Sendable () -> Behaviour
        ) async throws -> ScriptedServer {
            try await ScriptedServer { request in
                let behaviour = behaviour()
                let size = behaviour.sizeTold(content.count)
                if request.method == "HEAD" {
                    return .response(200, headers: [("Content-Length", "\(size)")], isHead: true)
                }
                let ends = (request.header("range") ?? "").split { !$0.isNumber }.compactMap { Int($0) }
                guard ends.count == 2 else { return .response(200, body: content) }
                return behaviour.answer(content, ends[0], ends[1] + 1)
            }
        }

        private static func get(_ digest: Digest, _ node: NodeProcess) async throws -> Answer {
            try await node.get("image/blobs/\(digest)", namespace: nil)
        }
    }
}
