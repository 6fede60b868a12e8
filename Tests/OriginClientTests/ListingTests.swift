import EventLoop
import OCIModel
import TestSupport
import Testing

@testable import OriginClient

@Suite("lists from registries")
struct ListingTests {
    @Test(
        "the link to the next page is found among others",
        arguments: [
            (["</v2/a/tags/list?n=1&last=x>; rel=\"next\""], "/v2/a/tags/list?n=1&last=x"),
            (["<https://h/x?a,b;c>; rel=next"], "https://h/x?a,b;c"),
            (["</first>; rel=\"prev first\", </second>; title=\"a, \\\"b\\\"; rel=next\"; REL=\"last Next\""], "/second"),
            (["</a>; rel=prev", "</b>;rel=\"next\";x"], "/b"),
            (["</a>"], nil), (["</a>; rel"], nil), (["/a; rel=next"], nil), (["</a; rel=next"], nil), ([], nil), ([""], nil),
            (["</a>; rel=prev; rel=next"], nil),
        ] as [([String], String?)])
    func links(values: [String], expected: String?) {
        #expect(LinkHeader.next(in: values) == expected)
    }

    @Test("a page gives its bytes and the query of the next one; what cannot be followed is refused")
    @LoopActor func pages() async throws {
        let body = Array("{\"name\":\"library/thing\",\"tags\":[\"a\"]}".utf8)
        let type = ("Content-Type", "application/json; charset=utf-8")
        func link(_ target: String) -> [(String, String)] { [type, ("Link", "<\(target)>; rel=\"next\"")] }
        let pages: [([(String, String)], String?)] = [
            ([type], nil),
            (link("http://inside:80/v2/library/thing/tags/list?n=1&last=a"), "n=1&last=a"),
            (link("?next_page=abc"), "next_page=abc"),
        ]
        for (headers, next) in pages {
            let listing = try await Self.list(headers, body).get()
            #expect(listing.next?.text == next)
            #expect(listing.bytes == body && listing.mediaType.text == "application/json")
        }
        let refused: [([(String, String)], [UInt8], OriginError.BadContent)] = [
            (link("/v2/other/list?n=1"), body, .link),
            (link("/v2/library/thing/tags/list"), body, .link),
            (link("/v2/library/thing/tags/list?a=\"b\""), body, .link),
            ([("Content-Type", "text/html")], body, .contentType),
            ([], body, .contentType),
            ([type], Array("[]".utf8), .notJSON),
            ([type], [UInt8](repeating: 0x20, count: (4 << 20) + 1), .tooLong),
        ]
        for (headers, body, expected) in refused {
            let result = try await Self.list(headers, body)
            #expect(throws: OriginError.badContent(expected)) { try result.get() }
        }
    }

    @LoopActor
    private static func list(
        _ headers: [(String, String)], _ body: [UInt8]
    ) async throws -> Result<OriginListing, OriginError> {
        let registry = try NastyRegistry { _ in .response(200, headers: headers, body: body) }
        let repository = try #require(RepositoryName("library/thing"))
        let query = try #require(URLQuery("n=1"))
        let result: Result<OriginListing, OriginError>
        do throws(OriginError) {
            result = .success(
                try await registry.client.listing(
                    endpoint: registry.endpoint, repository: repository, list: "tags/list", parameters: query))
        } catch {
            result = .failure(error)
        }
        #expect(registry.server.requests.first?.target == "/v2/library/thing/tags/list?n=1")
        return result
    }
}

@Suite("files outside of registries")
struct OriginFileTests {
    @Test(
        "a URL has one meaning or none",
        arguments: [
            ("https://files.example/models/a%20b.bin?sig=x%2Fy", "files.example", "models/a b.bin"),
            ("http://127.0.0.1:8000/x", "127.0.0.1:8000", "x"), ("https://h.example:443/x", "h.example", "x"),
            ("http://h.example:443/x", "h.example:443", "x"), ("https://h.example/%64eny/x", "h.example", "deny/x"),
        ])
    func right(text: String, host: String, path: String) throws {
        let file = try #require(OriginFile(url: text))
        #expect(file.host.description == host && file.path == path)
    }

    @Test(
        "user names, dots, empty parts and other schemes are refused",
        arguments: [
            "https://u@h.example/x", "https://u:p@h.example/x", "ftp://h.example/x", "file:///etc/passwd",
            "https://h.example/a/../b", "https://h.example/a/%2e%2e/b", "https://h.example//x", "https://h.example/",
            "https://h.example", "https://h.example/a//b", "https://h.example/a%5cb", "https://h.example/a%00b",
            "https://h.example/%zz", "h.example/x", "https:///x", "https://h.example/a/./b", "https://h.example/a%0ab",
        ])
    func wrong(text: String) {
        #expect(OriginFile(url: text) == nil)
    }

    @Test("a blob's size is asked for with the caller's credential also where HEAD is refused")
    @LoopActor func credential() async throws {
        let registry = try NastyRegistry { request in
            guard request.header("authorization") == "Bearer mine" else { return .response(401) }
            if request.method == "HEAD" { return .response(405, isHead: true) }
            return .response(206, headers: [("Content-Range", "bytes 0-0/1234")], body: [1])
        }
        let credential = try #require(Credential(authorization: "Bearer mine"))
        let repository = try #require(RepositoryName("library/thing"))
        let size = try await registry.client.blobSize(
            endpoint: registry.endpoint, repository: repository, digest: NastyRegistry.digest, credential: credential)
        #expect(size == 1234)
    }
}
