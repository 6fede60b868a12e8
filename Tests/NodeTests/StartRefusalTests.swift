import TestSupport
import Testing

extension NodeTests {
    @Suite("a node that cannot have what it needs")
    struct StartRefusalTests {
        @Test("refuses a cache that another node has open, and leaves that node alone")
        func cacheInUse() async throws {
            let node = try NodeProcess(NodeProcess.Settings(name: "first"))
            let process = try await node.start()
            let second = try await Self.refused(node)
            #expect(second.ending == .exited(65))
            #expect(second.text.contains("another process has the cache folder \(node.cachePath) open"))
            #expect(try await node.admin(["status"]).contains("first"))
            #expect(try await process.stop() == .exited(0))
        }

        @Test("refuses a port that is in use, names it, and leaves no socket behind")
        func portsInUse() async throws {
            let first = try NodeProcess(NodeProcess.Settings(name: "first"))
            let process = try await first.start()
            for mirror in [true, false] {
                var settings = try NodeProcess.Settings(name: "second")
                let port = mirror ? first.settings.mirrorPort : first.settings.peerPort
                if mirror { settings.mirrorPort = port } else { settings.peerPort = port }
                let output = try await Self.refused(try NodeProcess(settings))
                #expect(output.ending == .exited(69))
                #expect(
                    output.text.contains("cannot listen on 127.0.0.1:\(port): it is in use"),
                    "\(output.text)"
                )
            }
            #expect(try await first.admin(["status"]).contains("first"))
            #expect(try await process.stop() == .exited(0))
        }

        private static func refused(_ node: NodeProcess) async throws -> ChildProcess.Output {
            try await ChildProcess.run(
                [try NodeProcess.binaryPath(), "daemon", "--config", node.settingsPath],
                within: 10
            )
        }
    }
}
