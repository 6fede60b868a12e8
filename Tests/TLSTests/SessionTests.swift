import Glibc
import Testing

@testable import TLS

@Suite("a TLS session without a socket")
struct SessionTests {
    @Test("two nodes of one authority read what the other writes, and the end that it says")
    func exchange() throws {
        let (client, server) = try Fixture().pair()
        try Fixture.shakeHands(client, server)
        #expect(server.peerCertificate?.hosts == ["a"] && client.peerCertificate?.hosts == ["b"])
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try client.write(bytes)
        #expect(try Fixture.read(server, from: client.takeOutput(), by: 1_000) == bytes)
        try server.write(Array(bytes[5..<10]))
        #expect(try Fixture.read(client, from: server.takeOutput(), by: 7) == Array(bytes[5..<10]))
        client.end()
        server.receive(client.takeOutput())
        #expect(try server.read().reading == .end)
    }

    @Test("keys are changed while it goes on")
    func newKeys() throws {
        let fixture = try Fixture()
        let (client, server) = try fixture.pair(keyBytesMax: 10_000)
        try Fixture.shakeHands(client, server)
        let bytes = [UInt8](repeating: 7, count: 9_000)
        for _ in 0..<20 {
            try client.write(bytes)
            #expect(try Fixture.read(server, from: client.takeOutput(), by: 20_000) == bytes)
        }
    }

    @Test("a flipped bit is an error, and the session is over")
    func tampered() throws {
        let (client, server) = try Fixture().pair()
        try Fixture.shakeHands(client, server)
        try client.write([1, 2, 3])
        var records = client.takeOutput()
        records[records.count - 1] ^= 1
        server.receive(records)
        #expect(throws: TLSError.self) { try server.read() }
        #expect(throws: TLSError.self) { try server.write([1]) }
        client.receive(server.takeOutput())
        #expect(throws: TLSError.alert("bad record mac")) { try client.read() }
    }

    @Test("what is no TLS is said to be none")
    func notTLS() throws {
        for opening in ["GET / HTTP/1.1\r\n\r\n", "\u{10}\0\0\0\0\0\0\0\0\0\0\0\u{1}\0\0\0"] {
            let (_, server) = try Fixture().pair()
            server.receive(Array(opening.utf8))
            #expect(throws: TLSError.notTLS) { try server.handshake() }
        }
    }

    @Test("a context of other authorities does not trust what is connected")
    func otherAuthorities() throws {
        let (old, new) = (try Fixture(), try Fixture())
        let (client, server) = try old.pair()
        try Fixture.shakeHands(client, server)
        let both = try old.context("b", trusting: [old, new])
        #expect(server.isTrusted(by: both) && client.isTrusted(by: both))
        let onlyNew = try new.context("b")
        #expect(!server.isTrusted(by: onlyNew) && !client.isTrusted(by: onlyNew))
    }
}

@Suite("files that cannot be used say which and why")
struct ContextTests {
    private func failure(_ certificate: [UInt8], _ key: [UInt8], _ authorities: [[UInt8]]) -> TLSContextError? {
        do throws(TLSContextError) {
            _ = try TLSContext(certificate: certificate, key: key, authorities: authorities)
            return nil
        } catch {
            return error
        }
    }

    @Test("each of the texts, when it is none, another's, or of another kind")
    func texts() throws {
        let (fixture, other) = (try Fixture(), try Fixture())
        let (node, ca) = (try fixture.node("a"), fixture.authority)
        #expect(failure(node.certificate, node.key, [ca.certificate]) == nil)
        #expect(failure(node.certificate, node.key, [other.authority.certificate, ca.certificate]) == nil)
        let junk = Array("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".utf8)
        #expect(failure([], node.key, [ca.certificate])?.text == .certificate)
        #expect(failure(junk, node.key, [ca.certificate])?.text == .certificate)
        #expect(failure(node.certificate, [], [ca.certificate])?.text == .key)
        #expect(failure(node.certificate, try fixture.node("a").key, [ca.certificate])?.text == .key)
        #expect(failure(node.certificate, node.key, [ca.certificate, []])?.text == .authorities(1))
        #expect(failure(node.certificate, node.key, [ca.certificate + junk])?.text == .authorities(0))
        let strange = failure(node.certificate, node.key, [other.authority.certificate])
        #expect(strange?.text == .certificate)
        #expect("\(try #require(strange?.reason))".contains("is of none of the authorities"))
    }

    @Test("a certificate says its names, addresses and times")
    func content() throws {
        let made = try Fixture().node("node-a", addresses: ["10.0.0.1", "fd00::1"], days: 30).content
        #expect(made.hosts == ["node-a"] && made.addresses == ["10.0.0.1", "fd00::1"] && made.uris.isEmpty)
        let now = Int64(time(nil))
        #expect(abs(made.notAfter - now - 30 * 86_400) < 60 && made.notBefore < now)
    }

    @Test("a key that is not the authority's, or an authority that is none, makes no certificate")
    func makers() throws {
        let (fixture, other) = (try Fixture(), try Fixture())
        #expect(throws: TLSError.self) {
            try CertificateMaker.node(
                "a", addresses: [], .days(1),
                authority: (fixture.authority.certificate, other.authority.key))
        }
        let node = try fixture.node("a")
        #expect(throws: TLSError.self) {
            try CertificateMaker.node("b", addresses: [], .days(1), authority: (node.certificate, node.key))
        }
    }
}

/// An authority, and what it issues.
struct Fixture {
    let authority: IssuedCertificate

    init() throws { authority = try CertificateMaker.authority(named: "test", .days(10)) }

    func node(_ name: String, addresses: [String] = [], days: Int = 5) throws -> IssuedCertificate {
        try CertificateMaker.node(
            name, addresses: addresses, .days(days), authority: (authority.certificate, authority.key))
    }

    func context(_ name: String, trusting others: [Fixture]? = nil) throws -> TLSContext {
        let node = try node(name)
        return try TLSContext(
            certificate: node.certificate, key: node.key,
            authorities: (others ?? [self]).map(\.authority.certificate))
    }

    func pair(keyBytesMax: Int = 1 << 30) throws -> (client: TLSSession, server: TLSSession) {
        (
            TLSSession(try context("a"), .client, keyBytesMax: keyBytesMax),
            TLSSession(try context("b"), .server, keyBytesMax: keyBytesMax)
        )
    }

    static func shakeHands(_ client: TLSSession, _ server: TLSSession) throws {
        var isOver = (client: false, server: false)
        for _ in 0..<10 where !(isOver.client && isOver.server) {
            isOver.client = try client.handshake()
            server.receive(client.takeOutput())
            isOver.server = try server.handshake()
            client.receive(server.takeOutput())
        }
        #expect(isOver == (true, true))
    }

    /// Gives `records` to a session in parts of `count` bytes, and returns what it reads.
    static func read(_ session: TLSSession, from records: [UInt8], by count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: records.count, by: count) {
            let part = Array(records[start..<min(start + count, records.count)])
            bytes += try part.withUnsafeBytes { part in
                try session.receiving(part) { Result { try session.read().bytes } }.get()
            }
        }
        return bytes
    }
}

extension TLSSession {
    func receive(_ bytes: [UInt8]) { bytes.withUnsafeBytes { receive($0) } }

    func write(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try write(UnsafeRawBufferPointer($0), memory: []) }
    }

    /// Everything that can be read now.
    func read() throws -> (reading: Reading, bytes: [UInt8]) {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 20_000)
        while true {
            let reading = try buffer.withUnsafeMutableBytes { buffer throws(TLSError) in try read(into: buffer) }
            guard case .bytes(let count) = reading else { return (reading, all) }
            all += buffer[..<count]
        }
    }
}
