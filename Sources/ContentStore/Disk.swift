import CLinux
import Glibc
import PieceModel

/// The calls that change the disk, so that a test can make any one of them fail.
///
/// Each returns what the system call returns, except that a failure is its negative errno.
struct Disk: Sendable {
    var write: @Sendable (_ file: Int32, _ bytes: UnsafeRawBufferPointer, _ offset: Int64) -> Int
    /// Has the kernel begin to write these bytes to the disk, without waiting for it; advice that may be ignored.
    var beginWriting: @Sendable (_ file: Int32, _ offset: Int64, _ count: Int64) -> Void
    var synchronize: @Sendable (_ file: Int32) -> Int32
    var allocate: @Sendable (_ file: Int32, _ bytes: Int64) -> Int32
    var rename: @Sendable (_ folder: Int32, _ name: String, _ newFolder: Int32, _ newName: String) -> Int32
    var remove: @Sendable (_ folder: Int32, _ name: String) -> Int32
    /// Gives an open file one more name.
    var link: @Sendable (_ file: Int32, _ folder: Int32, _ name: String) -> Int32
    /// Bytes an unprivileged user may still take on the file's volume.
    var freeBytes: @Sendable (_ file: Int32) -> Int64

    static let system = Disk(
        write: { file, bytes, offset in
            let count = pwrite(file, bytes.baseAddress, bytes.count, off_t(offset))
            return count < 0 ? -Int(errno) : count
        },
        beginWriting: { _ = clinux_begin_writing($0, $1, $2) },
        synchronize: { fsync($0) == 0 ? 0 : -errno },
        // Writes zeros itself on a file system without fallocate(2), so that the space is ours either way. In memory
        // each page would be taken before the first byte comes, 0.1 s for a GiB: there the ledger's look at what is
        // free has to do.
        allocate: { file, bytes in
            guard clinux_in_memory(file) else { return -posix_fallocate(file, 0, off_t(bytes)) }
            return ftruncate(file, off_t(bytes)) == 0 ? 0 : -errno
        },
        rename: { renameat($0, $1, $2, $3) == 0 ? 0 : -errno },
        remove: { unlinkat($0, $1, 0) == 0 ? 0 : -errno },
        // Through /proc, because AT_EMPTY_PATH needs a capability (linkat(2)).
        link: { linkat(AT_FDCWD, "/proc/self/fd/\($0)", $1, $2, AT_SYMLINK_FOLLOW) == 0 ? 0 : -errno },
        freeBytes: { file in
            var volume = statvfs()
            guard fstatvfs(file, &volume) == 0 else { return -Int64(errno) }
            let (bytes, tooMany) = UInt64(volume.f_bavail).multipliedReportingOverflow(
                by: UInt64(volume.f_frsize)
            )
            return tooMany ? .max : Int64(clamping: bytes)
        }
    )
}

extension Disk {
    func writeAll(_ file: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(StoreError) {
        var written = 0
        while written < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
            let count = write(file, rest, offset + Int64(written))
            if count == -Int(EINTR) { continue }
            // Zero for a non-empty write is no error to the system, but it would loop for ever here.
            guard count != 0 else { throw .io(.write, code: EIO) }
            guard count > 0 else { throw .system(.write, Int32(-count)) }
            written += count
        }
    }

    func writeAll(_ file: Int32, _ bytes: [UInt8], at offset: Int64) throws(StoreError) {
        // `withUnsafeBytes` rethrows untyped, so the error takes the way out as a value.
        let result = bytes.withUnsafeBytes { bytes in
            Result { () throws(StoreError) in try writeAll(file, bytes, at: offset) }
        }
        try result.get()
    }

    /// Shows `body` the bytes of a range of the file, in order, some at a time; a file that ends before that is `EIO`,
    /// because its size was known.
    static func scan(
        _ file: Int32,
        from offset: Int64,
        count: Int64,
        _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(StoreError) {
        // Small enough to stay in the processor's cache, and in memory that malloc does not give back each time.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: scanBytes, alignment: 64)
        defer { buffer.deallocate() }
        var done: Int64 = 0
        while done < count {
            let room = Int(min(Int64(buffer.count), count - done))
            let got = pread(file, buffer.baseAddress, room, off_t(offset + done))
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw .io(.read, code: got == 0 ? EIO : errno) }
            body(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
            done += Int64(got)
        }
    }

    /// The same for a piece.
    static func scan(
        _ file: Int32, _ piece: PieceIndex, of layout: PieceLayout, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(StoreError) {
        try scan(file, from: layout.start(of: piece), count: Int64(layout.byteCount(of: piece)), body)
    }

    private static let scanBytes = 32 << 10

    /// At most `count` bytes: fewer when the file ends before.
    static func read(_ file: Int32, count: Int, at offset: Int64) throws(StoreError) -> [UInt8] {
        var failure: StoreError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            while initialized < count {
                let rest = UnsafeMutableBufferPointer(rebasing: buffer[initialized...])
                let got = pread(file, rest.baseAddress, rest.count, off_t(offset + Int64(initialized)))
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = .io(.read, code: errno) }
                guard got > 0 else { return }
                initialized += got
            }
        }
        if let failure { throw failure }
        return bytes
    }

    func synchronizeFile(_ file: Int32) throws(StoreError) {
        let result = synchronize(file)
        guard result == 0 else { throw .system(.synchronize, -result) }
    }

    func allocateFile(_ file: Int32, bytes: Int64) throws(StoreError) {
        while true {
            let result = allocate(file, bytes)
            if result == 0 { return }
            if result != -EINTR { throw .system(.allocate, -result) }
        }
    }

    func renameFile(
        _ name: String,
        in folder: Int32,
        to newName: String,
        in newFolder: Int32
    ) throws(StoreError) {
        let result = rename(folder, name, newFolder, newName)
        guard result == 0 else { throw .system(.rename, -result) }
    }

    func linkFile(_ file: Int32, _ name: String, in folder: Int32) throws(StoreError) {
        let result = link(file, folder, name)
        guard result == 0 else { throw .system(.link, -result) }
    }

    /// Returns whether there was such a file.
    @discardableResult
    func removeFile(_ name: String, in folder: Int32) throws(StoreError) -> Bool {
        let result = remove(folder, name)
        guard result == 0 || result == -ENOENT else { throw .system(.remove, -result) }
        return result == 0
    }
}

/// An open file, closed when the last reference goes.
final class Descriptor: Sendable {
    let number: Int32

    private init(owning number: Int32) { self.number = number }

    deinit { close(number) }

    /// Never follows a symbolic link in the last component, never survives an exec.
    ///
    /// `nil` when there is no such file.
    static func open(
        _ name: String,
        in folder: Int32 = AT_FDCWD,
        _ flags: Int32,
        mode: mode_t = 0o600
    ) throws(StoreError) -> Descriptor? {
        while true {
            let number = openat(folder, name, flags | O_CLOEXEC | O_NOFOLLOW, mode)
            if number >= 0 { return Descriptor(owning: number) }
            let code = errno
            if code == EINTR { continue }
            if code == ENOENT { return nil }
            throw .system(flags & O_CREAT != 0 ? .create : .open, code)
        }
    }

    static func create(_ name: String, in folder: Int32) throws(StoreError) -> Descriptor {
        guard let file = try open(name, in: folder, O_RDWR | O_CREAT | O_EXCL) else {
            throw .io(.create, code: ENOENT)
        }
        return file
    }

    func status() throws(StoreError) -> stat {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw .system(.examine, errno) }
        return status
    }
}

extension stat {
    var isRegularFile: Bool { st_mode & S_IFMT == S_IFREG }
}
