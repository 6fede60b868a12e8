import OCIModel

/// What manifests say, and as what they were served.
extension Catalogue {
    /// In one transaction: somebody waits for it.
    func recordManifest(
        _ manifest: Digest,
        mediaType: String,
        registry: String,
        repository: String,
        naming children: [(digest: Digest, bytes: Int64)]
    ) throws(StoreError) {
        try perform { database throws(DatabaseError) in
            try database.transaction { () throws(DatabaseError) in
                try database.run(
                    "INSERT OR REPLACE INTO media_type (digest, name) VALUES (?, ?)",
                    [.blob(manifest.bytes), .text(mediaType)]
                )
                try Self.recordNamed(manifest, registry: registry, repository: repository, in: database)
                for child in children where child.bytes >= 0 {
                    try database.run(
                        """
                        INSERT OR REPLACE INTO descriptor (registry, repository, manifest, digest, bytes)
                        VALUES (?, ?, ?, ?, ?)
                        """,
                        [
                            .text(registry), .text(repository), .blob(manifest.bytes),
                            .blob(child.digest.bytes),
                            .integer(child.bytes),
                        ]
                    )
                }
            }
        }
    }

    func mediaType(_ digest: Digest) throws(StoreError) -> String? {
        try perform { database throws(DatabaseError) in
            try database.run("SELECT name FROM media_type WHERE digest = ?", [.blob(digest.bytes)])
        }.first?.first?.text
    }
}
