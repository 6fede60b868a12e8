import CLinux
import Glibc

/// Why a file could not be written; it is as it was.
package enum WriteFault: Error, Equatable, Sendable {
    /// Somebody changed the file after it was read.
    case changedMeanwhile
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
        case .readOnly: "is read-only (chmod u+w makes it writable)"
        case .foreignOwner(let user): "belongs to user \(user), which is neither root nor you"
        case .danglingLink: "is a symbolic link that leads nowhere"
        case .notAFile: "is not a regular file"
        case .system(let code): "cannot be written: \(String(cString: strerror(code)))"
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
            guard try bytes(of: path) == before else { throw .changedMeanwhile }
            try fill(temporary, after, like: old)
            try exchange(temporary, path, before: before)
        } catch {
            unlink(temporary)
            throw error
        }
        try syncFolder(Path.directory(path))
        unlink(temporary)
    }

    private static func exchange(_ temporary: String, _ path: String, before: [UInt8]) throws(WriteFault) {
        let result = clinux_rename_exchange(AT_FDCWD, temporary, AT_FDCWD, path)
        if result == -EINVAL || result == -ENOSYS {
            // A file system without the exchange: look once more, then rename over it.
            guard try bytes(of: path) == before else { throw .changedMeanwhile }
            guard rename(temporary, path) == 0 else { throw .system(errno) }
            return
        }
        if result < 0 { throw .system(-result) }
        guard (try? bytes(of: temporary)) != before else { return }  // Unreadable counts as changed.
        let back = clinux_rename_exchange(AT_FDCWD, temporary, AT_FDCWD, path)
        if back < 0 { throw .system(-back) }
        throw .changedMeanwhile
    }

    private static func remove(_ path: String, before: [UInt8]) throws(WriteFault) {
        guard try bytes(of: path) == before else { throw .changedMeanwhile }
        let temporary = temporary(path)
        unlink(temporary)
        guard rename(path, temporary) == 0 else { throw .system(errno) }
        guard (try? bytes(of: temporary)) == before else {  // Unreadable counts as changed.
            rename(temporary, path)
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
