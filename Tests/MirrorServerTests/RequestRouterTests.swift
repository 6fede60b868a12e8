import HTTPHead
import OCIModel
import Testing

@testable import MirrorServer

private let hex = String(repeating: "0a", count: 32)

func decide(
    _ target: String,
    host: String? = "Host: 127.0.0.1:4001",
    fields: [String] = [],
    method: String = "GET",
    defaultRegistry: String? = "docker.io",
    allowed: Set<String>? = nil,
    denied: String? = nil
) throws -> RequestRouter.Decision {
    let router = RequestRouter(
        listenHost: "10.1.2.3",
        defaultRegistry: defaultRegistry.flatMap { RegistryHost($0) },
        isAllowed: { allowed?.contains($0.description) ?? true },
        serves: { $1.text != denied }
    )
    let lines = ["\(method) \(target) HTTP/1.1"] + [host].compactMap { $0 } + fields + ["", ""]
    var reader = RequestHeadReader()
    Array(lines.joined(separator: "\r\n").utf8).withUnsafeBytes { reader.append($0) }
    return router.decide(try #require(try reader.next()))
}

private func registry(_ decision: RequestRouter.Decision) -> String? {
    switch decision {
    case .manifest(let query): query.registry.description
    case .blob(let query): query.registry.description
    default: nil
    }
}

@Suite struct RequestRouterTests {
    @Test("a repository that is not served is declined under every name of it")
    func denied() throws {
        for name in ["library/secret", "secret", "docker.io/library/secret", "docker.io/secret"] {
            #expect(
                try decide("/v2/\(name)/manifests/latest", denied: "library/secret") == .refused(.repositoryNotServed)
            )
        }
        guard case .manifest(let query) = try decide("/v2/busybox/manifests/latest", denied: "library/secret") else {
            Issue.record("busybox is served")
            return
        }
        #expect(query.repository.text == "library/busybox")
        #expect(try decide("/v2/secret/manifests/latest?ns=r.example", denied: "library/secret") != .base)
    }

    @Test("manifests are asked for by tag or digest, and say what they accept")
    func manifests() throws {
        let hub = RegistryHost.dockerHub
        let name = try #require(RepositoryName("library/busybox"))
        let accept = ["Accept: \(MediaType.ociIndex), */*", "accept: a/b"]
        #expect(
            try decide("/v2/library/busybox/manifests/latest", fields: accept)
                == .manifest(
                    ManifestQuery(
                        registry: hub,
                        repository: name,
                        reference: .tag(.latest),
                        isHead: false,
                        accept: ["\(MediaType.ociIndex), */*", "a/b"]
                    )
                )
        )
        let digest = try #require(Digest("sha256:" + hex))
        #expect(
            try decide("/v2/library/busybox/manifests/sha256:\(hex)", method: "HEAD")
                == .manifest(
                    ManifestQuery(
                        registry: hub,
                        repository: name,
                        reference: .digest(digest),
                        isHead: true,
                        accept: []
                    )
                )
        )
        #expect(
            try decide("/v2/library/busybox/blobs/sha256:\(hex)")
                == .blob(BlobQuery(registry: hub, repository: name, digest: digest, isHead: false))
        )
    }

    @Test(
        "a Bearer token goes with the question, a password is not taken, and two are no request",
        arguments: [
            (["Authorization: Bearer t"], nil as Refusal?), (["Authorization: Basic dTpw"], .foreignCredential),
            (["Authorization: Bearer t", "Authorization: Bearer u"], .malformed),
        ]
    )
    func credentials(fields: [String], refusal: Refusal?) throws {
        let decision = try decide("/v2/library/busybox/blobs/sha256:\(hex)", fields: fields)
        if let refusal {
            #expect(decision == .refused(refusal))
        } else if case .blob(let query) = decision {
            #expect(query.credential == Credential(authorization: "Bearer t"))
        } else {
            Issue.record("\(decision)")
        }
    }

    @Test("a repository may be named like the words around it")
    func words() throws {
        guard case .manifest(let query) = try decide("/v2/a/manifests/b/blobs/manifests/latest") else {
            Issue.record("no manifest query")
            return
        }
        #expect(query.repository.text == "a/manifests/b/blobs")
    }

    private static let noPaths = [
        "/", "/v1/", "/v2//", "/v2/a", "/v2/a/manifests", "/v2/_catalog", "/v2/a/tags/lists",
        "/v2/a/blobs/uploads/",
        "/V2/a/manifests/b", "/v2/manifests/b",
    ]

    private static let noNames = [
        "/v2//manifests/b", "/v2/A/manifests/b", "/v2/a//b/manifests/c", "/v2/../manifests/c",
        "/v2/%2e%2e/manifests/c", "/v2/a%2fb/manifests/c", "/v2/a/../b/manifests/c", "/v2/a/./manifests/c",
    ]

    private static let noManifests = [
        "", ".", "..", "sha256:x", "%6catest", "sha512:\(hex)\(hex)", "sha256:\(hex)0", "a:b",
    ].map { "/v2/a/manifests/" + $0 }

    private static let noBlobs = [
        "", "..", "latest", "sha256:", "sha256:baddigeststring", "SHA256:\(hex)",
        "sha256:\(hex.uppercased())",
        "sha256:0\(hex)", "sha256:\(hex.dropLast())", "sha256%3A\(hex)", "md5:\(hex.prefix(32))",
        "sha256:\(hex)/",
    ].map { "/v2/a/blobs/" + $0 }

    @Test("paths that are nothing here are 404, and the connection goes on")
    func nowhere() throws {
        let tables: [([String], Refusal)] = [
            (Self.noPaths, .unknownPath), (Self.noNames, .invalidName), (Self.noManifests, .unknownManifest),
            (Self.noBlobs.dropLast(), .unknownBlob), (Self.noBlobs.suffix(1), .unknownPath),
        ]
        for (targets, refusal) in tables {
            for target in targets { #expect(try decide(target) == .refused(refusal), "\(target)") }
            #expect(refusal.status == .notFound)
            #expect(!refusal.endsConnection)
        }
    }

    @Test("the base of the API is there with and without the slash, for any registry")
    func base() throws {
        for target in ["/v2/", "/v2", "/v2/?ns=whatever%"] {
            #expect(try decide(target, allowed: []) == .base)
        }
    }

    @Test(
        "the registry comes from the header, else from ns, else from the settings",
        arguments: [
            ("", [], "docker.io"), ("?ns=quay.io", [], "quay.io"), ("?ns=reg%3A5000", [], "reg:5000"),
            ("?a=b&ns=QUAY.io&c", [], "quay.io"), ("?%6es=quay.io", [], "quay.io"),
            ("?ns=registry-1.docker.io", [], "docker.io"), ("?nsx=quay.io", [], "docker.io"),
            ("", ["X-Dragonfly-Registry: https://ghcr.io"], "ghcr.io"),
            ("?ns=quay.io", ["x-dragonfly-registry: http://127.0.0.1:5000/"], "127.0.0.1:5000"),
            ("", ["X-Dragonfly-Registry: https://index.docker.io"], "docker.io"),
        ] as [(String, [String], String)]
    )
    func registries(query: String, fields: [String], expected: String) throws {
        #expect(registry(try decide("/v2/a/manifests/b" + query, fields: fields)) == expected)
    }

    @Test(
        "a registry that cannot be read, or is not to be asked, is refused before anything else happens",
        arguments: [
            ("?ns=", []), ("?ns=a%40b", []), ("?ns=a/b", []), ("?ns=0x7f.1", []), ("?ns=localhost.", []),
            ("?ns", []),
            ("?ns=127.1", []), ("?ns=[::ffff:a9fe:a9fe]", []), ("?ns=169.254.169.254", []), ("?ns=a+b", []),
            ("?ns=docker.io%00", []), ("?ns=docker.io%0d%0aX:y", []),
            ("?ns=docker.io%2f", []), ("?ns=docker.io%2500", []),
            ("?ns=" + String(repeating: "a", count: 300), []),
            ("", ["X-Dragonfly-Registry: docker.io"]), ("", ["X-Dragonfly-Registry: file:///etc"]),
            ("", ["X-Dragonfly-Registry:"]),
            ("?ns=docker.io", ["X-Dragonfly-Registry: https://evil.example"]),
            ("", ["X-Dragonfly-Registry: https://docker.io, https://docker.io"]),
        ] as [(String, [String])]
    )
    func refusedRegistries(query: String, fields: [String]) throws {
        let decision = try decide("/v2/a/manifests/b" + query, fields: fields, allowed: ["docker.io"])
        #expect(decision == .refused(.unknownRegistry))
    }

    @Test("a registry named twice, or in a query that cannot be decoded, is an ambiguous request")
    func ambiguousRegistries() throws {
        for query in [
            "?ns=docker.io&ns=docker.io", "?ns=docker.io&%6es=quay.io", "?ns=%", "?ns=%4", "?ns=%zz",
            "?ns=%ff",
        ] {
            #expect(try decide("/v2/a/manifests/b" + query) == .refused(.malformed))
        }
        let twice = ["X-Dragonfly-Registry: https://docker.io", "X-Dragonfly-Registry: https://docker.io"]
        #expect(try decide("/v2/a/manifests/b", fields: twice) == .refused(.malformed))
        #expect(try decide("/v2/a/manifests/b", defaultRegistry: nil) == .refused(.unknownRegistry))
    }

    @Test(
        "the registry may stand in front of the repository when nothing else names one and it is an allowed one",
        arguments: [
            ("quay.io/a", "", [], "quay.io", "a"), ("quay.io/a/b", "", [], "quay.io", "a/b"),
            ("docker.io/library/busybox", "", [], "docker.io", "library/busybox"),
            ("registry-1.docker.io/library/busybox", "", [], "docker.io", "library/busybox"),
            ("localhost/a", "", [], "localhost", "a"), ("reg:5000/a", "", [], "reg:5000", "a"),
            ("reg_5000/a", "", [], "reg:5000", "a"), ("127.0.0.1_5000/a", "", [], "127.0.0.1:5000", "a"),
            ("quay.io/quay.io/a", "", [], "quay.io", "quay.io/a"),
            ("quay.io/manifests", "", [], "quay.io", "manifests"),
            // Alone it is a repository; so is a word without dot, colon and port, and a host not allowed here.
            ("quay.io", "", [], "docker.io", "library/quay.io"), ("library/a", "", [], "docker.io", "library/a"),
            ("ghcr.io/a", "", [], "docker.io", "ghcr.io/a"), ("reg/a", "", [], "docker.io", "reg/a"),
            ("reg_5001/a", "", [], "docker.io", "reg_5001/a"), ("a/quay.io/b", "", [], "docker.io", "a/quay.io/b"),
            ("reg__5000/a", "", [], "docker.io", "reg__5000/a"), ("reg_05000/a", "", [], "docker.io", "reg_05000/a"),
            ("127.1/a", "", [], "docker.io", "127.1/a"),
            // A named registry leaves the path alone.
            ("quay.io/a", "?ns=docker.io", [], "docker.io", "quay.io/a"),
            ("quay.io/a", "?ns=quay.io", [], "quay.io", "quay.io/a"),
            ("quay.io/a", "", ["X-Dragonfly-Registry: https://docker.io"], "docker.io", "quay.io/a"),
        ] as [(String, String, [String], String, String)]
    )
    func prefixes(path: String, query: String, fields: [String], registry: String, repository: String) throws {
        let allowed: Set = ["docker.io", "quay.io", "localhost", "reg:5000", "127.0.0.1:5000"]
        let expected = ManifestQuery(
            registry: try #require(RegistryHost(registry)),
            repository: try #require(RepositoryName(repository)),
            reference: .tag(.latest),
            isHead: false,
            accept: []
        )
        let target = "/v2/\(path)/manifests/latest\(query)"
        #expect(try decide(target, fields: fields, allowed: allowed) == .manifest(expected))
    }

    @Test(
        "a prefix in another spelling than its own, or of a registry that is not allowed, opens nothing",
        arguments: [
            ("QUAY.io/a", Refusal.invalidName), ("quay.io./a", .invalidName), ("ghcr.io:443/a", .invalidName),
            ("[::1]/a", .invalidName), ("quay.io:/a", .invalidName), ("quay.io%3A443/a", .invalidName),
            ("user@quay.io/a", .invalidName), ("quay.io//a", .invalidName), ("quay.io/../a", .invalidName),
            ("ghcr.io/a", .unknownRegistry), ("169.254.169.254/a", .unknownRegistry),
        ] as [(String, Refusal)]
    )
    func refusedPrefixes(path: String, refusal: Refusal) throws {
        let decision = try decide("/v2/\(path)/manifests/b", defaultRegistry: nil, allowed: ["quay.io"])
        #expect(decision == .refused(refusal))
    }

    @Test("the server answers to its own names, with any port")
    func hosts() throws {
        for host in [
            "127.0.0.1", "127.0.0.1:4001", "localhost", "LOCALHOST:1", "[::1]", "[::1]:4001", "10.1.2.3:80",
        ] {
            #expect(try decide("/v2/", host: "Host: \(host)") == .base)
        }
        for host in [
            "evil.example", "evil.example:4001", "127.0.0.2", "10.1.2.4", "localhost.evil.example", "[::2]",
        ] {
            #expect(try decide("/v2/", host: "Host: \(host)") == .refused(.foreignHost))
        }
        for host in [
            "", "localhost:", "localhost:x", "a@localhost", "localhost/", "::1", "localhost, evil.example",
        ] {
            #expect(try decide("/v2/", host: "Host: \(host)") == .refused(.malformed))
        }
        #expect(try decide("/v2/", host: nil) == .refused(.malformed))
        #expect(try decide("/v2/", fields: ["Host: 127.0.0.1:4001"]) == .refused(.malformed))
    }

    @Test("a browser's request is refused, whatever page sent it")
    func browsers() throws {
        for field in [
            "Origin: http://localhost", "Origin: null", "Origin:", "Sec-Fetch-Site: none",
            "sec-fetch-mode: cors",
        ] {
            #expect(try decide("/v2/", fields: [field]) == .refused(.browser))
        }
        #expect(try decide("/v2/", fields: ["Secx: y", "X-Origin: z"]) == .base)
        #expect(Refusal.browser.status == .forbidden)
        #expect(Refusal.foreignHost.status == .forbidden)
    }
}
