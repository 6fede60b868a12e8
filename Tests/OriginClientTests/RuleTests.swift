import HTTPTransfer
import OCIModel
import Testing

@testable import OriginClient

@Suite("Challenges, ranges and tokens as text")
struct TextTests {
    private typealias Challenge = AuthenticateChallenge

    @Test("a Bearer challenge as registries write it")
    func bearer() {
        let text =
            #"Bearer realm="https://auth.docker.io/token",service="registry.docker.io","#
            + #"scope="repository:library/busybox:pull,push""#
        let expected = Challenge(
            scheme: "bearer",
            parameters: [
                "realm": "https://auth.docker.io/token", "service": "registry.docker.io",
                "scope": "repository:library/busybox:pull,push",
            ]
        )
        #expect(Challenge.parse(text) == [expected])
    }

    @Test("several challenges, bare schemes, tokens without quotes, escapes and blanks")
    func variety() {
        #expect(Challenge.parse("Basic") == [Challenge(scheme: "basic", parameters: [:])])
        #expect(Challenge.parse("") == [])
        #expect(Challenge.parse(" , ,") == [])
        #expect(
            Challenge.parse("Negotiate TlRMTQ==, Basic realm=x") == [
                Challenge(scheme: "negotiate", parameters: [:]),
                Challenge(scheme: "basic", parameters: ["realm": "x"]),
            ]
        )
        #expect(
            Challenge.parse(#"Basic realm="a, b" , BEARER Realm = "q\"\\" ,Service=s"#) == [
                Challenge(scheme: "basic", parameters: ["realm": "a, b"]),
                Challenge(scheme: "bearer", parameters: ["realm": #"q"\"#, "service": "s"]),
            ]
        )
    }

    @Test(
        "a challenge that can be read in two ways is not read",
        arguments: [
            #"Bearer realm="https://a", realm="https://b""#, #"Bearer realm="open"#,
            #"Bearer realm="x" junk"#,
            "=", #"Bearer realm="a\"#, "Bearer realm=\"a\u{1}\"", #"Bearer realm="a"b="c""#,
        ]
    )
    func refuses(_ text: String) {
        #expect(Challenge.parse(text) == nil)
    }

    @Test("no challenge text traps")
    func survives() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("Bearer=\",\\ ab\t/".utf8)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0..<24, using: &generator)).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
            }
            _ = Challenge.parse(String(decoding: bytes, as: UTF8.self))
        }
    }

    @Test("a Content-Range is read strictly")
    func contentRange() throws {
        let known = try #require(ContentRange("bytes 5-9/20"))
        #expect(known.range == ByteRange(start: 5, end: 10))
        #expect(known.total == 20)
        #expect(ContentRange("Bytes 0-0/*")?.total == nil)
        for text in [
            "bytes 5-9/9", "bytes */20", "bytes 9-5/20", "bytes 5-9", "items 0-1/2", "bytes  0-1/2",
            "bytes -1/2",
            "bytes 0-9223372036854775807/*", "bytes 0-99999999999999999999/*", "bytes +0-1/2", "",
        ] {
            #expect(ContentRange(text) == nil, "\(text)")
        }
    }

    @Test("a token answer has a usable token and a bounded life")
    func tokens() throws {
        func parse(_ text: String) throws -> BearerToken {
            try TokenAnswer.parse(Array(text.utf8), nowNanoseconds: 7)
        }
        let token = try parse(#"{"token":"abc","access_token":"def","expires_in":300,"issued_at":"x"}"#)
        #expect(token.headerValue == "Bearer abc")
        #expect(token.expiresNanoseconds == 7 + 270_000_000_000)
        #expect("\(token)" == "BearerToken(redacted)")
        #expect(try parse(#"{"access_token":"def"}"#).expiresNanoseconds == 7 + 54_000_000_000)
        #expect(try parse(#"{"token":"a","expires_in":-5}"#).expiresNanoseconds == 7 + 54_000_000_000)
        #expect(
            try parse(#"{"token":"a","expires_in":9999999999}"#).expiresNanoseconds == 7 + 77_760_000_000_000
        )
        for text in [#"{}"#, #"{"token":""}"#, #"{"token":"a\r\nX: y"}"#, #"{"token":"a b"}"#] {
            #expect(throws: OriginError.badContent(.token)) { try parse(text) }
        }
        for text in ["", "<html>", "[]", #"{"token":5}"#] {
            #expect(throws: OriginError.badContent(.notJSON)) { try parse(text) }
        }
    }

    @Test("a token request carries service and scope, encoded")
    func tokenURL() throws {
        let realm = try #require(TransferURL("https://auth/token?account=x"))
        let url = realm.adding([("service", "a b&c"), ("scope", "repository:lib/x:pull")])
        #expect(url?.text == "https://auth:443/token?account=x&service=a%20b%26c&scope=repository:lib/x:pull")
        let plain = try #require(TransferURL("https://auth/token"))
        #expect(
            plain.adding([("service", nil), ("scope", "s")])?.text == "https://auth:443/token?scope=s"
        )
    }

    @Test("a token is found under its own registry, origin and repository only, until it expires")
    func tokenCache() throws {
        let registry = try #require(RegistryHost("a.example"))
        let one = try #require(RepositoryName("one"))
        let two = try #require(RepositoryName("two"))
        let key = TokenKey(registry: registry, origin: "https://a.example:443", repository: one)
        var cache = TokenCache()
        cache.store(BearerToken(headerValue: "Bearer x", expiresNanoseconds: 100), for: key)
        #expect(cache.token(key, nowNanoseconds: 99)?.headerValue == "Bearer x")
        #expect(cache.token(key, nowNanoseconds: 100) == nil)
        let other = TokenKey(registry: registry, origin: key.origin, repository: two)
        #expect(cache.token(other, nowNanoseconds: 0) == nil)
        let moved = TokenKey(registry: registry, origin: "http://a.example:80", repository: one)
        #expect(cache.token(moved, nowNanoseconds: 0) == nil)
        for number in 0..<TokenCache.countMax {
            let name = try #require(RepositoryName("r\(number)"))
            let filler = TokenKey(registry: registry, origin: key.origin, repository: name)
            cache.store(BearerToken(headerValue: "", expiresNanoseconds: 1000), for: filler)
        }
        #expect(cache.token(key, nowNanoseconds: 0) == nil)
    }
}

@Suite("Rules of redirects and retries")
struct RuleTests {
    @Test(
        "redirects end where they may not go",
        arguments: [
            ("https://r/v2/", "https://cdn/x", 0, nil), ("http://r/v2/", "http://cdn/x", 2, nil),
            ("http://r/v2/", "https://cdn/x", 0, nil), ("https://r/v2/", "/x", 0, nil),
            ("https://r/v2/", "http://r/x", 0, OriginError.Refusal.downgrade),
            ("https://r/v2/", "https://cdn/x", 3, .tooManyRedirects), ("https://r/v2/", nil, 0, .badLocation),
            ("https://r/v2/", "file:///etc/passwd", 0, .badLocation),
            ("https://r/v2/", "https://u:p@cdn/x", 0, .badLocation),
        ] as [(String, String?, Int, OriginError.Refusal?)]
    )
    func redirects(_ from: String, _ location: String?, _ count: Int, _ refusal: OriginError.Refusal?) throws
    {
        let url = try #require(TransferURL(from))
        let result = Result { () throws(OriginError) in
            try RedirectRules.next(from: url, location: location, redirects: count)
        }
        switch result {
        case .success: #expect(refusal == nil)
        case .failure(let error): #expect(error == refusal.map { .refused($0) })
        }
    }

    @Test("a realm is an absolute URL and never less safe than the registry")
    func realms() throws {
        let safe = try #require(TransferURL("https://r/"))
        let plain = try #require(TransferURL("http://r/"))
        #expect(try RedirectRules.realm("https://auth/token", registry: safe).host == "auth")
        #expect(try RedirectRules.realm("http://auth/token", registry: plain).host == "auth")
        #expect(throws: OriginError.refused(.downgrade)) {
            try RedirectRules.realm("http://auth/", registry: safe)
        }
        for text in [nil, "", "/token", "ftp://auth/", "https://u:p@auth/"] {
            #expect(throws: OriginError.refused(.challenge)) { try RedirectRules.realm(text, registry: safe) }
        }
    }

    @Test("retries wait a random time below a growing bound, and only for what may pass")
    func delays() {
        var random = SystemRandomNumberGenerator()
        let policy = RetryPolicy()
        let error = OriginError.serverFailed(status: 503, retryAfterMillis: nil)
        for (retry, bound) in [(0, 200), (1, 400), (2, 800)] as [(Int, UInt64)] {
            let delays = (0..<200).compactMap { _ in
                policy.delayMillis(retry: retry, after: error, using: &random)
            }
            #expect(delays.count == 200)
            #expect(delays.allSatisfy { $0 <= bound })
            #expect(Set(delays).count > 10)
        }
        #expect(policy.delayMillis(retry: 3, after: error, using: &random) == nil)
        for error in [
            OriginError.notFound, .denied(status: 401), .badContent(.digest), .refused(.downgrade),
            .cancelled,
            .untrusted(TransferError(.certificateRejected)), .unreachable(TransferError(.invalidRequest)),
        ] {
            #expect(policy.delayMillis(retry: 0, after: error, using: &random) == nil, "\(error)")
        }
        #expect(
            policy.delayMillis(retry: 0, after: .unreachable(TransferError(.truncated)), using: &random)
                != nil
        )
    }

    @Test("a registry's wish to be left alone is kept, or ends the operation when it is long")
    func retryAfter() {
        var random = SystemRandomNumberGenerator()
        let policy = RetryPolicy()
        let short = policy.delayMillis(retry: 0, after: .rateLimited(retryAfterMillis: 3_000), using: &random)
        #expect((short ?? 0) >= 3_000)
        #expect(
            policy.delayMillis(retry: 0, after: .rateLimited(retryAfterMillis: 60_000), using: &random) == nil
        )
        let now: Int64 = 784_111_777  // Sun, 06 Nov 1994 08:49:37 GMT
        #expect(RetryAfter.millis("120", nowSeconds: now) == 120_000)
        #expect(RetryAfter.millis("Sun, 06 Nov 1994 08:49:39 GMT", nowSeconds: now) == 2_000)
        #expect(RetryAfter.millis("Sun, 06 Nov 1994 08:49:30 GMT", nowSeconds: now) == 0)
        #expect(RetryAfter.millis("Thu, 29 Feb 2024 00:00:00 GMT", nowSeconds: 1_709_164_799) == 1_000)
        for text in [
            "-1", "1.5", "soon", "", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 99 Nov 1994 08:49:37 GMT",
        ] {
            #expect(RetryAfter.millis(text, nowSeconds: now) == nil, "\(text)")
        }
        #expect(RetryAfter.millis("99999999999999999999", nowSeconds: now) == nil)
    }

    @Test("a failing registry uses the budget of retries up, and requests fill it again")
    func budget() {
        var budget = RetryBudget()
        var granted = 0
        while budget.takeRetry() { granted += 1 }
        #expect(granted == 20)
        for _ in 0..<10 { budget.countRequest() }
        let grants = [budget.takeRetry(), budget.takeRetry()]
        #expect(grants == [true, false])
    }

    @Test("a registry without a URL is reached over https, Docker Hub at its own host")
    func endpoints() throws {
        let hub = try #require(OriginEndpoint(registry: .dockerHub))
        #expect(hub.url.text == "https://registry-1.docker.io:443/")
        #expect(hub.registry == .dockerHub)
        let own = try #require(RegistryHost("r.example:5000"))
        #expect(OriginEndpoint(registry: own)?.url.text == "https://r.example:5000/")
        #expect(OriginEndpoint(registry: own, url: "http://127.0.0.1:5000")?.url.scheme == .http)
        for url in ["r.example", "http:///path", "ftp://h", "http://u:p@h", "http://h/?q"] {
            #expect(OriginEndpoint(registry: own, url: url) == nil, "\(url)")
        }
    }

    @Test(
        "the API is below the path of a URL, and the token server's name of a repository follows it",
        arguments: [
            ("https://h", false, "/v2/team/app/tags", "team/app"),
            ("https://h/", true, "/team/app/tags", "team/app"),
            ("https://h/v2", false, "/v2/team/app/tags", "team/app"),
            ("https://h/v2/hub-cache/", true, "/v2/hub-cache/team/app/tags", "hub-cache/team/app"),
            ("https://h/artifactory/api/docker/hub", false, "/artifactory/api/docker/hub/v2/team/app/tags", "team/app"),
            ("https://h/x", true, "/x/team/app/tags", "team/app"),
        ]
    )
    func paths(_ url: String, _ overrides: Bool, _ target: String, _ remote: String) throws {
        var options = OriginEndpoint.Options()
        options.url = url
        options.overridesPath = overrides
        let endpoint = try #require(OriginEndpoint(.dockerHub, options))
        let repository = try #require(RepositoryName("team/app"))
        #expect(endpoint.url(of: repository, "tags")?.target == target)
        #expect(endpoint.remoteName(repository).text == remote)
    }
}
