import EventLoop
import Glibc
import PieceModel
import TestSupport
import Testing

@testable import PeerDirectory

@Suite("asking name servers", .serialized, .timeLimit(.minutes(1)))
@LoopActor
struct ResolverTests {
    private func withServer(
        _ hosts: [String: [String]], _ body: @LoopActor (Resolver) async throws -> Void
    ) async throws {
        let server = try NameServer()
        try server.publish(hosts)
        try server.publish(services: [
            "_hawker._tcp.nodes.test": [("a.test", 4001), ("b.test", 4002)], "_none._tcp.nodes.test": [(".", 0)],
        ])
        let process = try await server.start()
        let resolver = try await Resolver.open(server: PeerEndpoint(server.address)).get()
        try await body(resolver)
        resolver.close()
        try await process.kill()
    }

    private func sorted(_ answer: DNSAnswer<String>) -> DNSAnswer<String> {
        if case .records(let found) = answer { .records(found.sorted()) } else { answer }
    }

    private func isFailed<Record>(_ answer: DNSAnswer<Record>) -> Bool {
        if case .failed(let reason) = answer { !reason.isEmpty } else { false }
    }

    @Test("a name has the addresses of both families; a mapped one is the IPv4 address that it is")
    func families() async throws {
        let hosts = ["both.test": ["10.0.0.1", "fd00::1"], "six.test": ["fd00::2"], "mapped.test": ["::ffff:10.0.0.3"]]
        try await withServer(hosts) { resolver in
            #expect(sorted(await resolver.addresses(of: "both.test")) == .records(["10.0.0.1", "fd00::1"]))
            #expect(sorted(await resolver.addresses(of: "six.test")) == .records(["fd00::2"]))
            #expect(sorted(await resolver.addresses(of: "mapped.test")) == .records(["10.0.0.3"]))
        }
    }

    @Test("addresses that nobody can be dialled at are left out")
    func undialable() async throws {
        let bad = ["0.0.0.0", "224.0.0.1", "255.255.255.255", "fe80::1", "ff02::1", "::"]
        try await withServer(["odd.test": bad + ["10.0.0.1"], "bad.test": ["224.0.0.1"]]) { resolver in
            #expect(sorted(await resolver.addresses(of: "odd.test")) == .records(["10.0.0.1"]))
            #expect(await resolver.addresses(of: "bad.test") == .none)
        }
    }

    @Test("an answer too large for a datagram comes whole")
    func large() async throws {
        let many = (0..<600).map { "10.2.\($0 / 200).\($0 % 200 + 1)" }
        try await withServer(["many.test": many]) { resolver in
            #expect(sorted(await resolver.addresses(of: "many.test")) == .records(many.sorted()))
        }
    }

    @Test("no such name is an answer; a server that refuses, or is gone, is none")
    func negative() async throws {
        try await withServer([:]) { resolver in
            #expect(await resolver.addresses(of: "nobody.test") == .none)
            #expect(isFailed(await resolver.addresses(of: "nodes.elsewhere")))
        }
        let dead = PeerEndpoint(host: "127.0.0.1", port: try FreePort.next())
        let resolver = try await Resolver.open(server: dead).get()
        #expect(isFailed(await resolver.addresses(of: "nodes.test")))
        resolver.close()
    }

    @Test("a service has the hosts and ports of its records; the target `.` is none")
    func services() async throws {
        try await withServer([:]) { resolver in
            let expected = [ServiceRecord(host: "a.test", port: 4001), ServiceRecord(host: "b.test", port: 4002)]
            let found = await resolver.services(of: "_hawker._tcp.nodes.test")
            #expect(found == .records(expected) || found == .records(expected.reversed()))
            #expect(await resolver.services(of: "_none._tcp.nodes.test") == .none)
        }
    }

    @Test("a server that answers nothing ends with the resolver, not before its questions are answered")
    func closing() async throws {
        let silent = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { Glibc.close(silent) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(silent, $0, length)
                _ = getsockname(silent, $0, &length)
            }
        }
        let port = UInt16(bigEndian: address.sin_port)
        let resolver = try await Resolver.open(server: PeerEndpoint(host: "127.0.0.1", port: port)).get()
        let asked = Task { @LoopActor in await resolver.addresses(of: "nodes.test") }
        await Task.yield()
        resolver.close()
        #expect(isFailed(await asked.value))
    }

    @Test("bytes that are no answer are not read as one, and harm nothing", arguments: UInt64(0)..<20)
    func noise(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for count in 0..<200 {
            var bytes = generator.bytes(count: count)
            // Half of them with the head of an answer that promises records.
            let head: [UInt8] = [0, 1, 0x81, 0x80, 0, 1, 0, 9, 0, 0, 0, 0]
            if seed % 2 == 0, count > head.count { bytes.replaceSubrange(0..<head.count, with: head) }
            bytes.withUnsafeBufferPointer {
                #expect((Resolver.parseA($0) ?? []).count <= Resolver.recordsMax)
                #expect((Resolver.parseAAAA($0) ?? []).count <= Resolver.recordsMax)
                #expect((Resolver.parseSRV($0) ?? []).count <= Resolver.recordsMax)
            }
        }
    }

    @Test(
        "what peers.dns may be",
        arguments: [
            ("nodes.test", "nodes.test:4000"), ("nodes.test:5000", "nodes.test:5000"),
            ("hawker.kube-system.svc.", "hawker.kube-system.svc.:4000"), ("_hawker._tcp.nodes.test", "_hawker._tcp.nodes.test"),
            ("a_b.test", "a_b.test:4000"), ("", nil), (".", nil), ("a..b", nil), ("a b", nil), ("nodes.test:0", nil),
            ("nodes.test:", nil), ("_hawker.tcp.nodes", nil), ("_hawker._tcp", nil), ("_hawker._tcp.nodes:4000", nil),
            ("[::1]:4000", nil), ("a/b", nil),
        ] as [(String, String?)])
    func targets(text: String, meaning: String?) {
        #expect(DNSTarget(text, defaultPort: 4000)?.description == meaning)
    }
}
