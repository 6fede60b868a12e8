import OCIModel
import Testing

@testable import MirrorServer

private let digestText = "sha256:" + String(repeating: "0a", count: 32)

private func lines(_ head: ResponseHead, endsConnection: Bool = false) -> [String] {
    String(decoding: head.encoded(date: "D", endsConnection: endsConnection), as: UTF8.self)
        .split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
}

@Suite struct ResponseHeadTests {
    @Test("a manifest's head names its type, size and digest, as containerd's HEAD needs")
    func manifest() throws {
        let digest = try #require(Digest(digestText))
        let head = ResponseHead.manifest(mediaType: .ociIndex, digest: digest, bytes: 42)
        #expect(
            lines(head) == [
                "HTTP/1.1 200 OK", "Date: D", "Docker-Distribution-Api-Version: registry/2.0",
                "Content-Type: application/vnd.oci.image.index.v1+json", "Content-Length: 42",
                "Docker-Content-Digest: " + digestText, "", "",
            ]
        )
    }

    @Test("a part of a blob has its own length and its place in the whole")
    func blob() throws {
        let digest = try #require(Digest(digestText))
        let whole = lines(.blob(digest: digest, bytes: 4096, part: nil), endsConnection: true)
        #expect(whole.first == "HTTP/1.1 200 OK")
        #expect(whole.contains("Content-Type: application/octet-stream"))
        #expect(whole.contains("Content-Length: 4096"))
        #expect(whole.contains("Accept-Ranges: bytes"))
        #expect(whole.suffix(3) == ["Connection: close", "", ""])
        let part = lines(.blob(digest: digest, bytes: 4096, part: ByteRange(start: 500, end: 1500)))
        #expect(part.first == "HTTP/1.1 206 Partial Content")
        #expect(part.contains("Content-Length: 1000"))
        #expect(part.contains("Content-Range: bytes 500-1499/4096"))
        let refused = Refusal.rangeNotSatisfiable(bytes: 4096)
        let none = lines(.refusal(refused, bodyBytes: refused.body.count))
        #expect(none.first == "HTTP/1.1 416 Range Not Satisfiable")
        #expect(none.contains("Content-Range: bytes */4096"))
    }

    @Test("every refusal has the error body of the distribution specification")
    func refusals() {
        let body = Refusal.manifestDeclined(reason: "not here").body
        #expect(
            String(decoding: body, as: UTF8.self)
                == #"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not here"}]}"#
        )
        let allowed: Set<Int> = [400, 403, 404, 405, 416]
        let refusals: [Refusal] = [
            .malformed, .tooLarge, .methodNotAllowed, .foreignHost, .browser, .unknownPath, .invalidName,
            .unknownRegistry, .unknownManifest, .unknownBlob, .manifestDeclined(reason: ""),
            .blobDeclined(reason: ""), .rangeNotSatisfiable(bytes: 1),
        ]
        for refusal in refusals {
            #expect(allowed.contains(refusal.status.rawValue))
        }
        #expect(lines(.refusal(.methodNotAllowed, bodyBytes: 0)).contains("Allow: GET, HEAD"))
    }

    @Test("a reason cannot end the JSON, the line or the page")
    func reasons() {
        let reason = "a\"b\\c\r\nSet-Cookie: d\u{0}é\u{7f}" + String(repeating: "x", count: 1000)
        let text = String(decoding: Refusal.blobDeclined(reason: reason).body, as: UTF8.self)
        #expect(text.contains(#"a\"b\\c??Set-Cookie: d????xxx"#))
        #expect(text.utf8.count < 300)
        #expect(text.utf8.allSatisfy { $0 >= 0x20 && $0 <= 0x7e })
    }

    @Test(
        "dates are those of RFC 9110",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT"),
        ]
    )
    func dates(seconds: Int, text: String) {
        #expect(HTTPDate.text(seconds) == text)
    }
}
