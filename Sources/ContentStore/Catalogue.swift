import CSQLite
import Glibc
import OCIModel

/// What files cannot say, in SQLite: last use, pins, piece digests, which repository names which digest,
/// tags.
///
/// It may be lost at any time. A file that SQLite calls damaged is moved aside as `catalogue.sqlite.damaged`,
/// a new one takes its place, and `survivors` says what of the old is still known in memory. When not even a
/// new file can be made, the catalogue lives in memory until the next start.
///
/// One connection behind one lock; WAL without a sync per commit, so a power cut loses the latest rows, not
/// the file.
final class Catalogue: Sendable {
    struct BlobRow: Equatable {
        var digest: Digest
        var entry: Ledger.Entry
    }

    private struct Connection {
        /// `nil` after `close`.
        var database: Database?
    }

    private let path: String
    private let connection: Guarded<Connection>
    private let survivors: @Sendable () -> [BlobRow]

    static let fileName = "catalogue.sqlite"
    /// Rows kept of what manifests and tags said; the oldest go at start.
    private static let descriptorRowsMax: Int64 = 500_000
    private static let tagRowsMax: Int64 = 100_000

    init(folder: String, survivors: @escaping @Sendable () -> [BlobRow]) {
        path = folder + "/" + Self.fileName
        self.survivors = survivors
        connection = Guarded(Connection(database: nil))
        connection.withLock { $0.database = open() }
    }

    func close() {
        connection.withLock { $0.database = nil }
    }

    // MARK: Opening

    private func open() -> Database? {
        for _ in 0..<2 {
            do throws(DatabaseError) {
                return try Self.prepared(Database(path: path))
            } catch {
                guard error.isCorruption else { break }
                moveAside()
            }
        }
        // Without even that the catalogue forgets, which every caller has to expect of it.
        return try? Self.prepared(Database(path: ":memory:"))
    }

    private func moveAside() {
        rename(path, path + ".damaged")
        // They belong to the file that is gone; SQLite would replay them into the new one.
        unlink(path + "-wal")
        unlink(path + "-shm")
    }

    private static func prepared(_ database: Database) throws(DatabaseError) -> Database {
        try database.run("PRAGMA journal_mode = WAL")
        try database.run("PRAGMA synchronous = NORMAL")
        try database.run("PRAGMA cache_size = -2048")
        try database.run("PRAGMA journal_size_limit = 4194304")
        guard try database.run("PRAGMA quick_check(1)").first?.first?.text == "ok" else {
            throw DatabaseError(code: SQLITE_CORRUPT)
        }
        for table in tables { try database.run(table) }
        // What the table of that name held cannot be gone by any more.
        try database.run("DROP TABLE IF EXISTS prefixes")
        for (table, rows) in [("descriptor", descriptorRowsMax), ("tag", tagRowsMax), ("public", tagRowsMax)] {
            try database.run(
                "DELETE FROM \(table) WHERE rowid <= (SELECT max(rowid) FROM \(table)) - ?",
                [.integer(rows)]
            )
        }
        return database
    }

    private static let tables = [
        """
        CREATE TABLE IF NOT EXISTS blob (
            digest BLOB PRIMARY KEY, bytes INTEGER NOT NULL, pinned INTEGER NOT NULL,
            use_order INTEGER NOT NULL, last_used INTEGER NOT NULL) WITHOUT ROWID
        """,
        "CREATE TABLE IF NOT EXISTS pieces (digest BLOB PRIMARY KEY, digests BLOB NOT NULL)",
        "CREATE TABLE IF NOT EXISTS chains (digest BLOB PRIMARY KEY, digests BLOB NOT NULL)",
        "CREATE TABLE IF NOT EXISTS media_type (digest BLOB PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID",
        """
        CREATE TABLE IF NOT EXISTS descriptor (
            registry TEXT NOT NULL, repository TEXT NOT NULL, manifest BLOB NOT NULL, digest BLOB NOT NULL,
            bytes INTEGER NOT NULL, UNIQUE (digest, registry, repository, manifest))
        """,
        """
        CREATE TABLE IF NOT EXISTS tag (
            registry TEXT NOT NULL, repository TEXT NOT NULL, name TEXT NOT NULL, digest BLOB NOT NULL,
            media_type TEXT NOT NULL, recorded_at INTEGER NOT NULL, UNIQUE (registry, repository, name))
        """,
        "CREATE INDEX IF NOT EXISTS descriptor_place ON descriptor (registry, repository)",
        """
        CREATE TABLE IF NOT EXISTS public (
            registry TEXT NOT NULL, repository TEXT NOT NULL, affirmed_at INTEGER NOT NULL,
            UNIQUE (registry, repository))
        """,
    ]

    /// Runs `body` on the connection; once more on a new file when the old one turns out to be damaged.
    func perform<Result>(
        _ body: (Database) throws(DatabaseError) -> Result
    ) throws(StoreError) -> Result {
        try connection.withLock { connection throws(StoreError) in
            guard let database = connection.database else { throw .closed }
            do throws(DatabaseError) {
                return try body(database)
            } catch {
                guard error.isCorruption else { throw .catalogue(code: error.code) }
            }
            connection.database = nil
            moveAside()
            connection.database = open()
            guard let database = connection.database else { throw .catalogue(code: SQLITE_CORRUPT) }
            do throws(DatabaseError) {
                try Self.save(survivors(), in: database)
                return try body(database)
            } catch {
                throw .catalogue(code: error.code)
            }
        }
    }
}

// MARK: - Blobs

extension Catalogue {
    func blobs() throws(StoreError) -> [BlobRow] {
        try perform { database throws(DatabaseError) in
            try database.run("SELECT digest, bytes, pinned, use_order, last_used FROM blob").compactMap {
                row in
                guard let digest = row[0].bytes.flatMap({ Digest(bytes: $0) }), let bytes = row[1].integer,
                    let pinned = row[2].integer, let order = row[3].integer, let lastUsed = row[4].integer,
                    bytes >= 0, order >= 0
                else { return nil }
                return BlobRow(
                    digest: digest,
                    entry: Ledger.Entry(
                        bytes: bytes,
                        isPinned: pinned != 0,
                        order: UInt64(order),
                        lastUsed: lastUsed
                    )
                )
            }
        }
    }

    func save(_ rows: [BlobRow]) throws(StoreError) {
        guard !rows.isEmpty else { return }
        try perform { database throws(DatabaseError) in try Self.save(rows, in: database) }
    }

    private static func save(_ rows: [BlobRow], in database: Database) throws(DatabaseError) {
        try database.transaction { () throws(DatabaseError) in
            for row in rows {
                try database.run(
                    """
                    INSERT OR REPLACE INTO blob (digest, bytes, pinned, use_order, last_used)
                    VALUES (?, ?, ?, ?, ?)
                    """,
                    [
                        .blob(row.digest.bytes), .integer(row.entry.bytes),
                        .integer(row.entry.isPinned ? 1 : 0),
                        .integer(Int64(clamping: row.entry.order)), .integer(row.entry.lastUsed),
                    ]
                )
            }
        }
    }

    func remove(_ digests: [Digest]) throws(StoreError) {
        guard !digests.isEmpty else { return }
        try perform { database throws(DatabaseError) in
            try database.transaction { () throws(DatabaseError) in
                for digest in digests {
                    try database.run("DELETE FROM blob WHERE digest = ?", [.blob(digest.bytes)])
                    try database.run("DELETE FROM pieces WHERE digest = ?", [.blob(digest.bytes)])
                    try database.run("DELETE FROM chains WHERE digest = ?", [.blob(digest.bytes)])
                }
            }
        }
    }
}

// MARK: - What registries said

extension Catalogue {
    /// What the repository's own manifests say goes before what others say; of those, the latest.
    func size(_ digest: Digest, registry: String?, repository: String?) throws(StoreError) -> Int64? {
        try perform { database throws(DatabaseError) in
            try database.run(
                """
                SELECT bytes FROM descriptor WHERE digest = ?1 AND bytes >= 0
                ORDER BY (registry IS ?2 AND repository IS ?3) DESC, rowid DESC LIMIT 1
                """,
                [
                    .blob(digest.bytes), registry.map { .text($0) } ?? .null,
                    repository.map { .text($0) } ?? .null,
                ]
            )
        }.first?.first?.integer.flatMap { $0 >= 0 ? $0 : nil }
    }

    func recordTag(
        registry: String,
        repository: String,
        tag: String,
        digest: Digest,
        mediaType: String,
        at time: Int64
    ) throws(StoreError) {
        try perform { database throws(DatabaseError) in
            _ = try database.run(
                """
                INSERT OR REPLACE INTO tag (registry, repository, name, digest, media_type, recorded_at)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
                [
                    .text(registry), .text(repository), .text(tag), .blob(digest.bytes), .text(mediaType),
                    .integer(time),
                ]
            )
        }
    }

    func tag(registry: String, repository: String, tag: String) throws(StoreError) -> TagRecord? {
        let rows = try perform { database throws(DatabaseError) in
            try database.run(
                """
                SELECT digest, media_type, recorded_at FROM tag
                WHERE registry = ? AND repository = ? AND name = ?
                """,
                [.text(registry), .text(repository), .text(tag)]
            )
        }
        guard let row = rows.first, let digest = row[0].bytes.flatMap({ Digest(bytes: $0) }),
            let mediaType = row[1].text, let time = row[2].integer
        else { return nil }
        return TagRecord(digest: digest, mediaType: mediaType, recordedAt: time)
    }
}
