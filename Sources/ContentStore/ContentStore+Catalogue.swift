package import OCIModel

/// What the catalogue remembers for others. Nothing here throws because of the catalogue: what it forgot is
/// `nil`, what it could not take is lost, and `usage.lastError` tells.
extension ContentStore {
    /// Remembers a repository's manifest: its media type, which blobs it names, and their sizes.
    ///
    /// Negative sizes are left out.
    package func recordManifest(
        _ manifest: Digest,
        mediaType: String,
        registry: String,
        repository: String,
        naming children: [(digest: Digest, bytes: Int64)]
    ) {
        quietly { () throws(StoreError) in
            try catalogue.recordManifest(
                manifest, mediaType: mediaType, registry: registry, repository: repository, naming: children)
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
        if let bytes = committed(digest)?.bytes { return bytes }
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

    package func mediaType(_ digest: Digest) -> String? {
        quietly { () throws(StoreError) in try catalogue.mediaType(digest) } ?? nil
    }
}
