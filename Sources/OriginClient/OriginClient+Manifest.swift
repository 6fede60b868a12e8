import EventLoop
import HTTPTransfer
import Hashing
package import OCIModel

/// A manifest as the registry has it.
package struct OriginManifest: Hashable, Sendable {
    package let mediaType: MediaType
    package let digest: Digest
    /// Empty for a HEAD request.
    package let bytes: [UInt8]
    /// Length of the manifest, also for a HEAD request.
    package let size: Int64

    package init(mediaType: MediaType, digest: Digest, bytes: [UInt8], size: Int64) {
        self.mediaType = mediaType
        self.digest = digest
        self.bytes = bytes
        self.size = size
    }
}

extension OriginClient {
    /// Fetches a manifest, or with `head` only what it is.
    ///
    /// The digest is computed from the bytes and agrees with the one asked for and the one the registry
    /// states; for `head` it is the registry's word alone.
    ///
    /// `accept` are media types in the caller's order; none stands for all image manifests and indexes.
    package func manifest(
        endpoint: OriginEndpoint,
        repository: RepositoryName,
        reference: ManifestReference,
        head: Bool,
        accept: [String] = [],
        credential: Credential? = nil
    ) async throws(OriginError) -> OriginManifest {
        let types = accept.isEmpty ? Self.manifestTypes : accept
        let call = OriginCall(
            endpoint: endpoint,
            repository: repository,
            method: head ? .head : .get,
            path: "manifests/\(reference)",
            // One line: proxies were seen to pass on only the last of several.
            headers: [("Accept", types.joined(separator: ", ")), ("Accept-Encoding", "identity")],
            credential: credential,
            totalMillis: timeouts.manifestTotal
        )
        return try await cancellable { scope throws(OriginError) in
            if head, let known = try await self.manifestHead(call, reference, scope) { return known }
            let manifest = try await self.manifestBody(call, reference, scope)
            guard head else { return manifest }
            return OriginManifest(
                mediaType: manifest.mediaType,
                digest: manifest.digest,
                bytes: [],
                size: manifest.size
            )
        }
    }

    /// What a registry may have beyond these, such as an artifact of some age, is taken as well.
    private static let manifestTypes =
        [MediaType.ociIndex, .dockerList, .ociManifest, .dockerManifest].map(\.text) + ["*/*"]

    /// `nil` when the registry's headers do not say enough, or it knows no HEAD.
    private func manifestHead(
        _ call: OriginCall,
        _ reference: ManifestReference,
        _ scope: CancelScope
    ) async throws(OriginError) -> OriginManifest? {
        let sink = CollectingSink(bytesMax: 0, decodes: true)
        guard try await answersHead(call, sink, scope) else { return nil }
        guard let head = sink.head, HeadChecks.isPlain(head), let type = head.headers.single("content-type").flatMap({ MediaType($0) }),
            let size = try HeadChecks.length(head), size > 0, size <= Self.manifestBytesMax
        else { return nil }
        let stated = try HeadChecks.digest(head)
        switch reference {
        case .digest(let digest):
            guard stated == nil || stated == digest else { throw .badContent(.digest) }
            return OriginManifest(mediaType: type, digest: digest, bytes: [], size: size)
        case .tag:
            return stated.map { OriginManifest(mediaType: type, digest: $0, bytes: [], size: size) }
        }
    }

    private func manifestBody(
        _ call: OriginCall,
        _ reference: ManifestReference,
        _ scope: CancelScope
    ) async throws(OriginError) -> OriginManifest {
        let get = call.asGet(decodesBody: true)
        let sink = CollectingSink(bytesMax: Self.manifestBytesMax, decodes: true)
        try await retrying(call.endpoint, scope) { () throws(OriginError) in
            try await self.attempt(get, sink, scope)
        }
        guard let head = sink.head, let text = head.headers.single("content-type"), let type = MediaType(text)
        else {
            throw .badContent(.contentType)
        }
        let bytes = sink.bytes
        guard JSONStart.isObject(bytes) else { throw .badContent(.notJSON) }
        let (digest, isAmbiguous) =
            bytes.count <= ManifestSummary.briefBytesMax
            ? Self.check(bytes, type) : await Loop.offload { Self.check(bytes, type) }
        if isAmbiguous { throw .badContent(.ambiguous) }
        if let stated = try HeadChecks.digest(head), stated != digest { throw .badContent(.digest) }
        if case .digest(let asked) = reference, asked != digest { throw .badContent(.digest) }
        count(call.endpoint) { $0.bytes += UInt64(bytes.count) }
        return OriginManifest(mediaType: type, digest: digest, bytes: bytes, size: Int64(bytes.count))
    }

    private nonisolated static func check(_ bytes: [UInt8], _ type: MediaType) -> (digest: Digest, isAmbiguous: Bool) {
        (SHA256Hasher.hash(bytes), isAmbiguous(bytes, type))
    }

    /// Whether an image's manifest or index could be read in two ways, or says to be another thing than its header
    /// does.
    ///
    /// What has another media type means nothing to this node, and passes as it is.
    private nonisolated static func isAmbiguous(_ bytes: [UInt8], _ type: MediaType) -> Bool {
        guard type.isIndex || type.isImageManifest else { return false }
        do throws(ManifestError) {
            _ = try ManifestSummary.parse(bytes, declared: type)
            return false
        } catch .tooLarge, .notJSON, .ambiguous, .unsupported, .mediaTypeMismatch {
            return true
        } catch {
            return false
        }
    }

    /// Makes a HEAD call; false when it, and not what it asks for, was refused. Of a file nobody can tell: its URL may
    /// be signed for GET only.
    private func answersHead(
        _ call: OriginCall,
        _ sink: CollectingSink,
        _ scope: CancelScope
    ) async throws(OriginError) -> Bool {
        do throws(OriginError) {
            try await retrying(call.endpoint, scope) { () throws(OriginError) in
                try await self.attempt(call, sink, scope)
            }
            return true
        } catch .linkRefused, .badContent(.status(405)), .badContent(.status(501)) {
            return false
        } catch .denied where call.repository == nil {
            return false
        }
    }

    /// The size of a blob: by HEAD, or when that says nothing by asking for its first byte.
    package func blobSize(
        endpoint: OriginEndpoint,
        repository: RepositoryName,
        digest: Digest,
        credential: Credential? = nil
    ) async throws(OriginError) -> Int64 {
        try await size(
            OriginCall(
                endpoint: endpoint, repository: repository, method: .head, path: "blobs/\(digest)",
                headers: [("Accept-Encoding", "identity")], credential: credential,
                totalMillis: timeouts.manifestTotal))
    }

    /// What `call`, a HEAD, is about: its size.
    func size(_ call: OriginCall) async throws(OriginError) -> Int64 {
        try await cancellable { scope throws(OriginError) in
            let sink = CollectingSink(bytesMax: 0)
            if try await self.answersHead(call, sink, scope), let head = sink.head,
                let size = try HeadChecks.length(head)
            {
                return size
            }
            let first = call.asGet(adding: [("Range", "bytes=0-0")])
            let size = SizeSink()
            try await self.retrying(call.endpoint, scope) { () throws(OriginError) in
                try await self.attempt(first, size, scope)
            }
            guard let bytes = size.bytes else { throw .badContent(.contentLength) }
            return bytes
        }
    }
}
