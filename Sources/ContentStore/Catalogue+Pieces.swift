import OCIModel

/// The digests of blobs' pieces, and the states of their chains.
extension Catalogue {
    enum PieceTable {
        case pieces
        case chains
    }

    /// Forgets those of what is not committed.
    func removeOrphanedPieces() throws(StoreError) {
        try perform { database throws(DatabaseError) in
            for table in [PieceTable.pieces, .chains] {
                _ = try database.run("DELETE FROM \(table) WHERE digest NOT IN (SELECT digest FROM blob)")
            }
        }
    }

    func digests(_ digest: Digest, in table: PieceTable) throws(StoreError) -> [Digest]? {
        let rows = try perform { database throws(DatabaseError) in
            try database.run("SELECT digests FROM \(table) WHERE digest = ?", [.blob(digest.bytes)])
        }
        return rows.first?.first?.bytes.flatMap { bytes in bytes.withUnsafeBytes { Digest.all(in: $0) } }
    }

    func store(_ digests: [Digest], of digest: Digest, in table: PieceTable) throws(StoreError) {
        try perform { database throws(DatabaseError) in
            _ = try database.run(
                "INSERT OR REPLACE INTO \(table) (digest, digests) VALUES (?, ?)",
                [.blob(digest.bytes), .blob(digests.flatMap { $0.bytes })]
            )
        }
    }
}
