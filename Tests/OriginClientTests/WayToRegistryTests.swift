import EventLoop
import HTTPTransfer
import OCIModel
import TestSupport
import Testing

@testable import OriginClient

/// Debian's tinyproxy on loopback.
private final class HTTPProxy: Sendable {
    let port: UInt16
    private let process: ChildProcess
    private let folder: TemporaryFolder

    var log: String { process.log }

    init() async throws {
        folder = try TemporaryFolder("proxy")
        port = try FreePort.next()
        let settings = try folder.write(
            "tinyproxy.conf", "Port \(port)\nListen 127.0.0.1\nTimeout 30\nMaxClients 20\nLogLevel Connect\n")
        process = try ChildProcess(["tinyproxy", "-d", "-c", settings], logPath: folder.path("log"))
        try await eventually("tinyproxy listens") { [process, port] in
            try process.requireRunning()
            return FreePort.isListening(port)
        }
    }
}

@Suite("The way to a registry")
struct WayToRegistryTests {
    @LoopActor private static func ask(_ url: String, _ change: (inout OriginEndpoint.Options) -> Void) async throws
        -> OriginError?
    {
        var options = OriginEndpoint.Options()
        options.url = url
        change(&options)
        let host = try #require(RegistryHost("r.example"))
        let endpoint = try #require(OriginEndpoint(host, options))
        let repository = try #require(RepositoryName("library/noise"))
        do throws(OriginError) {
            _ = try await OriginClient().manifest(
                endpoint: endpoint, repository: repository, reference: .tag(.latest), head: false)
            return nil
        } catch {
            return error
        }
    }

    @Test("an HTTP proxy dials for it, with a tunnel for https")
    @LoopActor func httpProxy() async throws {
        let image = try await TestImage.noise(layerSizes: [10], seed: 1)
        let registry = try await DockerRegistry()
        try registry.add(image, repository: "library/noise")
        let tls = try await TLSRegistry()
        let proxy = try await HTTPProxy()
        let relayed = try await Self.ask(registry.url) { $0.proxy = "http://127.0.0.1:\(proxy.port)" }
        #expect(relayed == nil, "\(String(describing: relayed))")
        let tunnelled = try await Self.ask("https://127.0.0.1:\(tls.port)") {
            $0.proxy = "http://127.0.0.1:\(proxy.port)"
            $0.caFile = tls.caFile
        }
        #expect(tunnelled == .notFound)
        #expect(proxy.log.contains("GET http://127.0.0.1:\(registry.port)/v2/library/noise/manifests/latest"))
        #expect(proxy.log.contains("CONNECT 127.0.0.1:\(tls.port)"))
        try await registry.process.stop()
    }

    @Test("a SOCKS proxy dials for it, and one that is not there is an error")
    @LoopActor func socksProxy() async throws {
        let image = try await TestImage.noise(layerSizes: [10], seed: 1)
        let registry = try await DockerRegistry()
        try registry.add(image, repository: "library/noise")
        let folder = try TemporaryFolder("socks")
        let port = try FreePort.next()
        let proxy = try ChildProcess(
            ["microsocks", "-i", "127.0.0.1", "-p", "\(port)"], logPath: folder.path("log"))
        try await eventually("microsocks listens") { FreePort.isListening(port) }
        #expect(try await Self.ask(registry.url) { $0.proxy = "socks5://127.0.0.1:\(port)" } == nil)
        try await eventually("microsocks says whom it reached") { proxy.log.contains("127.0.0.1:\(registry.port)") }
        try await proxy.stop()
        guard case .unreachable? = try await Self.ask(registry.url, { $0.proxy = "socks5://127.0.0.1:\(port)" }) else {
            Issue.record("the registry was reached past its proxy")
            return
        }
        try await registry.process.stop()
    }

    @Test("a registry that wants a client certificate gets it")
    @LoopActor func clientCertificate() async throws {
        let tls = try await TLSRegistry(asksClients: true)
        let url = "https://127.0.0.1:\(tls.port)"
        let shown = try await Self.ask(url) {
            $0.caFile = tls.caFile
            $0.certificate = (tls.clientFiles.certificate, tls.clientFiles.key)
        }
        #expect(shown == .notFound)
        guard case .unreachable? = try await Self.ask(url, { $0.caFile = tls.caFile }) else {
            Issue.record("the registry takes anybody")
            return
        }
        guard case .unreachable(let error)? = try await Self.ask(url, {
            $0.caFile = tls.caFile
            $0.certificate = ("/nonexistent.pem", tls.clientFiles.key)
        }) else {
            Issue.record("a certificate that is not there was passed over")
            return
        }
        #expect(error.kind == .invalidRequest)
    }
}
