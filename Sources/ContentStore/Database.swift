import CSQLite

/// An error of SQLite, by its extended result code.
struct DatabaseError: Error, Equatable {
    let code: Int32

    /// The file is not a database or not a whole one: nothing but a new file helps.
    var isCorruption: Bool { code & 0xff == SQLITE_CORRUPT || code & 0xff == SQLITE_NOTADB }
}

/// One connection to one SQLite file: the only place that calls SQLite.
///
/// One thread at a time.
final class Database {
    enum Value: Equatable {
        case integer(Int64)
        case text(String)
        case blob([UInt8])
        case null
    }

    private let handle: OpaquePointer
    /// Every statement of the program, compiled once.
    private var statements: [String: OpaquePointer] = [:]

    init(path: String) throws(DatabaseError) {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let result = sqlite3_open_v2(path, &opened, flags, nil)
        guard result == SQLITE_OK, let opened else {
            sqlite3_close_v2(opened)
            throw DatabaseError(code: result)
        }
        handle = opened
        sqlite3_busy_timeout(handle, 2000)
    }

    deinit {
        for statement in statements.values { sqlite3_finalize(statement) }
        sqlite3_close_v2(handle)
    }

    /// Runs the statement with its `?` bound in order, and returns the rows.
    @discardableResult
    func run(_ sql: String, _ values: [Value] = []) throws(DatabaseError) -> [[Value]] {
        let statement = try prepared(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() { try bind(value, to: Int32(index + 1), of: statement) }
        var rows: [[Value]] = []
        while true {
            let result = sqlite3_step(statement)
            if result == SQLITE_DONE { return rows }
            guard result == SQLITE_ROW else { throw DatabaseError(code: result) }
            rows.append((0..<sqlite3_column_count(statement)).map { column($0, of: statement) })
        }
    }

    /// All or nothing.
    func transaction(_ body: () throws(DatabaseError) -> Void) throws(DatabaseError) {
        try run("BEGIN IMMEDIATE")
        do {
            try body()
            try run("COMMIT")
        } catch {
            // A failed rollback leaves nothing to roll back; the first error is the one that counts.
            _ = try? run("ROLLBACK")
            throw error
        }
    }

    private func prepared(_ sql: String) throws(DatabaseError) -> OpaquePointer {
        if let statement = statements[sql] { return statement }
        var compiled: OpaquePointer?
        let result = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &compiled, nil)
        guard result == SQLITE_OK, let compiled else { throw DatabaseError(code: result) }
        statements[sql] = compiled
        return compiled
    }

    private func bind(_ value: Value, to index: Int32, of statement: OpaquePointer) throws(DatabaseError) {
        let result =
            switch value {
            case .integer(let number): sqlite3_bind_int64(statement, index, number)
            case .text(let text):
                csqlite_bind_text_copy(statement, index, text, Int32(clamping: text.utf8.count))
            case .blob(let bytes):
                csqlite_bind_blob_copy(statement, index, bytes, Int32(clamping: bytes.count))
            case .null: sqlite3_bind_null(statement, index)
            }
        guard result == SQLITE_OK else { throw DatabaseError(code: result) }
    }

    private func column(_ index: Int32, of statement: OpaquePointer) -> Value {
        switch sqlite3_column_type(statement, index) {
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, index))
        case SQLITE_TEXT:
            return sqlite3_column_text(statement, index).map { .text(String(cString: $0)) } ?? .null
        case SQLITE_BLOB:
            guard let start = sqlite3_column_blob(statement, index) else { return .blob([]) }
            let count = Int(sqlite3_column_bytes(statement, index))
            return .blob([UInt8](UnsafeRawBufferPointer(start: start, count: count)))
        default: return .null
        }
    }
}

extension Database.Value {
    var integer: Int64? { if case .integer(let number) = self { number } else { nil } }
    var text: String? { if case .text(let text) = self { text } else { nil } }
    var bytes: [UInt8]? { if case .blob(let bytes) = self { bytes } else { nil } }
}
