import OCIModel

/// The media types that manifests were served with.
extension Catalogue {
    func recordMediaType(_ digest: Digest, _ mediaType: String) throws(StoreError) {
        try perform { database throws(DatabaseError) in
            _ = try database.run(
                "INSERT OR REPLACE INTO media_type (digest, name) VALUES (?, ?)",
                [.blob(digest.bytes), .text(mediaType)]
            )
        }
    }

    func mediaType(_ digest: Digest) throws(StoreError) -> String? {
        try perform { database throws(DatabaseError) in
            try database.run("SELECT name FROM media_type WHERE digest = ?", [.blob(digest.bytes)])
        }.first?.first?.text
    }
}
