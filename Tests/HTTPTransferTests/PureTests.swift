import Testing

@testable import HTTPTransfer

@Suite("URLs and addresses")
struct URLAndAddressTests {
    @Test(
        "a URL is taken apart once, for checks and for dialling",
        arguments: [
            ("https://Registry.Example/v2/", "https://registry.example:443/v2/"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000/"),
            ("http://[::1]:5000/a?b=c", "http://[::1]:5000/a?b=c"),
            ("HTTP://h/../x", "http://h:80/../x"),
        ]
    )
    func parses(_ text: String, _ expected: String) {
        #expect(TransferURL(text)?.text == expected)
    }

    @Test(
        "what is not an absolute http or https URL without user and fragment is none",
        arguments: [
            "", "registry.example", "/v2/", "file:///etc/passwd", "ftp://h/", "http://user:secret@h/",
            "http://u@h/",
            "http://h:0/", "http://h:65536/", "http://h/#f", "http://h /", "gopher://h/", "http://",
        ]
    )
    func refuses(_ text: String) {
        #expect(TransferURL(text) == nil)
    }

    @Test(
        "a Location is resolved against the URL it was found at",
        arguments: [
            ("https://cdn.example/b?sig=1", "https://cdn.example:443/b?sig=1"),
            ("//cdn.example/b", "https://cdn.example:443/b"),
            ("/other", "https://h:443/other"),
            ("next", "https://h:443/v2/next"),
            ("?page=2", "https://h:443/v2/x?page=2"),
            ("https://h/y#part", "https://h:443/y"),
        ]
    )
    func resolves(_ location: String, _ expected: String) throws {
        let url = try #require(TransferURL("https://h/v2/x"))
        #expect(url.resolving(location)?.text == expected)
    }

    @Test(
        "a Location that leads out of http is none",
        arguments: ["file:///etc/passwd", "javascript:alert(1)"]
    )
    func refusesLocations(_ location: String) throws {
        let url = try #require(TransferURL("https://h/v2/x"))
        #expect(url.resolving(location) == nil)
    }

    @Test("a URL describes itself without its query")
    func describes() {
        #expect(TransferURL("https://h/a?X-Amz-Signature=secret")?.description == "https://h:443/a")
    }

    @Test(
        "an address lies where it leads to, also inside IPv6 forms of IPv4",
        arguments: [
            ("8.8.8.8", AddressClass.public), ("2606:4700::1", .public), ("127.0.0.1", .loopback),
            ("127.255.0.9", .loopback), ("::1", .loopback), ("[::1]", .loopback), ("10.1.2.3", .private),
            ("172.16.0.1", .private), ("172.32.0.1", .public), ("192.168.9.9", .private),
            ("100.64.0.1", .private),
            ("fd00::1", .private), ("169.254.169.254", .linkLocal), ("fe80::1", .linkLocal),
            ("0.0.0.0", .unusable),
            ("224.0.0.1", .unusable), ("255.255.255.255", .unusable), ("::", .unusable),
            ("ff02::1", .unusable),
            ("::ffff:169.254.169.254", .linkLocal), ("64:ff9b::7f00:1", .loopback),
            ("2002:a00:1::", .private), ("::7f00:1", .loopback), ("::ffff:7f00:1", .loopback),
            ("64:ff9b:1::7f00:1", .unusable), ("2001:0:7f00:1::", .unusable), ("fec0::1", .private),
            ("168.63.129.16", .linkLocal), ("100.100.100.200", .linkLocal), ("192.0.0.192", .linkLocal),
            ("fd00:ec2::254", .linkLocal), ("fd20:ce::254", .linkLocal), ("::ffff:168.63.129.16", .linkLocal),
            ("198.18.0.1", .private), ("192.0.0.193", .public),
        ]
    )
    func classifies(_ text: String, _ expected: AddressClass) {
        #expect(AddressClass(text: text) == expected)
    }

    @Test("a name is not an address", arguments: ["localhost", "", "1.2.3", "[fe80::1%eth0]"])
    func refusesNames(_ text: String) {
        #expect(AddressClass(text: text) == nil)
    }

    @Test("a registry may send us to public addresses and its own kind, and nobody to link-local ones")
    func policies() {
        let outside = AddressPolicy.reachable(from: .public)
        #expect(outside.allows(.public))
        for address in [AddressClass.private, .loopback, .linkLocal, .unusable] {
            #expect(!outside.allows(address))
        }
        let inside = AddressPolicy.reachable(from: .private)
        #expect(inside.allows(.private) && inside.allows(.public))
        #expect(!inside.allows(.loopback) && !inside.allows(.linkLocal))
        let local = AddressPolicy.reachable(from: .loopback)
        #expect(local.allows(.loopback) && local.allows(.private) && !local.allows(.linkLocal))
    }
}

@Suite("Proxies")
struct ProxyRuleTests {
    @Test("a proxy is HTTP or SOCKS 5, and says its port")
    func reads() {
        #expect(TransferProxy("http://Proxy:3128")?.text == "http://proxy:3128")
        #expect(TransferProxy("socks5://[::1]:1080")?.text == "socks5h://[::1]:1080")
        for text in [
            "", "proxy:3128", "http://proxy", "http://[::1]", "https://proxy:3128", "socks4://proxy:1080",
            "http://u:p@proxy:3128", "http://proxy:3128/x", "socks5://proxy:0", "socks5h://proxy:1080",
        ] {
            #expect(TransferProxy(text) == nil, "\(text)")
        }
    }

    @Test("a proxy is asked for names, and for addresses that the policy allows")
    func dials() {
        let outside = AddressPolicy.reachable(from: .public)
        #expect(TransferProxy.mayDial("registry.example", outside))
        #expect(TransferProxy.mayDial("8.8.8.8", outside))
        for host in [
            "127.0.0.1", "[::1]", "localhost", "x.localhost", "localhost.", "169.254.169.254", "10.0.0.1",
            "127.0.0.1.", "[::ffff:127.0.0.1]",
        ] {
            #expect(!TransferProxy.mayDial(host, outside), "\(host)")
            #expect(TransferProxy.mayDial(host, .any), "\(host)")
        }
    }
}

@Suite("Response heads")
struct HeadCollectorTests {
    private func collect(_ lines: [String], bytesMax: Int = 1000) -> ([HeadCollector.Event], HeadCollector) {
        var collector = HeadCollector(bytesMax: bytesMax)
        let events = lines.map { line in
            Array(line.utf8).withUnsafeBytes { collector.take($0) }
        }
        return (events.filter { $0 != .none }, collector)
    }

    @Test("an informational head is passed over and trailers are kept apart")
    func collects() throws {
        let (events, collector) = collect([
            "HTTP/1.1 103 Early Hints\r\n", "Link: x\r\n", "\r\n", "HTTP/1.1 200 OK\r\n",
            "Content-Type:  text/plain \r\n",
            "X:\r\n", "\r\n", "Grpc-Status: 0\r\n", "\r\n",
        ])
        guard case .head(let status, let headers)? = events.first, events.count == 1 else {
            Issue.record("\(events)")
            return
        }
        #expect(status == 200)
        #expect(headers.fields.map(\.name) == ["content-type", "x"])
        #expect(headers.single("content-type") == "text/plain")
        #expect(headers.single("x") == "")
        #expect(collector.trailers.single("grpc-status") == "0")
    }

    @Test("a field that may stand once has no value when its values disagree")
    func single() {
        var headers = HeaderFields()
        headers.append(name: "Content-Length", value: "1")
        headers.append(name: "content-length", value: "1")
        #expect(headers.single("content-length") == "1")
        headers.append(name: "content-length", value: "2")
        #expect(headers.single("content-length") == nil)
    }

    @Test("a head that is too long or no head is refused")
    func refuses() {
        #expect(
            collect(["HTTP/1.1 200 OK\r\n", "A: \(String(repeating: "x", count: 99))\r\n"], bytesMax: 100).0
                == [.refused(.headTooLarge)]
        )
        #expect(collect(["HTTP/1.1 20 OK\r\n"]).0 == [.refused(.protocolViolation)])
        #expect(collect(["HTTP/1.1 200 OK\r\n", "no colon\r\n"]).0 == [.refused(.protocolViolation)])
        #expect(collect(["HTTP/1.1 200 OK\r\n", ": empty\r\n"]).0 == [.refused(.protocolViolation)])
    }
}
