import OCIModel
import Testing

@testable import MirrorServer

private let hex = String(repeating: "0a", count: 32)

@Suite struct ListingTests {
    @Test("lists are asked for with the caller's own parameters, and know where they are")
    func lists() throws {
        let name = try #require(RepositoryName("team/thing"))
        let host = try #require(RegistryHost("r.example"))
        let digest = try #require(Digest("sha256:" + hex))
        func query(_ text: String) throws -> URLQuery { try #require(URLQuery(text)) }
        #expect(
            try decide("/v2/team/thing/tags/list?n=2&ns=r.example&last=%61", fields: ["Authorization: Bearer x"])
                == .listing(
                    ListingQuery(
                        registry: host, repository: name, list: .tags, parameters: try query("n=2&last=%61"),
                        credential: Credential(authorization: "Bearer x")),
                    at: ListingPlace(path: "/v2/team/thing/tags/list", namespace: try query("ns=r.example"))))
        #expect(
            try decide("/v2/r.example/team/thing/referrers/sha256:\(hex)?artifactType=a%2Fb", allowed: ["r.example"])
                == .listing(
                    ListingQuery(
                        registry: host, repository: name, list: .referrers(digest),
                        parameters: try query("artifactType=a%2Fb")),
                    at: ListingPlace(path: "/v2/r.example/team/thing/referrers/sha256:\(hex)", namespace: .empty)))
        #expect(try decide("/v2/team/thing/tags/list?n=<a>&ns=r.example") == .refused(.malformed))
        #expect(try decide("/v2/team/thing/referrers/sha256:0") == .refused(.unknownManifest))
        #expect(try decide("/v2/team/thing/tags/list", denied: "team/thing") == .refused(.repositoryNotServed))
        #expect(try decide("/v2/team/tags/tags/list", fields: ["Authorization: Basic x"]) == .refused(.foreignCredential))
        #expect(try decide("/v2/tags/list") == .refused(.unknownPath))
    }

    @Test("a ticket is 64 hexadecimal digits, and browsers have none")
    func tickets() throws {
        let ticket = FileTicket()
        #expect(ticket != FileTicket())
        #expect(try decide(ticket.path) == .file(ticket))
        #expect(try decide("/files/\(hex)", fields: ["Origin: http://a.example"]) == .refused(.browser))
        for path in ["/files/", "/files/\(hex)0", "/files/\(hex.uppercased())", "/files/\(hex)/", "/files/../x"] {
            #expect(try decide(path) == .refused(.unknownPath), "\(path)")
        }
    }

    @Test("a page of a list is sent as it is, with the way to the next one at the mirror")
    func serves() async throws {
        let mirror = try await TestMirror.start()
        let body = Array("{ \"tags\": [] }\n".utf8)
        let listing = Listing(
            mediaType: try #require(MediaType("application/json")), bytes: body,
            next: URLQuery("n=1&last=b"), isFiltered: true)
        await mirror.list(.found(listing))
        let client = try mirror.client()
        for method in ["GET", "HEAD"] {
            try client.get("/v2/a/b/tags/list?n=1&ns=docker.io", method: method)
            let reply = try client.response(hasBody: method == "GET")
            #expect(reply.status == 200 && reply.body == (method == "GET" ? body : []))
            #expect(reply["content-length"] == "\(body.count)" && reply["content-type"] == "application/json")
            #expect(reply["link"] == "</v2/a/b/tags/list?n=1&last=b&ns=docker.io>; rel=\"next\"")
            #expect(reply["oci-filters-applied"] == "artifactType")
        }
        #expect(await mirror.counters().listingsServed == 2)
        await mirror.list(.declined(reason: "why not"))
        try client.get("/v2/a/b/tags/list")
        let declined = try client.response()
        #expect(declined.text == #"{"errors":[{"code":"NAME_UNKNOWN","message":"why not"}]}"#)
        await mirror.stop()
    }

    @Test("a ticket gives ranges of its file, and none gives 404")
    func file() async throws {
        let mirror = try await TestMirror.start()
        let bytes = testBytes(5_000)
        let ticket = FileTicket()
        await mirror.serve(try TestFile(bytes), at: ticket)
        let client = try mirror.client()
        try client.get(ticket.path, "Range: bytes=4000-")
        let part = try client.response()
        #expect(part.status == 206 && part.body == Array(bytes[4_000...]))
        try client.get(FileTicket().path)
        #expect(try client.response().status == 404)
        await mirror.stop()
    }
}
