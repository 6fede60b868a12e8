import OCIModel
import Testing

@Suite struct RegistryHostTests {
    @Test(
        "a host with one meaning is accepted and spelled canonically",
        arguments: [
            ("docker.io", "docker.io"), ("QUAY.io", "quay.io"), ("localhost:5000", "localhost:5000"),
            ("127.0.0.1:5000", "127.0.0.1:5000"), ("registry", "registry"), ("a-b.c1:1", "a-b.c1:1"),
            ("[2001:DB8:0:0:0:0:0:1]:5000", "[2001:db8::1]:5000"), ("[::1]", "[::1]"),
            ("0x7f.example", "0x7f.example"),
            ("1.2.3.4.example:65535", "1.2.3.4.example:65535"),
        ]
    )
    func accepts(text: String, canonical: String) throws {
        let host = try #require(RegistryHost(text))
        #expect(host.description == canonical)
        #expect(RegistryHost(host.description) == host)
    }

    @Test(
        "a spelling with two meanings, or none, is no host",
        arguments: [
            "", ".", "localhost.", "docker.io.", "a..b", "-a.b", "a-.b", "a_b", "a b", " a", "a ", "a@b",
            "a/b",
            "a\\b", "a%2fb", "a%00", "a\u{0}", "a\r\nb", "a:b", "a:", "a:0", "a:05", "a:65536", "a:+1",
            "a:1:2", "a:-1",
            "127.1", "127.0.1", "0x7f.1", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "2130706433",
            "127.0.0.256",
            "127.0.0.01", "127.0.0.0x1", "0X7F.0.0.0X1", "1.2.3.4.5", "0", "0x", "::1", "[::1", "::1]", "[]",
            "[::1]x",
            "[::ffff:a9fe:a9fe]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[::7f00:1]", "[fe80::1%lo]",
            "[1.2.3.4]", "[v1.a]",
            "münchen.example", "１２７.0.0.1", "a。b", "http://a", "#", "?", "a?b", "a#b", "*",
            String(repeating: "a", count: 64) + ".b", String(repeating: "a.", count: 127) + "ab",
            String(repeating: "a", count: 300),
        ]
    )
    func refuses(text: String) {
        #expect(RegistryHost(text) == nil)
    }

    @Test(
        "a registry URL is a scheme, a host and nothing else",
        arguments: [
            ("https://quay.io", "quay.io"), ("http://127.0.0.1:5000/", "127.0.0.1:5000"),
            ("https://[::1]:1", "[::1]:1"),
            ("quay.io", nil), ("ftp://quay.io", nil), ("https://a@quay.io", nil), ("https://quay.io/v2", nil),
            ("https://quay.io//", nil), ("https://quay.io?x", nil), ("https://", nil),
            ("HTTPS//quay.io", nil),
        ] as [(String, String?)]
    )
    func urls(text: String, host: String?) {
        #expect(RegistryHost(url: text)?.description == host)
    }

    @Test("Docker Hub is one registry under its three names, and is asked at registry-1.docker.io")
    func dockerHub() throws {
        for name in ["docker.io", "index.docker.io", "registry-1.docker.io", "Docker.IO"] {
            let host = try #require(RegistryHost(name))
            #expect(host.canonical == .dockerHub)
            #expect(host.endpoint == .dockerHubEndpoint)
        }
        let other = try #require(RegistryHost("docker.io:5000"))
        #expect(other.canonical == other)
        #expect(other.endpoint == other)
    }
}
