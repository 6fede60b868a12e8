import OCIModel
import Testing

private let digestText = "sha256:" + String(repeating: "0a", count: 32)
private let ociType = "application/vnd.oci.image.manifest.v1+json"
private let indexType = "application/vnd.oci.image.index.v1+json"

private func descriptor(
    _ type: String = "application/octet-stream",
    size: String = "7",
    digest: String = digestText
) -> String {
    #"{"mediaType":"\#(type)","size":\#(size),"digest":"\#(digest)"}"#
}

private func image(_ extra: String = "", layers: String = descriptor()) -> String {
    #"{"schemaVersion":2,\#(extra)"config":\#(descriptor()),"layers":[\#(layers)]}"#
}

private func index(_ extra: String = "", manifests: String = descriptor(ociType)) -> String {
    #"{"schemaVersion":2,\#(extra)"manifests":[\#(manifests)]}"#
}

private func error(_ text: String, declared: MediaType? = nil) -> ManifestError? {
    do throws(ManifestError) {
        _ = try ManifestSummary.parse(text.utf8, declared: declared)
        return nil
    } catch {
        return error
    }
}

@Suite struct ManifestSummaryTests {
    @Test("an image names its configuration first, then its layers in order")
    func imageChildren() throws {
        let layers = descriptor("a/one", size: "0") + "," + descriptor("a/two", size: "9223372036854775807")
        let summary = try ManifestSummary.parse(image(layers: layers).utf8)
        #expect(summary.mediaType == .ociManifest)
        #expect(!summary.isIndex)
        #expect(summary.children.map(\.bytes) == [7, 0, .max])
        #expect(summary.entries.map(\.mediaType.text) == ["a/one", "a/two"])
    }

    @Test("an index names its manifests and has no configuration")
    func indexChildren() throws {
        let summary = try ManifestSummary.parse(index().utf8)
        #expect(summary.mediaType == .ociIndex)
        #expect(summary.config == nil)
        #expect(summary.children.map(\.mediaType) == [.ociManifest])
    }

    @Test("the media type is the declared one, else the document's, else the one its members imply")
    func mediaTypes() throws {
        #expect(
            try ManifestSummary.parse(image().utf8, declared: .dockerManifest).mediaType == .dockerManifest
        )
        #expect(
            try ManifestSummary.parse(index(#""mediaType":"\#(indexType)","#).utf8).mediaType == .ociIndex
        )
        #expect(try ManifestSummary.parse(image().utf8, declared: .octetStream).mediaType == .ociManifest)
        let own = #""mediaType":"\#(ociType)","#
        #expect(
            error(image(own), declared: .dockerManifest)
                == .mediaTypeMismatch(declared: .dockerManifest, document: .ociManifest)
        )
        #expect(error(image(), declared: .ociIndex) != nil)
        #expect(error(index(), declared: .ociManifest) != nil)
    }

    @Test("content under another digest algorithm is left out, a broken digest is an error")
    func algorithms() throws {
        let other = descriptor(digest: "sha512:" + String(repeating: "0a", count: 64))
        #expect(try ManifestSummary.parse(image(layers: other).utf8).entries.isEmpty)
        for broken in [
            "", "sha256:", "sha256:../../etc", "abc", "sha256:" + String(repeating: "0A", count: 32),
        ] {
            #expect(error(image(layers: descriptor(digest: broken))) == .malformed("layers.digest"))
        }
    }

    @Test(
        "a document that two readers could take differently is refused",
        arguments: [
            image(#""manifests":[],"#), index(#""layers":[],"#), index(#""config":\#(descriptor()),"#),
            image(#""Layers":[],"#), index(#""manifest\u017f":[],"#), image(#""MEDIATYPE":"a/b","#),
            image(layers: #"{"mediaType":"a/b","size":7,"Size":8,"digest":"\#(digestText)"}"#),
        ]
    )
    func ambiguous(text: String) {
        guard case .ambiguous? = error(text) else {
            Issue.record("not refused as ambiguous: \(text)")
            return
        }
    }

    @Test(
        "a document that is not strict JSON is refused",
        arguments: [
            "", " ", "{", "}", "{}x", "[1,]", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{a:1}", "{'a':1}", "nul",
            "01", "+1", ".5", "1.",
            "1e", "-", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"a\nb\"",
            "\"a", "\u{feff}{}",
            "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "// x\n{}", "NaN", "[1", "{\"a\"", "{\"a\":",
        ]
    )
    func notJSON(text: String) {
        #expect(error(text) == .notJSON)
    }

    @Test(
        "a document deeper than any manifest, or of more values, is refused before it costs stack or memory"
    )
    func tooMuch() {
        let nested = { (depth: Int) in
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(error(nested(16)) == .malformed("document"))
        #expect(error(nested(17)) == .notJSON)
        #expect(error(nested(100_000)) == .notJSON)
        #expect(error(String(repeating: "{\"a\":", count: 100_000)) == .notJSON)
        let flat = "[" + String(repeating: "[],", count: 200_000) + "[]]"
        #expect((error(flat) == .notJSON) as Bool)
    }

    @Test("bytes that are not UTF-8 are refused wherever they stand")
    func notUTF8() {
        for bytes: [UInt8] in [
            [0xff], [0x22, 0xc0, 0x80, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22],
            [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d],
        ] {
            #expect(throws: ManifestError.notJSON) { try ManifestSummary.parse(bytes) }
        }
    }

    @Test(
        "a document that is no manifest names what is wrong",
        arguments: [
            ("[]", ManifestError.malformed("document")), ("{}", .malformed("schemaVersion")),
            (#"{"schemaVersion":1}"#, .malformed("schemaVersion")),
            (#"{"schemaVersion":2.0}"#, .malformed("schemaVersion")),
            (#"{"schemaVersion":2}"#, .malformed("config")),
            (#"{"schemaVersion":2,"manifests":{}}"#, .malformed("manifests")),
            (image(#""mediaType":7,"#), .malformed("mediaType")),
            (
                image(#""mediaType":"application/vnd.docker.distribution.manifest.v1+json","#),
                .unsupported(mediaType: "application/vnd.docker.distribution.manifest.v1+json")
            ),
            (image(layers: "7"), .malformed("layers")),
            (image(layers: descriptor(size: "-1")), .malformed("layers.size")),
            (image(layers: descriptor(size: "1.5")), .malformed("layers.size")),
            (image(layers: descriptor(size: "9223372036854775808")), .malformed("layers.size")),
            (image(layers: descriptor("a/b\\r\\nX: y")), .malformed("layers.mediaType")),
        ]
    )
    func malformed(text: String, expected: ManifestError) {
        #expect(error(text) == expected)
    }

    @Test("a manifest of more than 4 MiB is refused before it is read")
    func tooLarge() {
        let bytes = [UInt8](repeating: 0x20, count: ManifestSummary.bytesMax + 1)
        #expect(throws: ManifestError.tooLarge(bytes: bytes.count)) { try ManifestSummary.parse(bytes) }
    }

    @Test("members nobody asks for may hold any JSON")
    func otherMembers() throws {
        let extra =
            #""annotations":{"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00":"é😀","x":[1.5e-3,true,null,{}]},"#
        #expect(try ManifestSummary.parse(image(extra).utf8).children.count == 2)
    }

    @Test("no cut and no flipped byte of a manifest makes the reader trap")
    func damaged() {
        let whole = Array(image(#""annotations":{"k":"\ud83d\ude00","n":-1.5e+3},"#).utf8)
        for count in whole.indices {
            #expect(throws: ManifestError.self) { try ManifestSummary.parse(whole[..<count]) }
            for byte: UInt8 in [0, 0x22, 0x5b, 0x5c, 0x7b, 0x80, 0xff] {
                var damaged = whole
                damaged[count] = byte
                _ = try? ManifestSummary.parse(damaged)
            }
        }
    }
}
