import Testing

@testable import EventLoop

@Suite("Socket addresses")
struct SocketAddressTests {
    @Test(
        "literals are read and written back in one form",
        arguments: [
            ("127.0.0.1", "127.0.0.1:4000"), ("localhost", "127.0.0.1:4000"), ("0.0.0.0", "0.0.0.0:4000"),
            ("::1", "[::1]:4000"), ("[::1]", "[::1]:4000"), ("2001:DB8:0::1", "[2001:db8::1]:4000"),
            ("::", "[::]:4000"),
        ]
    )
    func literal(host: String, text: String) {
        #expect(SocketAddress(host: host, port: 4000)?.description == text)
    }

    @Test(
        "anything else is not an address",
        arguments: [
            "", "example.org", "127.1", "1.2.3.4.5", "256.0.0.1", "[::1", "::1]", "127.0.0.1\0.evil", "[]",
            " ::1",
        ]
    )
    func notLiteral(host: String) {
        #expect(SocketAddress(host: host, port: 4000) == nil)
    }
}
