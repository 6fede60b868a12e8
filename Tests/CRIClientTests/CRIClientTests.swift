import CRIClient
import EventLoop
import Foundation
import HTTPTransfer
import TestSupport
import Testing

@testable import CRIClient

@Suite("gRPC's framing")
struct GRPCFrameTests {
    @Test("a message is framed and read back")
    func roundTrip() throws {
        for message in [[], [1], [UInt8](repeating: 7, count: 70_000)] as [[UInt8]] {
            let frame = try #require(GRPCFrame.encode(message))
            #expect(GRPCFrame.decode(frame).map(Array.init) == message)
        }
        #expect(GRPCFrame.encode([9, 8]) == [0, 0, 0, 0, 2, 9, 8])
    }

    @Test(
        "what is not exactly one plain message is none",
        arguments: [
            [], [0], [0, 0, 0, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 9],
            [0, 255, 255, 255, 255, 1],
        ] as [[UInt8]]
    )
    func refuses(_ bytes: [UInt8]) {
        #expect(GRPCFrame.decode(bytes) == nil)
    }

    @Test("a status message is decoded as far as it is encoded")
    func message() {
        #expect(GRPCMessage.decode("a%20b%C3%A4") == "a bä")
        #expect(GRPCMessage.decode("100% %zz %4") == "100% %zz %4")
    }
}

@Suite("a user of a registry")
struct CRICredentialTests {
    @Test("is in no description, and what CRI would take for something else is none")
    func redacted() throws {
        let credential = try #require(CRICredential(user: "somebody", password: "canary"))
        var dumped = ""
        dump(credential, to: &dumped)
        for text in ["\(credential)", String(reflecting: credential), dumped] {
            #expect(!text.contains("canary") && !text.contains("somebody"))
        }
        for (user, password) in [("", "token"), ("a\0b", "c"), ("a", "b\0c")] {
            #expect(CRICredential(user: user, password: password) == nil)
        }
    }
}

@Suite("A real containerd", .serialized)
struct RealContainerdTests {
    private static func mirrors(_ host: String, _ url: String) -> String {
        """
        [plugins."io.containerd.grpc.v1.cri".registry.mirrors."\(host)"]
          endpoint = ["\(url)"]

        """
    }

    @Test("an image is pulled from a registry through CRI, found, and removed")
    @LoopActor func pulls() async throws {
        let registry = try await DockerRegistry()
        let image = try await TestImage.unpackable([
            (.gzip, ["bin/tool": [UInt8](repeating: 1, count: 100_000)]), (.plain, ["etc/name": [65, 66]]),
        ])
        try registry.add(image, repository: "library/tool")
        let containerd = try Containerd(configuration: Self.mirrors("hub.test", registry.url))
        let process = try await containerd.start()
        let client = CRIClient(socket: containerd.socketPath)

        let version = try await client.version()
        #expect(version.runtimeName == "containerd")
        #expect(version.runtimeVersion.hasPrefix("1.") || version.runtimeVersion.hasPrefix("2."))
        #expect(try await client.criState() == .ready(version))
        #expect(try await client.conditions().contains { $0.type == "RuntimeReady" && $0.isTrue })

        let name = "hub.test/library/tool:latest"
        #expect(try await client.image(name) == nil)
        let id = try await client.pull(name)
        #expect(id == "\(image.config.digest)")
        let found = try #require(try await client.image(name))
        #expect(found.id == id)
        #expect(found.tags == [name])
        #expect(found.digests == ["hub.test/library/tool@\(image.manifest.digest)"])
        #expect(try await client.images().map(\.id) == [id])
        #expect(image.layers.allSatisfy { registry.bytesSent($0.blob.digest) == $0.blob.bytes.count })

        let error = await #expect(throws: CRIError.self) {
            try await client.pull("hub.test/library/absent:latest")
        }
        guard case .status(let code, let message)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        // Which of the two depends on what the name's own host, the last resort, makes of it.
        #expect(code == .notFound || code == .unknown)
        #expect(message.contains("hub.test/library/absent:latest"))

        try await client.removeImage(name)
        #expect(try await client.image(name) == nil)
        try await client.removeImage(name)
        let plugins = try await client.plugins(matching: ["id==cri"])
        #expect(plugins == [ContainerdPlugin(type: "io.containerd.grpc.v1", id: "cri", failure: nil)])
        #expect(try await client.plugins().count > 20)
        #expect(try await client.contentStoreFolder() == containerd.contentFolder)
        try await process.stop()
        await #expect(throws: CRIError.self) { try await client.version() }
    }

    @Test("a conflict in the registry settings is reported in containerd's own words")
    @LoopActor func conflict() async throws {
        let conflict = """
            [plugins."io.containerd.grpc.v1.cri".registry]
              config_path = "/nonexistent"

            """
        let containerd = try Containerd(
            configuration: conflict + Self.mirrors("hub.test", "http://127.0.0.1:1")
        )
        let process = try await containerd.start()
        let client = CRIClient(socket: containerd.socketPath)
        guard case .failed(let plugins) = try await client.criState() else {
            Issue.record("CRI is served in spite of the conflict")
            return
        }
        #expect(plugins.map(\.id) == ["cri"])
        let failure = try #require(plugins.first?.failure)
        #expect(failure.message.contains("`mirrors` cannot be set when `config_path` is provided"))
        #expect(!failure.isSkip)
        for _ in 0..<50 {
            let error = await #expect(throws: CRIError.self) { try await client.version() }
            guard case .status(.unimplemented, _)? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
        try await process.stop()
    }

    @Test("a disabled CRI plugin is absent, and a socket that nobody serves unreachable")
    @LoopActor func absent() async throws {
        let containerd = try Containerd()
        let text = try String(contentsOfFile: containerd.configPath, encoding: .utf8)
        try ("disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n" + text).write(
            toFile: containerd.configPath,
            atomically: true,
            encoding: .utf8
        )
        let process = try await containerd.start()
        #expect(try await CRIClient(socket: containerd.socketPath).criState() == .absent)
        try await process.stop()

        let folder = try TemporaryFolder("socket")
        let nobody = CRIClient(socket: folder.path("none.sock"))
        let error = await #expect(throws: CRIError.self) { try await nobody.criState() }
        guard case .unreachable(let cause)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(cause.kind == .connectFailed)
    }

    @Test("a call is cancelled with its task, on a socket that never answers")
    @LoopActor func cancels() async throws {
        let folder = try TemporaryFolder("socket")
        let listener = try Listener.unix(path: folder.path("mute.sock"), mode: 0o600)
        defer { listener.close() }
        var streams: [EventLoop.Stream] = []
        listener.accept { streams.append($0) }
        let client = CRIClient(socket: folder.path("mute.sock"))
        let pending = Task { @LoopActor in try await client.version() }
        try await eventually("the connection arrives") { streams.count == 1 }
        pending.cancel()
        await #expect(throws: CRIError.self) { try await pending.value }
        for stream in streams { stream.close() }
    }
}
