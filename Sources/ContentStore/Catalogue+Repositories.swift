import OCIModel

/// What registries said of whole repositories.
extension Catalogue {
    /// A row of no size, as if the blob named itself.
    func recordNamed(_ digest: Digest, registry: String, repository: String) throws(StoreError) {
        try perform { database throws(DatabaseError) in
            try Self.recordNamed(digest, registry: registry, repository: repository, in: database)
        }
    }

    static func recordNamed(
        _ digest: Digest, registry: String, repository: String, in database: Database
    ) throws(DatabaseError) {
        try database.run(
            """
            INSERT OR REPLACE INTO descriptor (registry, repository, manifest, digest, bytes)
            VALUES (?, ?, ?3, ?3, -1)
            """,
            [.text(registry), .text(repository), .blob(digest.bytes)]
        )
    }

    func isNamed(_ digest: Digest, registry: String, repository: String) throws(StoreError) -> Bool {
        try perform { database throws(DatabaseError) in
            try database.run(
                "SELECT 1 FROM descriptor WHERE digest = ? AND registry = ? AND repository = ? LIMIT 1",
                [.blob(digest.bytes), .text(registry), .text(repository)]
            )
        }.isEmpty == false
    }

    /// Where manifests name the blob, or the registry said that it is.
    func places(naming digest: Digest) throws(StoreError) -> [(registry: String, repository: String)] {
        try perform { database throws(DatabaseError) in
            try database.run(
                "SELECT DISTINCT registry, repository FROM descriptor WHERE digest = ?",
                [.blob(digest.bytes)]
            )
        }.compactMap { row in row[0].text.flatMap { registry in row[1].text.map { (registry, $0) } } }
    }

    private static let digestsMax: Int64 = 50_000

    func digests(registry: String, repository: String) throws(StoreError) -> [Digest] {
        try perform { database throws(DatabaseError) in
            try database.run(
                """
                SELECT digest FROM descriptor WHERE registry = ? AND repository = ?
                GROUP BY digest ORDER BY max(rowid) DESC LIMIT ?
                """,
                [.text(registry), .text(repository), .integer(Self.digestsMax)]
            )
        }.compactMap { $0[0].bytes.flatMap { Digest(bytes: $0) } }
    }

    func publicDigests(since time: Int64) throws(StoreError) -> [Digest] {
        try perform { database throws(DatabaseError) in
            try database.run(
                """
                SELECT DISTINCT descriptor.digest FROM descriptor JOIN public USING (registry, repository)
                WHERE affirmed_at > ? LIMIT ?
                """,
                [.integer(time), .integer(Self.digestsMax)]
            )
        }.compactMap { $0[0].bytes.flatMap { Digest(bytes: $0) } }
    }

    func recordPublic(registry: String, repository: String, at time: Int64) throws(StoreError) {
        try perform { database throws(DatabaseError) in
            _ = try database.run(
                "INSERT OR REPLACE INTO public (registry, repository, affirmed_at) VALUES (?, ?, ?)",
                [.text(registry), .text(repository), .integer(time)]
            )
        }
    }

    /// When an anonymous caller was last let in.
    func publicAt(registry: String, repository: String) throws(StoreError) -> Int64? {
        try perform { database throws(DatabaseError) in
            try database.run(
                "SELECT affirmed_at FROM public WHERE registry = ? AND repository = ?",
                [.text(registry), .text(repository)]
            )
        }.first?.first?.integer
    }
}
