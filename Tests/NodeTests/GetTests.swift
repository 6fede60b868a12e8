import Foundation
import OCIModel
import TestSupport
import Testing

extension NodeTests {
    @Suite("hawker get")
    struct GetTests {
        /// A web server with one file, which a test may take away, and nodes that may read it.
        private final class World {
            let blob: Blob
            let server: ScriptedServer
            let nodes: [NodeProcess]
            let folder: TemporaryFolder
            private(set) var processes: [ChildProcess] = []

            init(
                nodes names: [String], bytes: Int = 12 << 20, registryLines: [String] = [], token: String? = nil,
                pauseMillis: UInt64 = 0
            ) async throws {
                var generator = SeededGenerator(seed: 31)
                let blob = try await Blob(generator.bytes(count: bytes))
                self.blob = blob
                server = try await ScriptedServer { request in
                    Self.answer(request, blob.bytes, token: token, pauseMillis: pauseMillis)
                }
                var settings = try names.map { try NodeProcess.Settings(name: $0) }
                for index in settings.indices {
                    settings[index].registries = [("127.0.0.1:\(await server.port)", server.url)]
                    settings[index].registryLines = registryLines
                    settings[index].peers = settings.indices.filter { $0 != index }.map {
                        "127.0.0.1:\(settings[$0].peerPort)"
                    }
                }
                nodes = try settings.map { try NodeProcess($0) }
                folder = try TemporaryFolder("get")
                for node in nodes { processes.append(try await node.start()) }
                for node in nodes where nodes.count > 1 {
                    try await eventually("connected") { try await node.peers().contains { $0.state == "connected" } }
                }
            }

            func stop() async throws {
                for process in processes { try await process.stop() }
                await server.close()
            }

            private static func answer(
                _ request: ScriptedServer.Request, _ bytes: [UInt8], token: String?, pauseMillis: UInt64
            ) -> [ScriptedServer.Step] {
                let isHead = request.method == "HEAD"
                if let token, request.header("authorization") != token { return .response(401, isHead: isHead) }
                guard request.target.hasPrefix("/models/big%20one.bin?sig=") else {
                    return .response(404, isHead: isHead)
                }
                if isHead { return .response(200, headers: [("Content-Length", "\(bytes.count)")], isHead: true) }
                let ends = (request.header("range") ?? "").split { !$0.isNumber }.compactMap { Int($0) }
                guard ends.count == 2 else { return .response(200, body: bytes) }
                let range = ("Content-Range", "bytes \(ends[0])-\(ends[1])/\(bytes.count)")
                let length = "Content-Length: \(ends[1] - ends[0] + 1)"
                let head = "HTTP/1.1 206 Partial\r\n\(length)\r\n\(range.0): \(range.1)\r\n\r\n"
                var steps: [ScriptedServer.Step] = [.send(Array(head.utf8))]
                for start in stride(from: ends[0], through: ends[1], by: 1 << 20) {
                    if pauseMillis > 0 { steps.append(.pause(milliseconds: pauseMillis)) }
                    steps.append(.send(Array(bytes[start...min(start + (1 << 20) - 1, ends[1])])))
                }
                return steps
            }

            var url: String { server.url + "/models/big%20one.bin?sig=a%2Fb" }

            func get(
                _ node: NodeProcess, _ output: String, url: String? = nil, sha256: String? = nil, _ more: [String] = []
            ) async throws -> ChildProcess.Output {
                try await ChildProcess.run(
                    [
                        try NodeProcess.binaryPath(), "get", url ?? self.url, "--sha256", sha256 ?? blob.digest.hex,
                        "--output", folder.path(output), "--socket", node.socketPath,
                    ] + more,
                    environment: ["HOME": folder.path("home")])
            }
        }

        private struct Report: Decodable {
            let digest: String
            let bytes: Int
            let bytesResumed: Int
            let output: String
        }

        private static func report(_ output: ChildProcess.Output) throws -> Report {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(Report.self, from: Data(output.text.utf8))
        }

        @Test("a file comes from its host once, and to the next node from the first")
        func shared() async throws {
            let world = try await World(nodes: ["a", "b"])
            let first = try await world.get(world.nodes[0], "first", ["--json"])
            #expect(first.succeeded, "\(first.text)")
            #expect(try Self.report(first).bytes == world.blob.bytes.count)
            #expect(try world.folder.read("first") == world.blob.bytes)
            let second = try await world.get(world.nodes[1], "second")
            #expect(second.succeeded && second.text.contains(world.blob.digest.description), "\(second.text)")
            #expect(try world.folder.read("second") == world.blob.bytes)
            #expect(try await world.nodes[0].report().bytesFromRegistry == world.blob.bytes.count)
            let report = try await world.nodes[1].report()
            // A busy machine answers late, and some of it is then read from the host.
            #expect(report.bytesFromPeers > world.blob.bytes.count / 2)
            // Cached, it needs no host; in its place, not even a daemon.
            await world.server.close()
            #expect(try await world.get(world.nodes[1], "third").succeeded)
            let there = try await world.get(world.nodes[1], "third", ["--socket", "/nowhere"])
            #expect(there.succeeded, "\(there.text)")
            let other = try await world.get(world.nodes[1], "first", sha256: String(repeating: "0", count: 64))
            #expect(other.ending == .exited(73), "\(other.text)")
            try await world.stop()
        }

        @Test("what an attempt left is gone on with, through the end of the command and of the daemon")
        func resumes() async throws {
            let world = try await World(nodes: ["a"], pauseMillis: 150)
            let log = world.folder.path("log")
            let cut = try ChildProcess(
                [
                    try NodeProcess.binaryPath(), "get", world.url, "--sha256", world.blob.digest.hex, "--output",
                    world.folder.path("out"), "--socket", world.nodes[0].socketPath,
                ], logPath: log)
            let part = ".out.\(world.blob.digest.hex.prefix(16)).part"
            try await eventually("some of it is there") { ((try? world.folder.read(part))?.count ?? 0) >= 4 << 20 }
            try await cut.kill()
            let left = try world.folder.read(part).count
            #expect(!FileManager.default.fileExists(atPath: world.folder.path("out")))
            let output = try await world.get(world.nodes[0], "out", ["--json"])
            #expect(output.succeeded, "\(output.text)")
            let report = try Self.report(output)
            #expect(report.bytesResumed == left && report.bytes == world.blob.bytes.count)
            #expect(try world.folder.read("out") == world.blob.bytes)
            #expect(!FileManager.default.fileExists(atPath: world.folder.path(part)))
            #expect(try await world.nodes[0].report().bytesFromRegistry <= world.blob.bytes.count + (2 << 20))
            try await world.stop()
        }

        @Test("another digest than the file's leaves nothing behind")
        func wrongDigest() async throws {
            let world = try await World(nodes: ["a"], bytes: 300_000)
            let wrong = String(repeating: "1", count: 64)
            let output = try await world.get(world.nodes[0], "out", sha256: wrong)
            #expect(output.ending == .exited(65), "\(output.text)")
            #expect(output.text.contains("does not have the digest sha256:\(wrong)"), "\(output.text)")
            #expect(output.text.contains("Compare the digest") && !output.text.contains("goes on"), "\(output.text)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: world.folder.path).isEmpty)
            // It is sent a second time, in case the way was at fault, and not for each of the command's attempts.
            #expect(try await world.nodes[0].report().bytesFromRegistry <= 3 * world.blob.bytes.count)
            // The right digest then brings the file.
            #expect(try await world.get(world.nodes[0], "out").succeeded)
            #expect(try world.folder.read("out") == world.blob.bytes)
            try await world.stop()
        }

        @Test("a password of config.json, or a token, goes to the file's host and nowhere else")
        func credentials() async throws {
            let world = try await World(nodes: ["a"], bytes: 300_000, token: "Basic bWU6Y2FuYXJ5LXdvcmQ=")
            let none = try await world.get(world.nodes[0], "out")
            #expect(none.ending == .exited(65) && none.text.contains("401"), "\(none.text)")
            let host = "127.0.0.1:\(await world.server.port)"
            let file = try world.folder.write("auth.json", #"{"auths":{"\#(host)":{"auth":"bWU6Y2FuYXJ5LXdvcmQ="}}}"#)
            #expect(try await world.get(world.nodes[0], "out", ["--auth-file", file]).succeeded)
            #expect(try world.folder.read("out") == world.blob.bytes)
            for secret in ["canary-word", "bWU6Y2FuYXJ5"] {
                #expect(try await !world.nodes[0].admin(["status", "--json"]).contains(secret))
                let log = try String(contentsOfFile: world.nodes[0].logPath, encoding: .utf8)
                #expect(!log.contains(secret))
                let grep = try await ChildProcess.run(["grep", "-r", secret, world.nodes[0].cachePath])
                #expect(grep.ending == .exited(1))
            }
            try await world.stop()
        }

        @Test("hosts, paths and addresses that the settings leave out are never dialled")
        func forbidden() async throws {
            let world = try await World(nodes: ["a"], bytes: 300_000, registryLines: ["deny = [\"models/secret*\"]"])
            let other = try await ScriptedServer { _ in .response(200, body: [1]) }
            let urls = [
                "http://127.0.0.1:\(await other.port)/x", "http://localhost:\(await other.port)/x",
                "\(world.server.url)/models/secret.bin", "\(world.server.url)/models/%73ecret.bin",
                "\(world.server.url)/models/x/../secret.bin", "https://127.0.0.1:\(await world.server.port)/x",
                "http://169.254.169.254/latest/meta-data", "file:///etc/passwd",
                "http://me@127.0.0.1:\(await world.server.port)/x",
            ]
            for url in urls {
                let output = try await world.get(world.nodes[0], "out", url: url)
                #expect([.exited(64), .exited(65)].contains(output.ending), "\(url): \(output.ending) \(output.text)")
            }
            #expect(await other.requests.isEmpty)
            #expect(await world.server.requests.isEmpty)
            // A ticket is a number that nobody can guess, and nothing else is served there.
            for path in ["/files/", "/files/x", "/files/\(String(repeating: "0", count: 64))", "/files/../v2/"] {
                #expect(try await world.nodes[0].ask(path).status == 404)
            }
            try await world.stop()
        }

        @Test("any registry is not any address")
        func foreign() async throws {
            let inside = try await ScriptedServer { _ in .response(200, body: [1]) }
            var settings = try NodeProcess.Settings(name: "any")
            settings.mirrorLines = ["any_registry = true"]
            let node = try NodeProcess(settings)
            let process = try await node.start()
            let port = await inside.port
            for host in ["127.0.0.1:\(port)", "localhost:\(port)", "[::1]:\(port)", "169.254.169.254"] {
                let output = try await ChildProcess.run([
                    try NodeProcess.binaryPath(), "get", "https://\(host)/x", "--sha256",
                    String(repeating: "0", count: 64), "--output", "/tmp/never-\(port)", "--socket", node.socketPath,
                ])
                #expect(!output.succeeded && output.text.contains("does not go to"), "\(host): \(output.text)")
            }
            #expect(await inside.requests.isEmpty)
            try await process.stop()
        }
    }
}
