import OCIModel
import Testing

private let hex = String(repeating: "0a", count: 32)

@Suite struct ReferenceTests {
    @Test(
        "a repository follows the distribution grammar",
        arguments: [
            "a", "library/busybox", "a/b/c/d", "a.b", "a_b", "a__b", "a---b", "0/1",
            String(repeating: "a", count: 255),
        ]
    )
    func repositories(text: String) throws {
        #expect(RepositoryName(text)?.text == text)
    }

    @Test(
        "what could leave a folder, a header or a log line is no repository",
        arguments: [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a..b", "a___b", "a._b", "_a", "a_",
            "-a", "a-", "A",
            "a b", "a%2fb", "a\r\nb", "a\u{0}", "a:b", "é", String(repeating: "a", count: 256),
        ]
    )
    func noRepositories(text: String) {
        #expect(RepositoryName(text) == nil)
    }

    @Test("a tag has at most 128 bytes and does not begin with a dot or a dash")
    func tags() {
        for text in ["latest", "V1.0-rc_1", "_", "1", String(repeating: "t", count: 128)] {
            #expect(Tag(text)?.text == text)
        }
        for text in [
            "", ".", "..", "-a", "a/b", "a b", "a\n", "a:b", "é", String(repeating: "t", count: 129),
        ] {
            #expect(Tag(text) == nil)
        }
    }

    @Test("a manifest reference with a colon is a digest or nothing")
    func manifestReferences() throws {
        #expect(ManifestReference("latest") == .tag(.latest))
        let digest = try #require(Digest("sha256:" + hex))
        #expect(ManifestReference("sha256:" + hex) == .digest(digest))
        for text in [
            "sha256:", "sha256:../../etc", "SHA256:" + hex, "sha512:" + hex + hex, "sha256:baddigeststring",
        ] {
            #expect(ManifestReference(text) == nil)
        }
    }

    @Test("a host in capital letters that would be a repository in small ones is no registry")
    func capitals() {
        #expect(ImageReference("Host/app") == nil)
        #expect(ImageReference("LOCALHOST/app")?.description == "localhost/app:latest")
    }

    @Test(
        "a short image name means what it means to Docker",
        arguments: [
            ("busybox", "docker.io/library/busybox:latest"), ("busybox:1", "docker.io/library/busybox:1"),
            ("org/app", "docker.io/org/app:latest"),
            ("docker.io/busybox", "docker.io/library/busybox:latest"),
            ("index.docker.io/org/app:2", "docker.io/org/app:2"), ("localhost/app", "localhost/app:latest"),
            ("REG.Example/app", "reg.example/app:latest"), ("Host:5000/app", "host:5000/app:latest"),
            ("quay.io/a/b/c:v1", "quay.io/a/b/c:v1"), ("reg:5000/app", "reg:5000/app:latest"),
            ("[::1]:5000/a", "[::1]:5000/a:latest"),
            ("a@sha256:" + hex, "docker.io/library/a@sha256:" + hex),
            ("a:1@sha256:" + hex, "docker.io/library/a:1@sha256:" + hex),
        ]
    )
    func images(text: String, full: String) throws {
        let image = try #require(ImageReference(text))
        #expect(image.description == full)
        #expect(ImageReference(image.description) == image)
    }

    @Test(
        "what Docker would refuse is no image",
        arguments: [
            "", "/", "a:", "a@", "a@sha256:x", "A", "a/B", "quay.io/", "a b", "../a", "quay.io/../a",
            "0x7f.1/a",
            "reg:99999/a", "a:b:c", "a@sha256:\(hex)@sha256:\(hex)", "http://quay.io/a",
            String(repeating: "a", count: 1025),
        ]
    )
    func noImages(text: String) {
        #expect(ImageReference(text) == nil)
    }

    @Test("the digest of a reference is asked for before its tag")
    func digestFirst() throws {
        let image = try #require(ImageReference("a:1@sha256:" + hex))
        #expect(image.reference == Digest("sha256:" + hex).map(ManifestReference.digest))
        #expect(ImageReference("a:1")?.reference == Tag("1").map(ManifestReference.tag))
    }

    @Test("a media type loses its parameters and can hold nothing that ends a header line")
    func mediaTypes() {
        #expect(MediaType("Application/JSON; charset=utf-8")?.text == "application/json")
        #expect(MediaType(" application/vnd.oci.image.index.v1+json ") == .ociIndex)
        for text in ["", "a", "a/", "/a", "a/b/c", "a b/c", "a/b\r\nX: y", "a/\u{0}", "*/*", "é/a"] {
            #expect(MediaType(text) == nil)
        }
    }
}
