import EventLoop
import Foundation
import PieceModel
import TestSupport
import Testing

@testable import PeerDirectory
@testable import PieceExchange

@Suite("Redis over TLS", .serialized, .timeLimit(.minutes(1)))
@LoopActor
struct SecureRedisTests {
    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    private func server(
        _ authority: TestAuthority, names: [String] = ["IP:127.0.0.1"], rules: String? = nil,
        asksForCertificate: Bool = false
    ) async throws -> RedisProcess {
        let files = try await authority.issue("redis", names: names)
        return try RedisProcess(
            accessRules: rules,
            security: .init(
                authority: authority.certificate, certificate: files.certificate, key: files.key,
                asksForCertificate: asksForCertificate))
    }

    @Test("lists members and keeps grants for a user with a password and no more rights than the documented ones")
    func works() async throws {
        let authority = try await TestAuthority()
        let server = try await server(authority, rules: "user default off\n\(RedisRights.documented)")
        let process = try await server.start()
        let folder = try TemporaryFolder("passwords")
        let password = try folder.write("password", "secret-word\n")
        let engines = (1...2).map { number in
            RedisHarness.engine("n\(number)", Endpoints.own(number), [server]) {
                $0.user = "hawker"
                $0.passwordFile = password
                $0.authoritiesFile = authority.certificate
            }
        }
        let listener = Audience()
        engines[0].start(listener.handlers)
        engines[1].start(DiscoveryHandlers { _ in })
        try await listener.hears([Endpoints.node(2)])
        try await eventually("both are there") { engines.allSatisfy { $0.status.state == .working } }
        let subject = try GrantSubject()
        #expect(await engines[0].ask(subject.wants([0..<4])) == .granted(0..<4))
        #expect(await engines[0].holders(of: subject.blob) == [])
        await engines[0].tell(subject.read(4, of: 0..<4, isOver: true))
        await engines[1].tellLost(try #require(PeerName("n1")), of: subject.blob, bytes: subject.layout.blobBytes)
        #expect(await engines[1].ask(subject.wants([0..<4])) != .granted(0..<4))
        #expect(engines.allSatisfy { $0.status.state == .working })
        for engine in engines { await engine.stop() }
        try await process.kill()
    }

    @Test("shows a certificate where the server asks for one, which may be a new one at the next connect")
    func clientCertificate() async throws {
        let authority = try await TestAuthority()
        let server = try await server(authority, asksForCertificate: true)
        let process = try await server.start()
        let folder = try TemporaryFolder("client")
        let engine = RedisHarness.engine("a", Endpoints.own(1), [server]) {
            $0.authoritiesFile = authority.certificate
            $0.certificateFile = folder.path("client.crt")
            $0.keyFile = folder.path("client.key")
        }
        engine.start(DiscoveryHandlers { _ in })
        try await eventually("it misses the file") { "\(engine.status.state)".contains("client.crt cannot be read") }
        let other = try await TestAuthority()
        let stranger = try await other.issue("client", names: ["DNS:a"])
        try folder.write("client.crt", text(stranger.certificate))
        try folder.write("client.key", text(stranger.key))
        try await eventually("the server does not know its authority") { "\(engine.status.state)".contains("unknown CA") }
        let client = try await authority.issue("client", names: ["DNS:a"])
        try folder.write("client.crt", text(client.certificate))
        try await eventually("key and certificate do not fit") {
            "\(engine.status.state)".contains("client.key is not the key of the certificate")
        }
        try folder.write("client.key", text(client.key))
        try await eventually("it works") { engine.status.state == .working }
        await engine.stop()
        try await process.kill()
    }

    @Test("refuses a server of another authority, or of another name, or that speaks no TLS, and sends it no password")
    func refused() async throws {
        let (authority, other) = (try await TestAuthority(), try await TestAuthority())
        let misnamed = try await server(authority, names: ["DNS:redis.example", "IP:127.0.0.2"])
        let foreign = try await server(other)
        let plain = try RedisProcess()
        let processes = [try await misnamed.start(), try await foreign.start(), try await plain.start()]
        let folder = try TemporaryFolder("passwords")
        let password = try folder.write("password", "secret-word\n")
        let addresses = [
            (misnamed.address, "IP address mismatch"), (foreign.address, "the certificate is not good"),
            ("rediss://\(plain.address)", "TLS"),
        ]
        for (address, reason) in addresses {
            var options = RedisOptions(
                servers: [try #require(RedisAddress(address))], cluster: "test", node: try #require(PeerName("a")))
            options.authoritiesFile = authority.certificate
            options.passwordFile = password
            let engine = RedisEngine(options, own: Endpoints.own(1))
            engine.start(DiscoveryHandlers { _ in })
            try await eventually("it says \(reason) of \(address)") {
                if case .failing(let text) = engine.status.state { text.contains(reason) } else { false }
            }
            await engine.stop()
        }
        for process in processes { try await process.kill() }
    }

    @Test("servers are named with and without a scheme, and never with a password", arguments: [
        ("redis-a:6379", "redis-a:6379"), ("redis://redis-a", "redis-a:6379"), ("rediss://redis-a", "rediss://redis-a:6379"),
        ("rediss://redis-a:1/", "rediss://redis-a:1"), ("rediss://[::1]", "rediss://[::1]:6379"),
        ("rediss://[::1]:7", "rediss://[::1]:7"), ("redis-a", nil), ("rediss://", nil), ("rediss://a:b@redis-a", nil),
        ("rediss://redis-a/0", nil), ("rediss://redis-a:0", nil), ("http://redis-a:1", nil), ("rediss://:secret@h:1", nil),
    ])
    func names(text: String, expected: String?) {
        #expect(RedisAddress(text)?.description == expected)
    }
}
