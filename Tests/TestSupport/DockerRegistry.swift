package import OCIModel

/// Debian's docker-registry on loopback, plain HTTP, with its storage in a folder of its own and an access
/// log that says what it sent.
package final class DockerRegistry: Sendable {
    package let port: UInt16
    package let process: ChildProcess
    private let folder: TemporaryFolder

    /// `127.0.0.1:PORT`: the registry's host as an image reference spells it.
    package var host: String { "127.0.0.1:\(port)" }
    package var url: String { "http://\(host)" }

    /// Starts the registry and waits until it listens. `port` 0 takes a free one; `auth` are lines of its configuration
    /// file, such as `TokenServer` and `htpasswd` make.
    package init(port wanted: UInt16 = 0, auth: String = "") async throws {
        folder = try TemporaryFolder("registry")
        port = wanted == 0 ? try FreePort.next() : wanted
        let settings = try folder.write(
            "registry.yml",
            """
            version: 0.1
            log:
              level: error
              accesslog:
                disabled: false
            storage:
              filesystem:
                rootdirectory: \(folder.makeFolder("storage"))
            http:
              addr: 127.0.0.1:\(port)
              secret: loopback
            \(auth)
            """
        )
        process = try ChildProcess(
            ["docker-registry", "serve", settings],
            logPath: folder.path("registry.log")
        )
        try await eventually("docker-registry listens on \(port)") { [process, port] in
            try process.requireRunning()
            return FreePort.isListening(port)
        }
    }

    /// Puts an image into the registry's storage, as a push would leave it (distribution 2.8, `paths.go`).
    package func add(_ image: TestImage, repository: String, tags: [String] = ["latest"]) throws {
        for blob in [image.config] + image.layers.map(\.blob) {
            try add(blob, repository: repository)
        }
        try add(manifest: image.manifest, repository: repository, tags: tags)
    }

    /// Puts a manifest or an index into a repository; what it names has to be there.
    package func add(manifest: Blob, repository: String, tags: [String]) throws {
        try store(manifest)
        let manifests = "repositories/\(repository)/_manifests"
        try link("\(manifests)/revisions/sha256/\(manifest.digest.hex)", manifest.digest)
        for tag in tags {
            try link("\(manifests)/tags/\(tag)/current", manifest.digest)
            try link("\(manifests)/tags/\(tag)/index/sha256/\(manifest.digest.hex)", manifest.digest)
        }
    }

    /// Puts one blob into a repository.
    package func add(_ blob: Blob, repository: String) throws {
        try store(blob)
        try link("repositories/\(repository)/_layers/sha256/\(blob.digest.hex)", blob.digest)
    }

    /// Overwrites what the registry stores for a digest: it sends the new bytes under the old name.
    package func corrupt(_ digest: Digest, with bytes: [UInt8]) throws {
        try folder.write(Self.dataPath(digest), bytes)
    }

    private func store(_ blob: Blob) throws {
        try folder.write(Self.dataPath(blob.digest), blob.bytes)
    }

    private func link(_ entry: String, _ digest: Digest) throws {
        try folder.write("storage/docker/registry/v2/\(entry)/link", digest.description)
    }

    private static func dataPath(_ digest: Digest) -> String {
        "storage/docker/registry/v2/blobs/sha256/\(digest.hex.prefix(2))/\(digest.hex)/data"
    }
}

extension DockerRegistry {
    /// One line of the access log. The registry writes it when the answer has ended; `bytes` is what left for
    /// the kernel, so an answer that was cut short counts what was sent of it.
    package struct Access: Sendable, Equatable {
        package let method: String
        /// Path and query, as asked.
        package let target: String
        package let status: Int
        package let bytes: Int
    }

    /// The access log, oldest first (Apache's combined format).
    package var accesses: [Access] {
        process.log.split(separator: "\n").compactMap { line in
            let quoted = line.split(separator: "\"", omittingEmptySubsequences: false)
            guard quoted.count >= 3 else { return nil }
            let request = quoted[1].split(separator: " ")
            let numbers = quoted[2].split(separator: " ").compactMap { Int($0) }
            guard request.count == 3, numbers.count == 2 else { return nil }
            return Access(
                method: String(request[0]),
                target: String(request[1]),
                status: numbers[0],
                bytes: numbers[1]
            )
        }
    }

    /// Bytes of a blob's content that the registry has sent in answers to GET (whole, ranged, cut short), in
    /// all repositories or in one.
    package func bytesSent(_ digest: Digest, repository: String? = nil) -> Int {
        let end = "/\(repository.map { "v2/\($0)/" } ?? "")blobs/\(digest)"
        return accesses.reduce(0) { sum, access in
            let counts =
                access.method == "GET" && (access.status == 200 || access.status == 206)
                && access.target.prefix { $0 != "?" }.hasSuffix(end)
            return counts ? sum + access.bytes : sum
        }
    }
}
