import EventLoop
import OCIModel
import OriginClient
import TestSupport
import Testing

@Suite("A real registry")
struct RealRegistryTests {
    @LoopActor private static func read(
        _ client: OriginClient,
        _ endpoint: OriginEndpoint,
        _ blob: Blob,
        parts: Int
    ) async throws -> [UInt8] {
        let repository = try #require(RepositoryName("library/noise"))
        let total = Int64(blob.bytes.count)
        var bytes: [UInt8] = []
        for part in 0..<Int64(parts) {
            let range = try #require(
                ByteRange(start: total * part / Int64(parts), end: total * (part + 1) / Int64(parts))
            )
            try await withCheckedContinuation { done in
                _ = client.fetchBlob(
                    endpoint: endpoint,
                    repository: repository,
                    digest: blob.digest,
                    range: range,
                    onBytes: { bytes += $0 },
                    onEnd: { done.resume(returning: $0) }
                )
            }.get()
        }
        return bytes
    }

    @Test("manifests by tag and digest, and blobs whole and in ranges, come from docker-registry")
    @LoopActor func reads() async throws {
        let registry = try await DockerRegistry()
        let image = try await TestImage.noise(layerSizes: [3_000_000, 17], seed: 5)
        try registry.add(image, repository: "library/noise")
        let client = OriginClient()
        let endpoint = try #require(OriginEndpoint(registry: .dockerHub, url: registry.url))
        let repository = try #require(RepositoryName("library/noise"))
        for text in ["latest", "\(image.manifest.digest)"] {
            let reference = try #require(ManifestReference(text))
            for head in [true, false] {
                let manifest = try await client.manifest(
                    endpoint: endpoint,
                    repository: repository,
                    reference: reference,
                    head: head
                )
                #expect(manifest.digest == image.manifest.digest)
                #expect(manifest.bytes == (head ? [] : image.manifest.bytes))
                #expect(manifest.mediaType.text == TestImage.manifestMediaType)
                #expect(manifest.size == Int64(image.manifest.bytes.count))
            }
        }
        for layer in image.layers {
            let size = try await client.blobSize(
                endpoint: endpoint,
                repository: repository,
                digest: layer.blob.digest
            )
            #expect(size == Int64(layer.blob.bytes.count))
            for parts in [1, 3] {
                let bytes = try await Self.read(client, endpoint, layer.blob, parts: parts)
                #expect(bytes == layer.blob.bytes)
            }
        }
        let absent = try #require(ManifestReference("absent"))
        await #expect(throws: OriginError.notFound) {
            try await client.manifest(
                endpoint: endpoint,
                repository: repository,
                reference: absent,
                head: true
            )
        }
        await #expect(throws: OriginError.notFound) {
            try await Self.read(client, endpoint, Blob([1, 2, 3]), parts: 1)
        }
        #expect(client.counters[.dockerHub]?.bytes ?? 0 > 6_000_000)
    }

    @Test("over TLS the registry has to be known to the CA file, and be the one named")
    @LoopActor func verifies() async throws {
        let tls = try await TLSRegistry()
        let client = OriginClient()
        let repository = try #require(RepositoryName("library/noise"))
        let reference = try #require(ManifestReference("absent"))
        func ask(_ host: String, caFile: String?) async throws -> OriginError? {
            let name = try #require(RegistryHost("r.example"))
            let endpoint = try #require(
                OriginEndpoint(
                    registry: name,
                    url: "https://\(host):\(tls.port)",
                    caFile: caFile
                )
            )
            do throws(OriginError) {
                _ = try await client.manifest(
                    endpoint: endpoint,
                    repository: repository,
                    reference: reference,
                    head: false
                )
                return nil
            } catch {
                return error
            }
        }
        #expect(try await ask("127.0.0.1", caFile: tls.caFile) == .notFound)
        for (host, caFile) in [("127.0.0.1", nil), ("localhost", tls.caFile), ("127.0.0.1", tls.otherCAFile)]
        {
            guard case .untrusted? = try await ask(host, caFile: caFile) else {
                Issue.record("\(host) with \(caFile ?? "the system's authorities") was trusted")
                continue
            }
        }
        guard case .unreachable? = try await ask("127.0.0.1", caFile: "/nonexistent.pem") else {
            Issue.record("a CA file that is not there was passed over")
            return
        }
    }
}

/// docker-registry with a certificate for 127.0.0.1, and not for localhost, of a CA made for the test.
struct TLSRegistry {
    let port: UInt16
    let caFile: String
    /// Of another CA, which did not issue anything.
    let otherCAFile: String
    /// A certificate of the same CA for a client, and its key.
    let clientFiles: (certificate: String, key: String)
    private let folder: TemporaryFolder
    private let process: ChildProcess

    /// With `asksClients` a client has to show a certificate of the CA.
    init(asksClients: Bool = false) async throws {
        folder = try TemporaryFolder("tls")
        port = try FreePort.next()
        caFile = try await Self.makeCA("ca", in: folder)
        otherCAFile = try await Self.makeCA("other", in: folder)
        try folder.write("names", "subjectAltName=IP:127.0.0.1\n")
        for name in ["r", "client"] { try await Self.makeCertificate(name, in: folder) }
        clientFiles = (folder.path("client.pem"), folder.path("client.key"))
        let clients = asksClients ? ", clientcas: [\(caFile)]" : ""
        let settings = try folder.write(
            "registry.yml",
            """
            version: 0.1
            log: {level: error}
            storage: {filesystem: {rootdirectory: \(folder.makeFolder("storage"))}}
            http:
              addr: 127.0.0.1:\(port)
              secret: loopback
              tls: {certificate: \(folder.path("r.pem")), key: \(folder.path("r.key"))\(clients)}

            """
        )
        process = try ChildProcess(["docker-registry", "serve", settings], logPath: folder.path("log"))
        try await eventually("the registry listens") { [process, port] in
            try process.requireRunning()
            return FreePort.isListening(port)
        }
    }

    /// Signed by `ca`, for 127.0.0.1.
    private static func makeCertificate(_ name: String, in folder: TemporaryFolder) async throws {
        try await ChildProcess.check(
            [
                "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/CN=\(name)", "-keyout", "\(name).key", "-out", "\(name).csr",
            ],
            folder: folder.path
        )
        try await ChildProcess.check(
            [
                "openssl", "x509", "-req", "-in", "\(name).csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "\(name).pem",
            ],
            folder: folder.path
        )
    }

    private static func makeCA(_ name: String, in folder: TemporaryFolder) async throws -> String {
        try await ChildProcess.check(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days", "2", "-subj", "/CN=\(name)", "-keyout", "\(name).key", "-out", "\(name).pem",
            ],
            folder: folder.path
        )
        return folder.path("\(name).pem")
    }
}
