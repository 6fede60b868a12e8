import PieceModel
import Testing

@Suite("Endpoints of peers")
struct PeerEndpointTests {
    @Test(
        "endpoints are host and port",
        arguments: [
            ("10.0.0.1:4000", "10.0.0.1", 4000), ("[::1]:1", "::1", 1),
            ("node-1.example:65535", "node-1.example", 65535),
        ]
    )
    func endpoint(text: String, host: String, port: UInt16) {
        let endpoint = PeerEndpoint(text)
        #expect(endpoint?.host == host && endpoint?.port == port)
        #expect(endpoint?.description == text)
    }

    @Test(
        "what is not an endpoint is refused",
        arguments: [
            "", ":", "host", "host:", ":1", "host:0", "host:65536", "host:+1", "::1:4000", "[]:1", "host:1x",
            "a b:1", "a\nb:1", "a\u{0}b:1", "\u{e9}:1", "a/b:1",
        ]
    )
    func noEndpoint(text: String) {
        #expect(PeerEndpoint(text) == nil)
    }

    @Test("a host longer than a name may be is refused")
    func longHost() {
        #expect(PeerEndpoint(host: String(repeating: "a", count: 253), port: 1) != nil)
        #expect(PeerEndpoint(host: String(repeating: "a", count: 254), port: 1) == nil)
    }
}
