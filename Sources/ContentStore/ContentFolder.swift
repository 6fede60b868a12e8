import Glibc
import OCIModel

/// The folder on disk, checked and locked.
///
///     .hawker-content            says that Hawker made the folder, and its format
///     .hawker-content.lock       locked by the process that has it open
///     blobs/sha256/ab/abcd…      complete, verified, read-only; the name is the digest's hex
///     partial/abcd….data         a blob being fetched, at its full size
///     partial/abcd….journal      which of its pieces are there (`Journal`)
///     tmp/                       small files on their way to `blobs`; emptied at start
///     catalogue.sqlite           what files cannot say (`Catalogue`)
///
/// Every folder on the way is opened without following links and must belong to this user alone, so a path
/// can only lead where it seems to.
final class ContentFolder: Sendable {
    let path: String
    let root: Descriptor
    let blobs: Descriptor
    let partials: Descriptor
    let temporary: Descriptor
    private let lockFile: Descriptor
    private let disk: Disk

    static let markerName = ".hawker-content"
    private static let markerText = "hawker content 1\n"

    /// Makes the folder and its missing parents when there is none, takes the lock, empties `tmp`.
    init(path: String, disk: Disk) throws(StoreError) {
        self.path = path
        self.disk = disk
        root = try Self.openRoot(path)
        try Self.refuseForeignContent(root, path: path)
        lockFile = try Self.takeLock(root, path: path)
        try Self.mark(root, path: path, disk: disk)
        let outer = try Self.folder("blobs", in: root, path: path, disk: disk)
        blobs = try Self.folder("sha256", in: outer, path: path + "/blobs", disk: disk)
        partials = try Self.folder("partial", in: root, path: path, disk: disk)
        temporary = try Self.folder("tmp", in: root, path: path, disk: disk)
        for name in try Self.entries(of: temporary) { try disk.removeFile(name, in: temporary.number) }
    }

    /// Lets another process open the folder.
    func unlock() {
        flock(lockFile.number, LOCK_UN)
    }

    /// The folder of the blobs whose names begin like this one's; made when missing.
    func shard(of digest: Digest) throws(StoreError) -> Descriptor {
        try Self.folder(String(digest.hex.prefix(2)), in: blobs, path: path + "/blobs/sha256", disk: disk)
    }

    /// The same for reading: `nil` when there is no such folder.
    func existingShard(named name: String) throws(StoreError) -> Descriptor? {
        try Descriptor.open(name, in: blobs.number, O_RDONLY | O_DIRECTORY)
    }

    /// Names in a folder, without `.` and `..`, in no order.
    static func entries(of folder: Descriptor) throws(StoreError) -> [String] {
        guard let copy = try Descriptor.open(".", in: folder.number, O_RDONLY | O_DIRECTORY) else {
            return []
        }
        let number = dup(copy.number)
        guard number >= 0 else { throw .system(.list, errno) }
        guard let stream = fdopendir(number) else {
            let code = errno
            close(number)
            throw .system(.list, code)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw .system(.list, errno) }
                return names
            }
            // The record is only as long as its name: reading `d_name` as the tuple it is declared as could
            // leave the buffer.
            let offset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
            let name = String(cString: (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self))
            if name != ".", name != ".." { names.append(name) }
        }
    }
}

// MARK: - Opening

extension ContentFolder {
    private static func openRoot(_ path: String) throws(StoreError) -> Descriptor {
        var status = stat()
        if lstat(path, &status) != 0 {
            guard errno == ENOENT else { throw .system(.examine, errno) }
            try makeParents(of: path)
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .system(.create, errno) }
        } else if status.st_mode & S_IFMT == S_IFLNK {
            throw .folderRefused(path: path, .symbolicLink)
        } else if status.st_mode & S_IFMT != S_IFDIR {
            throw .folderRefused(path: path, .notAFolder)
        }
        guard let root = try Descriptor.open(path, O_RDONLY | O_DIRECTORY) else {
            throw .io(.open, code: ENOENT)
        }
        try refuseUnsafe(root, path: path)
        return root
    }

    private static func makeParents(of path: String) throws(StoreError) {
        var parent = ""
        for component in path.split(separator: "/", omittingEmptySubsequences: false).dropLast() {
            parent += component + "/"
            if component.isEmpty { continue }
            guard mkdir(parent, 0o755) == 0 || errno == EEXIST else { throw .system(.create, errno) }
        }
    }

    private static func refuseUnsafe(_ folder: Descriptor, path: String) throws(StoreError) {
        let status = try folder.status()
        guard status.st_uid == geteuid() else {
            throw .folderRefused(path: path, .foreignOwner(user: status.st_uid))
        }
        guard status.st_mode & 0o022 == 0 else {
            throw .folderRefused(path: path, .writableByOthers(mode: status.st_mode & 0o7777))
        }
    }

    /// A folder is ours when it has the marker, and may become ours when it is empty.
    ///
    /// Files that begin like the marker are left by a start that was cut short, `lost+found` by mkfs.
    private static func refuseForeignContent(_ root: Descriptor, path: String) throws(StoreError) {
        if try Descriptor.open(markerName, in: root.number, O_RDONLY) != nil { return }
        let foreign = try entries(of: root).filter { !$0.hasPrefix(markerName) && $0 != "lost+found" }
        guard foreign.isEmpty else { throw .folderRefused(path: path, .notOurs) }
    }

    private static func takeLock(_ root: Descriptor, path: String) throws(StoreError) -> Descriptor {
        guard let file = try Descriptor.open(markerName + ".lock", in: root.number, O_RDWR | O_CREAT) else {
            throw .io(.create, code: ENOENT)
        }
        guard flock(file.number, LOCK_EX | LOCK_NB) == 0 else {
            if errno == EWOULDBLOCK { throw .folderInUse(path: path) }
            throw .system(.lock, errno)
        }
        return file
    }

    private static func mark(_ root: Descriptor, path: String, disk: Disk) throws(StoreError) {
        if let marker = try Descriptor.open(markerName, in: root.number, O_RDONLY) {
            let text = try Disk.read(marker.number, count: 256, at: 0)
            guard text == Array(markerText.utf8) else { throw .folderRefused(path: path, .unknownVersion) }
            return
        }
        let draft = markerName + ".new"
        try disk.removeFile(draft, in: root.number)
        let file = try Descriptor.create(draft, in: root.number)
        try disk.writeAll(file.number, Array(markerText.utf8), at: 0)
        try disk.synchronizeFile(file.number)
        try disk.renameFile(draft, in: root.number, to: markerName, in: root.number)
        try disk.synchronizeFile(root.number)
    }

    /// Opens a folder inside ours; makes it, durably, when there is none.
    private static func folder(
        _ name: String,
        in parent: Descriptor,
        path: String,
        disk: Disk
    ) throws(StoreError) -> Descriptor {
        let flags = O_RDONLY | O_DIRECTORY
        if let folder = try openFolder(name, in: parent, path: path, flags) { return folder }
        guard mkdirat(parent.number, name, 0o700) == 0 || errno == EEXIST else {
            throw .system(.create, errno)
        }
        try disk.synchronizeFile(parent.number)
        guard let folder = try openFolder(name, in: parent, path: path, flags) else {
            throw .io(.open, code: ENOENT)
        }
        return folder
    }

    private static func openFolder(
        _ name: String,
        in parent: Descriptor,
        path: String,
        _ flags: Int32
    ) throws(StoreError) -> Descriptor? {
        do {
            guard let folder = try Descriptor.open(name, in: parent.number, flags) else { return nil }
            try refuseUnsafe(folder, path: path + "/" + name)
            return folder
        } catch .io(.open, ELOOP) {
            throw .folderRefused(path: path + "/" + name, .symbolicLink)
        } catch .io(.open, ENOTDIR) {
            // With O_DIRECTORY and O_NOFOLLOW Linux answers so for a link, too.
            var status = stat()
            let isLink =
                fstatat(parent.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0
                && status.st_mode & S_IFMT == S_IFLNK
            throw .folderRefused(path: path + "/" + name, isLink ? .symbolicLink : .notAFolder)
        }
    }
}
