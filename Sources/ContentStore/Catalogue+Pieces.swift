import OCIModel

/// The digests of blobs' pieces.
extension Catalogue {
    /// Forgets those of what is not committed.
    func removeOrphanedPieces() throws(StoreError) {
        try perform { database throws(DatabaseError) in
            _ = try database.run("DELETE FROM pieces WHERE digest NOT IN (SELECT digest FROM blob)")
        }
    }

    func pieceDigests(_ digest: Digest) throws(StoreError) -> [Digest]? {
        let rows = try perform { database throws(DatabaseError) in
            try database.run("SELECT digests FROM pieces WHERE digest = ?", [.blob(digest.bytes)])
        }
        guard let bytes = rows.first?.first?.bytes, bytes.count % Digest.byteCount == 0 else { return nil }
        return stride(from: 0, to: bytes.count, by: Digest.byteCount).compactMap { start in
            Digest(bytes: bytes[start..<start + Digest.byteCount])
        }
    }

    func storePieceDigests(_ digest: Digest, _ digests: [Digest]) throws(StoreError) {
        try perform { database throws(DatabaseError) in
            _ = try database.run(
                "INSERT OR REPLACE INTO pieces (digest, digests) VALUES (?, ?)",
                [.blob(digest.bytes), .blob(digests.flatMap(\.bytes))]
            )
        }
    }
}
