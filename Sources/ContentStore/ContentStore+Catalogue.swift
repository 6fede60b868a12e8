import Glibc
import Hashing
package import OCIModel
import PieceModel

/// What the catalogue remembers for others. Nothing here throws because of the catalogue: what it forgot is
/// `nil`, what it could not take is lost, and `usage.lastError` tells.
extension ContentStore {
    /// Remembers which blobs a repository's manifest names, and their sizes.
    ///
    /// Negative sizes are left out.
    package func recordDescriptors(
        registry: String,
        repository: String,
        of manifest: Digest,
        _ children: [(digest: Digest, bytes: Int64)]
    ) {
        quietly { () throws(StoreError) in
            try catalogue.recordDescriptors(
                registry: registry,
                repository: repository,
                of: manifest,
                children
            )
        }
    }

    /// The blob's size: its own when it is committed, else what a manifest said, which nobody has checked.
    ///
    /// Manifests of the named repository count before others, so that no other repository can give this one a
    /// wrong size.
    package func knownSize(
        _ digest: Digest,
        registry: String? = nil,
        repository: String? = nil
    ) -> Int64? {
        if let bytes = blob(digest)?.bytes { return bytes }
        return quietly { () throws(StoreError) in
            try catalogue.size(digest, registry: registry, repository: repository)
        } ?? nil
    }

    /// The registry has the blob in that repository, whether or not a manifest names it.
    package func recordNamed(_ digest: Digest, registry: String, repository: String) {
        quietly { () throws(StoreError) in
            try catalogue.recordNamed(digest, registry: registry, repository: repository)
        }
    }

    /// Whether a manifest of that very repository names the blob, or the registry said that the repository has it.
    package func isNamed(_ digest: Digest, registry: String, repository: String) -> Bool {
        quietly { () throws(StoreError) in
            try catalogue.isNamed(digest, registry: registry, repository: repository)
        } ?? false
    }

    /// The repositories whose manifests name the blob, or whose registry said that they have it.
    package func places(naming digest: Digest) -> [(registry: String, repository: String)] {
        quietly { () throws(StoreError) in try catalogue.places(naming: digest) } ?? []
    }

    /// What manifests of that repository name, the latest first, a bounded number.
    package func digests(registry: String, repository: String) -> [Digest] {
        quietly { () throws(StoreError) in
            try catalogue.digests(registry: registry, repository: repository)
        } ?? []
    }

    /// What manifests of public repositories name, as far as `wasPublic` goes; a bounded number.
    package func publicDigests() -> [Digest] {
        quietly { () throws(StoreError) in
            try catalogue.publicDigests(since: Self.now() - Self.publicSecondsMax)
        } ?? []
    }

    /// The registry let an anonymous caller pull from the repository, now.
    package func recordPublic(registry: String, repository: String) {
        quietly { () throws(StoreError) in
            try catalogue.recordPublic(registry: registry, repository: repository, at: Self.now())
        }
    }

    /// Whether it did within the last `publicSecondsMax` seconds.
    package func wasPublic(registry: String, repository: String) -> Bool {
        let at = quietly { () throws(StoreError) in
            try catalogue.publicAt(registry: registry, repository: repository)
        } ?? nil
        guard let at else { return false }
        let age = Self.now().subtractingReportingOverflow(at)
        return !age.overflow && age.partialValue >= 0 && age.partialValue < Self.publicSecondsMax
    }

    /// A week.
    private static let publicSecondsMax: Int64 = 604_800

    package func recordTag(
        registry: String,
        repository: String,
        tag: String,
        digest: Digest,
        mediaType: String
    ) {
        quietly { () throws(StoreError) in
            try catalogue.recordTag(
                registry: registry,
                repository: repository,
                tag: tag,
                digest: digest,
                mediaType: mediaType,
                at: Self.now()
            )
        }
    }

    package func lastDigest(registry: String, repository: String, tag: String) -> TagRecord? {
        quietly { () throws(StoreError) in
            try catalogue.tag(registry: registry, repository: repository, tag: tag)
        } ?? nil
    }

    package func recordMediaType(_ digest: Digest, _ mediaType: String) {
        quietly { () throws(StoreError) in try catalogue.recordMediaType(digest, mediaType) }
    }

    package func mediaType(_ digest: Digest) -> String? {
        quietly { () throws(StoreError) in try catalogue.mediaType(digest) } ?? nil
    }

    /// The digests of a committed blob's pieces in order, if they were kept; else `computePieceDigests` makes
    /// them.
    package func pieceDigests(_ digest: Digest) -> [Digest]? {
        guard let bytes = blob(digest)?.bytes, let layout = PieceLayout(blobBytes: bytes),
            let digests = quietly({ () throws(StoreError) in try catalogue.pieceDigests(digest) }) ?? nil,
            digests.count == layout.pieceCount
        else { return nil }
        return digests
    }

    /// Keeps the digests of a committed blob's pieces; ignored when there are not as many as it has pieces.
    package func storePieceDigests(_ digest: Digest, _ digests: [Digest]) {
        guard let bytes = blob(digest)?.bytes, PieceLayout(blobBytes: bytes)?.pieceCount == digests.count
        else {
            return
        }
        quietly { () throws(StoreError) in try catalogue.storePieceDigests(digest, digests) }
    }

    /// Reads a committed blob, makes the digests of its pieces and keeps them.
    ///
    /// The whole is hashed along the way: this node is about to vouch for the pieces. A blob that does not
    /// match any more is removed. `nil` then, and when the blob is not there or empty.
    package func computePieceDigests(_ digest: Digest) throws(StoreError) -> [Digest]? {
        guard let file = try openBlob(digest), let layout = PieceLayout(blobBytes: file.bytes) else {
            return nil
        }
        var whole = SHA256Hasher()
        var digests: [Digest] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: layout.pieceBytes, alignment: 64)
        defer { buffer.deallocate() }
        for piece in layout.pieces {
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<layout.byteCount(of: piece)])
            try noting { () throws(StoreError) in
                try Disk.readAll(file.descriptor, into: part, at: layout.start(of: piece))
            }
            let bytes = UnsafeRawBufferPointer(part)
            whole.update(bytes)
            digests.append(SHA256Hasher.hash(bytes))
        }
        guard whole.finalize() == digest else {
            _ = try remove(digest)
            return nil
        }
        storePieceDigests(digest, digests)
        return digests
    }
}
