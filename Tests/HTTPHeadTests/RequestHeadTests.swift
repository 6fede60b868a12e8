import TestSupport
import Testing

@testable import HTTPHead

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite struct RequestHeadTests {
    private let plain =
        "GET /v2/a/manifests/b?ns=x HTTP/1.1\r\nHost: localhost\r\nX-Y: \t1, 2 \r\nx-y:3\r\n\r\n"

    @Test("a head is the same however its bytes are cut")
    func cuts() throws {
        var whole = RequestHeadReader()
        bytes(plain).withUnsafeBytes { whole.append($0) }
        let head = try #require(try whole.next())
        #expect(head.method == .get)
        #expect(head.path == "/v2/a/manifests/b")
        #expect(head.query == "ns=x")
        #expect(head.values("x-y") == ["1, 2", "3"])
        #expect(!head.endsConnection)
        for cut in 1..<plain.utf8.count {
            var reader = RequestHeadReader()
            bytes(plain)[..<cut].withUnsafeBytes { reader.append($0) }
            #expect(try reader.next() == nil)
            bytes(plain)[cut...].withUnsafeBytes { reader.append($0) }
            #expect(try reader.next() == head)
        }
    }

    @Test("pipelined heads come out one by one, a byte at a time or all at once")
    func pipelining() throws {
        let second = "HEAD /v2/ HTTP/1.0\r\nHost: a\r\n\r\n"
        var reader = RequestHeadReader()
        bytes(plain + second + "GET /v").withUnsafeBytes { reader.append($0) }
        #expect(try reader.next()?.method == .get)
        let head = try #require(try reader.next())
        #expect(head.method == .head)
        #expect(head.endsConnection)
        #expect(try reader.next() == nil)
        #expect(reader.isInsideHead)
        for byte in bytes("2/ HTTP/1.1\r\n\r\n") {
            #expect(try reader.next() == nil)
            [byte].withUnsafeBytes { reader.append($0) }
        }
        #expect(try reader.next()?.path == "/v2/")
        #expect(!reader.isInsideHead)
    }

    @Test(
        "a request with two meanings is refused, and what follows it is never read as one",
        arguments: SmugglingTable.all
    )
    func smuggling(request: String) {
        #expect(throws: RequestHeadError.malformed) {
            var reader = RequestHeadReader()
            bytes(request + SmugglingTable.start + "\r\n").withUnsafeBytes { reader.append($0) }
            _ = try reader.next()
        }
    }

    @Test(
        "methods other than GET and HEAD are told so",
        arguments: ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
    )
    func methods(method: String) {
        #expect(throws: RequestHeadError.methodNotAllowed) {
            var reader = RequestHeadReader()
            bytes("\(method) /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n").withUnsafeBytes { reader.append($0) }
            _ = try reader.next()
        }
    }

    @Test(
        "closing is understood in a list and in any case, and nothing else closes",
        arguments: [
            ("Connection: close", true), ("connection: Keep-Alive, CLOSE", true),
            ("Connection: keep-alive", false),
            ("Connection: closed", false), ("X: close", false), ("Content-Length: 0", false),
            ("Connection: upgrade\r\nUpgrade: h2c", false),
        ]
    )
    func closing(field: String, ends: Bool) throws {
        var reader = RequestHeadReader()
        bytes("GET / HTTP/1.1\r\n\(field)\r\n\r\n").withUnsafeBytes { reader.append($0) }
        #expect(try reader.next()?.endsConnection == ends)
    }

    @Test("a head, a target and a number of fields have limits, met exactly")
    func limits() throws {
        var limits = RequestHeadLimits()
        limits.bytesMax = 256
        limits.targetBytesMax = 32
        limits.fieldsMax = 4
        func read(_ text: String) throws(RequestHeadError) -> RequestHead? {
            var reader = RequestHeadReader(limits: limits)
            bytes(text).withUnsafeBytes { reader.append($0) }
            return try reader.next()
        }
        let frame = "GET / HTTP/1.1\r\nX: \r\n\r\n"
        let room = limits.bytesMax - frame.utf8.count
        let filled = { (count: Int) in "GET / HTTP/1.1\r\nX: \(String(repeating: "a", count: count))\r\n\r\n"
        }
        #expect(try read(filled(room)) != nil)
        #expect(throws: RequestHeadError.tooLarge) { try read(filled(room + 1)) }
        #expect(throws: RequestHeadError.tooLarge) { try read(String(repeating: "a", count: 257)) }
        let target = { (count: Int) in "GET /\(String(repeating: "a", count: count - 1)) HTTP/1.1\r\n\r\n" }
        #expect(try read(target(32)) != nil)
        #expect(throws: RequestHeadError.tooLarge) { try read(target(33)) }
        let fields = { (count: Int) in
            "GET / HTTP/1.1\r\n" + String(repeating: "X: a\r\n", count: count) + "\r\n"
        }
        #expect(try read(fields(4)) != nil)
        #expect(throws: RequestHeadError.tooLarge) { try read(fields(5)) }
    }

    @Test("no flipped byte makes the reader trap or read more than the two heads that are there")
    func damage() {
        let whole = bytes(plain + SmugglingTable.start + "\r\n")
        for index in whole.indices {
            for byte in [UInt8](0...255) {
                var damaged = whole
                damaged[index] = byte
                var reader = RequestHeadReader()
                damaged.withUnsafeBytes { reader.append($0) }
                var heads = 0
                while (try? reader.next()) != nil { heads += 1 }
                #expect(heads <= 2)
            }
        }
    }
}
