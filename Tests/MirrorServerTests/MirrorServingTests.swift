import EventLoop
import MirrorServer
import OCIModel
import TestSupport
import Testing

@Suite struct MirrorServingTests {
    @Test("a manifest is the same bytes by tag and by digest, and HEAD has the same head")
    func manifests() async throws {
        let mirror = try await TestMirror.start()
        let bytes = testBytes(2000)
        await mirror.offer(bytes)
        let client = try mirror.client()
        for target in ["/v2/a/b/manifests/v1", "/v2/a/b/manifests/\(TestMirror.digest)"] {
            try client.get(target, "Accept: \(MediaType.ociIndex), */*")
            let got = try client.response()
            #expect(got.status == 200)
            #expect(got.body == bytes)
            #expect(got["content-type"] == MediaType.ociIndex.text)
            #expect(got["docker-content-digest"] == TestMirror.digest.description)
            try client.get(target, method: "HEAD")
            let head = try client.response(hasBody: false)
            #expect(head.status == 200)
            #expect(
                head.fields.filter { $0.name != "date" }.map(\.value)
                    == got.fields.filter { $0.name != "date" }.map(\.value)
            )
        }
        let queries = await mirror.source.manifestQueries
        #expect(queries.map(\.isHead) == [false, true, false, true])
        #expect(queries.first?.accept == ["\(MediaType.ociIndex), */*"])
        await mirror.stop()
    }

    @Test("requests that are sent without waiting are answered in order, at once or not, and the last with its end")
    func pipelined() async throws {
        let mirror = try await TestMirror.start()
        let bytes = testBytes(2000)
        await mirror.offer(bytes)
        for knowsAtOnce in [true, false] {
            await mirror.know(atOnce: knowsAtOnce)
            let client = try mirror.client()
            // More than are answered in one turn.
            let count = 300
            let request = "GET /v2/a/b/manifests/v1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
            let base = "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
            try client.send(String(repeating: request + base, count: count) + request.dropLast())
            for _ in 0..<count {
                #expect(try client.response().body == bytes)
                #expect(try client.response().text == "{}")
            }
            try client.send("Connection: close\r\n\r\n")
            let last = try client.response()
            #expect(last.body == bytes && last["connection"] == "close")
            #expect(client.rest() == ([], .fin))
        }
        await mirror.stop()
    }

    @Test("what the source declines is 404 with the specification's error body, and the connection goes on")
    func declines() async throws {
        let mirror = try await TestMirror.start()
        let client = try mirror.client()
        try client.get("/v2/a/manifests/gone")
        let manifest = try client.response()
        #expect(manifest.status == 404)
        #expect(manifest.text == #"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such manifest"}]}"#)
        try client.get(TestMirror.blobTarget)
        let blob = try client.response()
        #expect(blob.status == 404)
        #expect(blob.text == #"{"errors":[{"code":"BLOB_UNKNOWN","message":"no such blob"}]}"#)
        try client.get("/v2/a/manifests/gone?ns=evil.example")
        #expect(try client.response().status == 404)
        try client.get(TestMirror.blobTarget, method: "HEAD")
        #expect(try client.response(hasBody: false).status == 404)
        try client.get("/v2/")
        #expect(try client.response().text == "{}")
        let counters = await mirror.counters()
        #expect(counters.declined == 4)
        #expect(await mirror.source.manifestQueries.count == 1)
        await mirror.stop()
    }

    @Test("a whole blob comes in full, in parts, by HEAD, and not at all beyond its end")
    func wholeBlob() async throws {
        let mirror = try await TestMirror.start()
        let bytes = testBytes(9 << 20 | 4321)
        try await mirror.serve(TestFile(bytes))
        let client = try mirror.client()
        try client.get(TestMirror.blobTarget)
        let whole = try client.response()
        #expect(whole.status == 200)
        #expect(whole.body == bytes)
        #expect(whole["content-type"] == "application/octet-stream")
        #expect(whole["docker-content-digest"] == TestMirror.digest.description)
        #expect(whole["accept-ranges"] == "bytes")
        try client.get(TestMirror.blobTarget, method: "HEAD", "Range: bytes=0-")
        #expect(try client.response(hasBody: false).status == 206)
        for (range, slice) in [
            ("bytes=0-", bytes[...]), ("bytes=500-1499", bytes[500..<1500]),
            ("bytes=-500", bytes.suffix(500)),
            ("bytes=9437000-99999999", bytes[9_437_000...]),
        ] {
            try client.get(TestMirror.blobTarget, "Range: \(range)")
            let part = try client.response()
            #expect(part.status == 206)
            #expect(part.body == Array(slice))
            #expect(part["content-range"] == "bytes \(slice.startIndex)-\(slice.endIndex - 1)/\(bytes.count)")
        }
        try client.get(TestMirror.blobTarget, "Range: bytes=\(bytes.count)-")
        let beyond = try client.response()
        #expect(beyond.status == 416)
        #expect(beyond["content-range"] == "bytes */\(bytes.count)")
        for field in ["Range: bytes=0-1,4-5", "Range: bytes=bbef", "If-Range: \"x\"\r\nRange: bytes=0-1"] {
            try client.get(TestMirror.blobTarget, field)
            #expect(try client.response().body == bytes)
        }
        await mirror.stop()
    }

    @Test("an empty blob is 200 with nothing, also for a range")
    func emptyBlob() async throws {
        let mirror = try await TestMirror.start()
        try await mirror.serve(TestFile([]))
        let client = try mirror.client()
        for field in ["X: y", "Range: bytes=0-"] {
            try client.get(TestMirror.blobTarget, field)
            let response = try client.response()
            #expect(response.status == 200)
            #expect(response["content-length"] == "0")
        }
        await mirror.stop()
    }

    @Test("pipelined requests are answered in order, one after the other")
    func pipelining() async throws {
        let mirror = try await TestMirror.start()
        let bytes = testBytes(3 << 20)
        try await mirror.serve(TestFile(bytes))
        await mirror.offer([1, 2, 3])
        let client = try mirror.client()
        let host = "Host: localhost\r\n\r\n"
        let requests = (0..<50).map { index in
            let range = "Range: bytes=\(index * 1000)-\(index * 1000 + 99_999)\r\n"
            return index % 2 == 0
                ? "GET \(TestMirror.blobTarget) HTTP/1.1\r\n\(range)\(host)"
                : "GET /v2/a/b/manifests/v1 HTTP/1.1\r\n\(host)"
        }
        try client.send(requests.joined())
        for index in 0..<50 {
            let expected = index % 2 == 0 ? Array(bytes[index * 1000..<index * 1000 + 100_000]) : [1, 2, 3]
            #expect(try client.response().body == expected)
        }
        await mirror.stop()
    }

    @Test(
        "a client that asks to close, speaks HTTP/1.0, or has used up its requests is closed after the answer"
    )
    func closing() async throws {
        let mirror = try await TestMirror.start { $0.limits.requestsPerConnectionMax = 2 }
        let closing = try mirror.client()
        try closing.get("/v2/", "Connection: close")
        #expect(try closing.response()["connection"] == "close")
        #expect(closing.rest() == ([], .fin))
        let old = try mirror.client()
        try old.send("GET /v2/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
        #expect(try old.response()["connection"] == "close")
        #expect(old.rest() == ([], .fin))
        let busy = try mirror.client()
        try busy.get("/v2/")
        #expect(try busy.response()["connection"] == nil)
        try busy.get("/v2/")
        #expect(try busy.response()["connection"] == "close")
        #expect(busy.rest() == ([], .fin))
        await mirror.stop()
    }

    @Test("an ambiguous request gets one 400 and a clean end, and nothing behind it runs")
    func smuggling() async throws {
        let mirror = try await TestMirror.start()
        for request in SmugglingTable.all {
            let client = try mirror.client()
            try client.send(request + "GET /v2/a/manifests/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let response = try client.response()
            #expect(response.status == 400, "\(request)")
            #expect(response["connection"] == "close")
            #expect(client.rest() == ([], .fin), "\(request)")
        }
        #expect(await mirror.source.manifestQueries.isEmpty)
        #expect(await mirror.counters().refused == UInt64(SmugglingTable.all.count))
        await mirror.stop()
    }

    @Test("a foreign host name and a browser get 403, another method 405, and the connection ends")
    func foreigners() async throws {
        let mirror = try await TestMirror.start()
        await mirror.offer([1])
        for (request, status) in [
            ("GET /v2/a/b/manifests/v1 HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
            (
                "GET /v2/a/b/manifests/v1 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n",
                403
            ),
            (
                "GET /v2/a/b/manifests/v1 HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\r\n",
                403
            ),
            ("POST /v2/a/b/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            ("DELETE /v2/a/b/manifests/v1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        ] {
            let client = try mirror.client()
            try client.send(request)
            #expect(try client.response().status == status)
            #expect(client.rest() == ([], .fin))
        }
        #expect(await mirror.source.manifestQueries.isEmpty)
        await mirror.stop()
    }
}

extension TestMirror {
    /// A manifest under the tag `v1` and under `digest`.
    @LoopActor func know(atOnce: Bool) { source.knowsAtOnce = atOnce }

    @LoopActor func offer(_ bytes: [UInt8]) {
        let answer = ManifestAnswer.found(
            mediaType: .ociIndex,
            digest: Self.digest,
            bytes: bytes,
            size: Int64(bytes.count)
        )
        source.manifests[.digest(Self.digest)] = answer
        if let tag = Tag("v1") { source.manifests[.tag(tag)] = answer }
    }
}
