package import EventLoop
import HTTPTransfer
import Hashing
package import OCIModel

/// Brings an image, or any artifact, through a mirror into a folder: its manifest, and all that this names, and so on.
///
/// Every byte is checked against the digest that names it. Blobs that are in the folder already are not asked for
/// again.
@LoopActor
package final class ImagePull {
    package struct Summary: Sendable {
        package let digest: Digest
        package let mediaType: String
    }

    private let mirror: MirrorClient
    private let reference: ImageReference
    private let layout: OCILayout
    private let credentials: DockerCredentials
    private let meter: FetchMeter
    private let engine = TransferEngine()
    /// The value of `Authorization` that the registry last took, or that a token server gave.
    private var authorization: String?
    private var seen: Set<Digest> = []

    /// Of indexes in indexes.
    private static let depthMax = 4
    private static let manifestsMax = 10_000
    private static let parallelBlobs = 3
    private static let accept =
        [MediaType.ociIndex, .dockerList, .ociManifest, .dockerManifest].map(\.text) + ["*/*"]

    package init(
        _ reference: ImageReference, from mirror: MirrorClient, into layout: OCILayout, credentials: DockerCredentials,
        meter: FetchMeter
    ) {
        self.reference = reference
        self.mirror = mirror
        self.layout = layout
        self.credentials = credentials
        self.meter = meter
    }

    /// Completes the folder; once. What came before an error stays, and is not asked for again by the next attempt.
    package func run() async throws(FetchError) -> Summary {
        let root = try await manifest(reference.reference)
        try await take(root, depth: 0)
        let image = Descriptor(mediaType: root.mediaType, digest: root.digest, bytes: Int64(root.bytes.count))
        let (layout, tag) = (layout, reference.tag)
        try await Loop.offload { () throws(FetchError) in try layout.finish(image, tag: tag) }
        return Summary(digest: root.digest, mediaType: root.mediaType.text)
    }

    private struct Manifest {
        let mediaType: MediaType
        let digest: Digest
        let bytes: [UInt8]
    }

    private func target(_ kind: String, _ name: String) -> String {
        "/v2/\(reference.repository)/\(kind)/\(name)?ns=\(reference.registry)"
    }

    private func manifest(_ name: ManifestReference) async throws(FetchError) -> Manifest {
        let target = target("manifests", name.description)
        var document = try await mirror.document(target, accept: Self.accept, authorization: authorization)
        if document.status == 401, let challenge = document.challenge {
            authorization = try await token(challenge)
            document = try await mirror.document(target, accept: Self.accept, authorization: authorization)
        }
        guard document.status == 200, let mediaType = document.mediaType else {
            throw refused(document, name.description)
        }
        let bytes = document.bytes
        let digest = await Loop.offload { SHA256Hasher.hash(bytes) }
        if case .digest(let asked) = name, asked != digest {
            throw FetchError(.data, "what came as \(asked) has the digest \(digest)")
        }
        return Manifest(mediaType: mediaType, digest: digest, bytes: bytes)
    }

    /// Stores a manifest after all that it names, so that one that is there is complete.
    private func take(_ manifest: Manifest, depth: Int) async throws(FetchError) {
        guard depth < Self.depthMax, seen.count < Self.manifestsMax else {
            throw FetchError(.data, "the image has too many indexes in one another, or too many manifests")
        }
        guard seen.insert(manifest.digest).inserted else { return }
        meter.expect(Int64(manifest.bytes.count))
        let summary: ManifestSummary
        do throws(ManifestError) {
            summary = try ManifestSummary.parse(manifest.bytes, declared: manifest.mediaType)
        } catch {
            throw FetchError(
                .data, "\(manifest.digest) (\(manifest.mediaType)) is no manifest that can be read: \(error)")
        }
        if summary.isIndex {
            for entry in summary.entries { try await takeChild(entry, depth: depth) }
        } else {
            try await takeBlobs(summary.children)
        }
        let (layout, bytes, digest) = (layout, manifest.bytes, manifest.digest)
        try await Loop.offload { () throws(FetchError) in try layout.add(bytes, digest) }
        meter.bytesDone += Int64(bytes.count)
        meter.filesDone += 1
    }

    private func takeChild(_ child: Descriptor, depth: Int) async throws(FetchError) {
        guard child.mediaType.isIndex || child.mediaType.isImageManifest else { return try await takeBlobs([child]) }
        try await take(try await manifest(.digest(child.digest)), depth: depth + 1)
    }

    /// A few at a time, in order.
    private func takeBlobs(_ blobs: [Descriptor]) async throws(FetchError) {
        let wanted = blobs.filter { seen.insert($0.digest).inserted }
        for blob in wanted { meter.expect(blob.bytes) }
        var next = 0
        let failure = await withTaskGroup(of: FetchError?.self) { group in
            var failure: FetchError?
            var running = 0
            while next < wanted.count || running > 0 {
                while next < wanted.count, running < Self.parallelBlobs, failure == nil {
                    let blob = wanted[next]
                    next += 1
                    running += 1
                    group.addTask { await self.result(of: blob) }
                }
                guard running > 0, let ended = await group.next() else { break }
                running -= 1
                failure = failure ?? ended
            }
            return failure
        }
        if let failure { throw failure }
    }

    private func result(of blob: Descriptor) async -> FetchError? {
        do throws(FetchError) {
            try await take(blob)
            return nil
        } catch {
            return error
        }
    }

    private func take(_ blob: Descriptor) async throws(FetchError) {
        let layout = layout
        let opened = await Loop.offload { () -> Result<PartialFile?, FetchError> in
            Result { () throws(FetchError) in
                if layout.has(blob.digest, bytes: blob.bytes) { return nil }
                return try PartialFile(path: layout.path(of: blob.digest), digest: blob.digest, bytesMax: blob.bytes)
            }
        }
        guard let file = try opened.get() else {
            meter.bytesDone += blob.bytes
            meter.bytesResumed += blob.bytes
            meter.filesDone += 1
            return
        }
        let target = target("blobs", blob.digest.description)
        try await mirror.fetch(into: file, meter, authorization: authorization) { () throws(FetchError) in
            target
        } authorize: { document throws(FetchError) in
            guard let challenge = document.challenge else { return nil }
            self.authorization = try await self.token(challenge)
            return self.authorization
        }
    }

    private func token(_ challenge: BearerChallenge) async throws(FetchError) -> String {
        let basic = credentials.basic(for: reference.registry, reference.repository)
        let isLocal = ["localhost", "127.0.0.1", "::1"].contains(reference.registry.name)
        return try await TokenRequest(challenge: challenge, basic: basic, isLocal: isLocal).token(engine)
    }

    private func refused(_ document: MirrorClient.Document, _ name: String) -> FetchError {
        let what = "\(reference.registry)/\(reference.repository) \(name)"
        if document.status == 401 {
            let known = credentials.path.map { "\($0) has none for it that counts" } ?? "no config.json was found"
            return FetchError(.denied, "\(what): the registry wants a credential, and \(known)")
        }
        return FetchError(.data, "\(what): the mirror declined: \(document.reason)")
    }
}
