import FoundationEssentials
import Glibc

/// What an earlier `apply` did, so that it can be undone.
struct StateRecord: Codable, Equatable {
    enum Stage: String, Codable {
        /// Files may be old or new; each of them is one of the two as a whole.
        case prepared
        /// All files are new, and a restart with them was begun; whether containerd came up is not known.
        case restarting
        case applied
    }

    struct Entry: Codable, Equatable {
        let path: String
        /// Names of copies in the state folder; `nil` for no file.
        ///
        /// `original` is what `revert` gives back, `applied` what was written, `previous` what stood there
        /// before.
        let original: String?
        let applied: String?
        let previous: String?
    }

    var format = 1
    let config: String
    let mode: String
    let mirror: String
    let registries: [String]
    var stage: Stage
    var generation: Int
    var entries: [Entry]
    /// Folders that were made, outermost first.
    var folders: [String]
    /// While `restarting`, the record to go back to: none or one.
    var earlier: [StateRecord]?
}

/// One entry with its bytes.
struct StateFile: Equatable {
    let path: String
    let original: [UInt8]?
    let applied: [UInt8]?
    let previous: [UInt8]?
}

/// Keeps the record of one config file, and the copies it names, below the state folder.
///
///     STATE/etc%2Fcontainerd%2Fconfig.toml/record.json
///                                          3-0.original  3-0.applied  3-0.previous
///
/// The record is replaced in one step and only names copies that are synced already; copies are never
/// overwritten. A lock on the folder keeps two runs apart.
final class StateStore {
    enum Fault: Error, Equatable {
        case busy
        case unreadable(String)
        case write(path: String, WriteFault)
    }

    let folder: String
    private var lock: Int32 = -1

    init(directory: String, config: String) {
        let name = Self.percentEncoded(Path.clean(config).dropFirst())
        folder = Path.join(directory, String(name.suffix(200)))
    }

    /// One path component for a whole path: all but what may stand in one (RFC 3986 section 3.3) is `%XX`.
    private static func percentEncoded(_ path: Substring) -> String {
        let digits = Array("0123456789ABCDEF")
        return path.utf8.reduce(into: "") { text, byte in
            let isPlain = byte < 0x80 && (Self.plain.contains(byte) || Character(UnicodeScalar(byte)).isLetter)
            text += isPlain ? "\(UnicodeScalar(byte))" : "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
        }
    }

    private static let plain = Set("!$&'()*+,-.0123456789:=@_~".utf8)

    /// A folder that is there already.
    init(folder: String) {
        self.folder = folder
    }

    deinit {
        if lock >= 0 { close(lock) }
    }

    private static let lockWaitMillis = 1000

    /// Held until this object goes.
    ///
    /// Waits for a moment: a run that was killed while it started another program leaves the lock to that one until it
    /// has closed what it inherited.
    ///
    /// Makes the state folder, which only its owner may read: configuration can hold passwords.
    func acquire() throws(Fault) {
        do throws(WriteFault) {
            _ = try FileWriter.makeFolders(folder, mode: 0o700)
        } catch {
            throw .write(path: folder, error)
        }
        let path = Path.join(folder, "lock")
        lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw .write(path: path, .system(errno)) }
        for _ in 0..<(Self.lockWaitMillis / 20) {
            if flock(lock, LOCK_EX | LOCK_NB) == 0 { return }
            usleep(20_000)
        }
        throw .busy
    }

    func load() throws(Fault) -> (record: StateRecord, files: [StateFile])? {
        let path = Path.join(folder, "record.json")
        let bytes: [UInt8]
        switch DiskTree().read(path) {
        case .success(let content): bytes = content
        case .failure(.missing): return nil
        case .failure(let fault): throw .unreadable("\(path) \(fault.sentence)")
        }
        let record: StateRecord
        do {
            record = try JSONDecoder().decode(StateRecord.self, from: Data(bytes))
        } catch {
            throw .unreadable("\(path) is damaged")
        }
        guard record.format == 1 else { throw .unreadable("\(path) was written by a newer version") }
        var files: [StateFile] = []
        for entry in record.entries {
            files.append(
                StateFile(
                    path: entry.path,
                    original: try copy(entry.original),
                    applied: try copy(entry.applied),
                    previous: try copy(entry.previous)
                )
            )
        }
        return (record, files)
    }

    private func copy(_ name: String?) throws(Fault) -> [UInt8]? {
        guard let name else { return nil }
        guard !name.contains("/") else { throw .unreadable("\(folder)/record.json is damaged") }
        switch DiskTree().read(Path.join(folder, name)) {
        case .success(let bytes): return bytes
        case .failure(let fault): throw .unreadable("\(Path.join(folder, name)) \(fault.sentence)")
        }
    }

    /// Saves copies and a record that names them, stage `prepared`, before any file is touched.
    func prepare(_ record: StateRecord, files: [StateFile]) throws(Fault) -> StateRecord {
        var record = record
        record.stage = .prepared
        record.entries = []
        for (number, file) in files.enumerated() {
            let stem = "\(record.generation)-\(number)"
            record.entries.append(
                StateRecord.Entry(
                    path: file.path,
                    original: try save(file.original, stem + ".original"),
                    applied: try save(file.applied, stem + ".applied"),
                    previous: try save(file.previous, stem + ".previous")
                )
            )
        }
        try store(record)
        return record
    }

    private func save(_ bytes: [UInt8]?, _ name: String) throws(Fault) -> String? {
        guard let bytes else { return nil }
        let path = Path.join(folder, name)
        do throws(WriteFault) {
            try FileWriter.fill(path, bytes, like: nil, mode: 0o600)
        } catch {
            throw .write(path: path, error)
        }
        return name
    }

    /// Replaces the record in one step and removes the copies that it does not name.
    func store(_ record: StateRecord) throws(Fault) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let path = Path.join(folder, "record.json")
        // Encoding plain values cannot fail.
        guard let data = try? encoder.encode(record) else {
            preconditionFailure("a record is plain text and numbers")
        }
        do throws(WriteFault) {
            try FileWriter.fill(path + ".new", Array(data), like: nil, mode: 0o600)
            guard rename(path + ".new", path) == 0 else { throw .system(errno) }
            try FileWriter.syncFolder(folder)
        } catch {
            throw .write(path: path, error)
        }
        guard record.stage == .applied else { return }
        removeCopies(
            except: Set(record.entries.flatMap { [$0.original, $0.applied, $0.previous].compactMap(\.self) })
        )
    }

    private static let rejectedPrefix = "rejected-"

    /// Keeps what somebody else wrote and a rollback had to replace; returns the copy's path.
    func keepRejected(_ bytes: [UInt8], of path: String, generation: Int) throws(Fault) -> String {
        let name = "\(Self.rejectedPrefix)\(generation)-\(Path.name(path))"
        _ = try save(bytes, name)
        return Path.join(folder, name)
    }

    /// Forgets everything; the record goes first.
    func clear() throws(Fault) {
        let path = Path.join(folder, "record.json")
        guard unlink(path) == 0 || errno == ENOENT else { throw .write(path: path, .system(errno)) }
        removeCopies(except: [])
    }

    private func removeCopies(except kept: Set<String>) {
        // A copy that stays does no harm.
        for name in (try? DiskTree().names(in: folder).get()) ?? []
        where !kept.contains(name) && name != "record.json" && name != "lock"
            && !name.hasPrefix(Self.rejectedPrefix)
        {
            unlink(Path.join(folder, name))
        }
    }
}
