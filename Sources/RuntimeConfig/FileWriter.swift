import CLinux
import Glibc

/// Why a file could not be written; it is as it was.
package enum WriteFault: Error, Equatable, Sendable {
    /// Somebody changed the file after it was read.
    case changedMeanwhile
    /// Somebody changed the old file and the new one at the same moment; the latter is at `kept`.
    case changedTwice(kept: String)
    /// No one may write it, not even its owner: somebody meant it to stay.
    case readOnly
    /// It belongs to neither root nor this user.
    case foreignOwner(UInt32)
    case danglingLink
    case notAFile
    /// Any other cause, by its `errno`.
    case system(Int32)

    var sentence: String {
        switch self {
        case .changedMeanwhile: "was changed by another program while this one worked"
        case .changedTwice(let kept):
            "was changed twice by another program while this one worked; its later version is in \(kept)"
        case .readOnly: "is read-only (chmod u+w makes it writable)"
        case .foreignOwner(let user): "belongs to user \(user), which is neither root nor you"
        case .danglingLink: "is a symbolic link that leads nowhere"
        case .notAFile: "is not a regular file"
        case .system(let code): "cannot be written: \(String(cString: strerror(code)))"
        }
    }

    /// What makes `path` writable; empty where the sentence says it all.
    func remedy(_ path: String) -> String {
        switch self {
        case .foreignOwner: "chown root \(path), if it is yours to decide"
        case .danglingLink: "make the file it leads to, or remove the link"
        case .system(EROFS): "its file system is read-only: remount it, or set this where the node's image is built"
        case .system(ENOSPC), .system(EDQUOT): "free some space there, then run the command again"
        case .system(EPERM): "lsattr shows whether it or its folder is immutable; chattr -i takes that off"
        case .changedTwice(let kept): "put what is missing from \(kept) into \(path), then run the command again"
        case .changedMeanwhile, .readOnly, .notAFile, .system: ""
        }
    }
}

/// Replaces files so that every reader, and a machine that stops at any moment, finds either all old bytes or
/// all new ones.
///
/// The new file is made beside the old one under a name that no `*.toml` pattern matches, gets its owner,
/// mode and attributes, is synced, and then changes places with it in one step. What came back is compared
/// with what was read: if somebody wrote in between, the two change back.
enum FileWriter {
    /// Throws what `write` would throw for reasons that can be known before.
    ///
    /// Changes nothing.
    static func check(_ path: String, isRemoved: Bool) throws(WriteFault) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            guard errno == ENOENT else { throw .system(errno) }
            return try checkNewFile(path)
        }
        let target = try resolve(path)
        guard stat(target, &status) == 0 else { throw .system(errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile }
        guard status.st_uid == 0 || status.st_uid == geteuid() else { throw .foreignOwner(status.st_uid) }
        guard status.st_mode & S_IWUSR != 0 else { throw .readOnly }
        // Opened only to be told of a read-only file system or an immutable file.
        let file = open(target, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw .system(errno) }
        close(file)
        guard access(Path.directory(target), W_OK | X_OK) == 0 else { throw .system(errno) }
    }

    private static func checkNewFile(_ path: String) throws(WriteFault) {
        var directory = Path.directory(path)
        while access(directory, F_OK) != 0, errno == ENOENT, directory != "/", directory != "." {
            directory = Path.directory(directory)
        }
        var status = stat()
        guard stat(directory, &status) == 0 else { throw .system(errno) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw .system(ENOTDIR) }
        guard access(directory, W_OK | X_OK) == 0 else { throw .system(errno) }
    }

    /// Replaces `before` by `after`; `nil` stands for no file.
    ///
    /// Missing folders are made.
    static func write(_ path: String, before: [UInt8]?, after: [UInt8]?) throws(WriteFault) {
        switch (before, after) {
        case (nil, nil): break
        case (nil, let after?): try create(path, after)
        case (let before?, nil): try remove(path, before: before)
        case (let before?, let after?): try replace(try resolve(path), before: before, after: after)
        }
    }

    /// A link is written through: it stays, and its target changes.
    private static func resolve(_ path: String) throws(WriteFault) -> String {
        guard let real = realpath(path, nil) else { throw errno == ENOENT ? .danglingLink : .system(errno) }
        defer { free(real) }
        return String(cString: real)
    }

    static func temporary(_ path: String) -> String {
        Path.join(Path.directory(path), "." + Path.name(path) + ".hawker-new")
    }

    private static func create(_ path: String, _ bytes: [UInt8]) throws(WriteFault) {
        let made = try makeFolders(Path.directory(path))
        let temporary = temporary(path)
        do throws(WriteFault) {
            try fill(temporary, bytes, like: nil)
            let result = clinux_rename_new(AT_FDCWD, temporary, AT_FDCWD, path)
            if result < 0 { throw result == -EEXIST ? .changedMeanwhile : .system(-result) }
        } catch {
            unlink(temporary)
            for folder in made.reversed() { rmdir(folder) }
            throw error
        }
        try syncFolder(Path.directory(path))
    }

    private static func replace(_ path: String, before: [UInt8], after: [UInt8]) throws(WriteFault) {
        let temporary = temporary(path)
        let old = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard old >= 0 else { throw errno == ENOENT ? .changedMeanwhile : .system(errno) }
        defer { close(old) }
        do throws(WriteFault) {
            guard !hasWriter(old), try bytes(of: path) == before else { throw .changedMeanwhile }
            try fill(temporary, after, like: old)
            try exchange(temporary, path, before: before, after: after, old: old)
        } catch {
            unlink(temporary)
            throw error
        }
        try syncFolder(Path.directory(path))
        unlink(temporary)
    }

    /// `old` is the file at `path`, opened for reading.
    ///
    /// Both names change places at once, so that a program that was faster is found out afterwards, and what it wrote
    /// gets its name back before it can be missed.
    private static func exchange(
        _ temporary: String, _ path: String, before: [UInt8], after: [UInt8], old: Int32
    ) throws(WriteFault) {
        let result = clinux_rename_exchange(AT_FDCWD, temporary, AT_FDCWD, path)
        if result == -EINVAL || result == -ENOSYS {
            // A file system without the exchange: look once more, then rename over it.
            guard !hasWriter(old), try bytes(of: path) == before else { throw .changedMeanwhile }
            guard rename(temporary, path) == 0 else { throw .system(errno) }
            return
        }
        if result < 0 { throw .system(-result) }
        // Without a writer now there is never one again, for the name is gone. Unreadable counts as changed.
        if clinux_has_writer(old) != 1, (try? bytes(of: temporary)) == before { return }
        let back = clinux_rename_exchange(AT_FDCWD, temporary, AT_FDCWD, path)
        if back < 0 { throw .system(-back) }
        try keepSecondEdit(temporary, path, after)
        throw .changedMeanwhile
    }

    /// While our file had the name somebody may have opened and changed it: then there are two edits, and both stay.
    private static func keepSecondEdit(_ temporary: String, _ path: String, _ after: [UInt8])
        throws(WriteFault)
    {
        let new = open(temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        defer { if new >= 0 { close(new) } }
        // Unreadable counts as changed.
        if new >= 0, !hasWriter(new), (try? bytes(of: temporary)) == after { return }
        for number in 1...100 {
            let kept = "\(path).hawker-kept-\(number)"
            let result = clinux_rename_new(AT_FDCWD, temporary, AT_FDCWD, kept)
            if result >= 0 { throw .changedTwice(kept: kept) }
            if result != -EEXIST { throw .system(-result) }
        }
        throw .changedTwice(kept: temporary)
    }

    private static let writerWaitMillis = 500

    /// Whether a program still holds the file open for writing after a moment.
    private static func hasWriter(_ file: Int32) -> Bool {
        for _ in 0..<(writerWaitMillis / 5) {
            // A file system that cannot tell (an error) leaves the comparison of bytes.
            if clinux_has_writer(file) != 1 { return false }
            usleep(5000)
        }
        return true
    }

    private static func remove(_ path: String, before: [UInt8]) throws(WriteFault) {
        guard try bytes(of: path) == before else { throw .changedMeanwhile }
        let temporary = temporary(path)
        unlink(temporary)
        guard rename(path, temporary) == 0 else { throw .system(errno) }
        let old = open(temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        defer { if old >= 0 { close(old) } }
        // Unreadable counts as changed.
        guard old >= 0, !hasWriter(old), (try? bytes(of: temporary)) == before else {
            // Not over a file that somebody made at the old place since.
            let result = clinux_rename_new(AT_FDCWD, temporary, AT_FDCWD, path)
            if result < 0, result != -EEXIST { throw .system(-result) }
            throw .changedMeanwhile
        }
        unlink(temporary)
        try syncFolder(Path.directory(path))
    }

    private static func bytes(of path: String) throws(WriteFault) -> [UInt8] {
        switch DiskTree().read(path) {
        case .success(let bytes): return bytes
        case .failure(.missing): throw .changedMeanwhile
        case .failure(.system(let code)): throw .system(code)
        case .failure: throw .notAFile
        }
    }

    /// Writes and syncs a new file.
    ///
    /// `old` gives its owner, mode and attributes; without it the mode is 0644.
    static func fill(_ path: String, _ bytes: [UInt8], like old: Int32?, mode: mode_t = 0o644)
        throws(WriteFault)
    {
        unlink(path)  // What a run that was killed left behind.
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .system(errno) }
        defer { close(file) }
        var offset = 0
        while offset < bytes.count {
            let written = bytes[offset...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw .system(errno) }
            offset += written
        }
        var status = stat()
        if let old {
            guard fstat(old, &status) == 0 else { throw .system(errno) }
            guard fchown(file, status.st_uid, status.st_gid) == 0 else { throw .system(errno) }
            let copied = clinux_copy_attributes(old, file)
            if copied < 0 { throw .system(-copied) }
        }
        guard fchmod(file, old == nil ? mode : status.st_mode & 0o7777) == 0 else { throw .system(errno) }
        guard fsync(file) == 0 else { throw .system(errno) }
    }

    /// The folders that `makeFolders` would make, outermost first.
    static func missingFolders(_ directory: String) -> [String] {
        var missing: [String] = []
        var folder = directory
        while access(folder, F_OK) != 0, errno == ENOENT, folder != "/", folder != "." {
            missing.append(folder)
            folder = Path.directory(folder)
        }
        return missing.reversed()
    }

    /// Removes what a run that was killed may have left beside `path`.
    static func removeLeftover(_ path: String) {
        unlink(temporary(path))
        // A link's target has its new file beside it; where there is no target, nothing was written.
        if let target = try? resolve(path) { unlink(temporary(target)) }
    }

    /// Makes the missing folders of `directory` and returns them, outermost first.
    static func makeFolders(_ directory: String, mode: mode_t = 0o755) throws(WriteFault) -> [String] {
        let missing = missingFolders(directory)
        var made: [String] = []
        for folder in missing {
            guard mkdir(folder, mode) == 0 || errno == EEXIST else {
                let code = errno
                for folder in made.reversed() { rmdir(folder) }
                throw .system(code)
            }
            chmod(folder, mode)
            made.append(folder)
            try syncFolder(Path.directory(folder))
        }
        return made
    }

    static func syncFolder(_ path: String) throws(WriteFault) {
        let result = clinux_sync_folder(path)
        if result < 0 { throw .system(-result) }
    }
}
