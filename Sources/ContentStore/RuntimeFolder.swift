import Glibc
import OCIModel

/// containerd's folder of committed blobs, `blobs/sha256` of its content store, opened for reading only.
///
/// containerd writes a blob below `ingest/` and renames it to here when it is whole (`writer.Commit` of its local
/// content store), so what is partial never has a name here. Files and folder count only if nobody but root and this
/// user can write to them: what was hashed once is then what is read later.
final class RuntimeFolder: Sendable {
    /// Tells a file from another under the same name, and from itself after a write.
    ///
    /// Without the time of the last change of state: a link to the file, such as `ContentStore.shareNext` makes,
    /// moves that, too.
    struct FileIdentity: Equatable, Sendable {
        let device: UInt64
        let inode: UInt64
        let bytes: Int64
        let modifiedSeconds: Int
        let modifiedNanoseconds: Int
    }

    /// A blob's file, whatever its bytes are.
    struct OpenedFile: Sendable {
        let file: Descriptor
        let identity: FileIdentity
    }

    let path: String
    private let folder: Descriptor

    /// Blobs beyond are not seen.
    private static let blobsMax = 100_000

    init(path: String) throws(RuntimeStoreProblem) {
        self.path = path
        let opened: Descriptor?
        let status: stat?
        do throws(StoreError) {
            opened = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
            status = try opened?.status()
        } catch {
            throw .unreadable(path: path, code: error.systemCode)
        }
        guard let opened, let status else { throw .missing(path: path) }
        guard status.isOnlyOurs else { throw .unsafe(path: path) }
        folder = opened
    }

    /// Changes with every blob that comes or goes; `nil` when the folder is no longer the one at `path`, or cannot
    /// be told.
    var modified: timespec? {
        var there = stat()
        guard let here = try? folder.status(),  // A folder that cannot be examined is as good as gone.
            fstatat(AT_FDCWD, path, &there, AT_SYMLINK_NOFOLLOW) == 0,
            there.st_dev == here.st_dev, there.st_ino == here.st_ino
        else { return nil }
        return here.st_mtim
    }

    /// The blobs that are there, with their sizes; those of `known` are not examined again.
    func list(known: [Digest: Int64]) throws(RuntimeStoreProblem) -> [Digest: Int64] {
        let names: [String]
        do throws(StoreError) {
            names = try ContentFolder.entries(of: folder)
        } catch {
            throw .unreadable(path: path, code: error.systemCode)
        }
        var blobs: [Digest: Int64] = [:]
        for name in names where blobs.count < Self.blobsMax {
            guard let digest = Digest(hex: name) else { continue }
            if let bytes = known[digest] {
                blobs[digest] = bytes
                continue
            }
            var status = stat()
            guard fstatat(folder.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.isRegularFile,
                status.st_size > 0
            else { continue }
            blobs[digest] = Int64(status.st_size)
        }
        return blobs
    }

    /// `nil` when there is no such blob, or nothing that may be taken for one.
    func open(_ digest: Digest) throws(StoreError) -> OpenedFile? {
        // Without waiting for what may be no file at all.
        guard let file = try Descriptor.open(digest.hex, in: folder.number, O_RDONLY | O_NONBLOCK) else { return nil }
        let status = try file.status()
        guard status.isRegularFile, status.isOnlyOurs, status.st_size > 0 else { return nil }
        return OpenedFile(file: file, identity: FileIdentity(status))
    }
}

/// Why the runtime's blobs cannot be seen.
package enum RuntimeStoreProblem: Error, Equatable, Sendable, CustomStringConvertible {
    /// As long as containerd has no blob, it has no folder for them.
    case missing(path: String)
    case unreadable(path: String, code: Int32)
    case unsafe(path: String)

    package var description: String {
        switch self {
        case .missing(let path): "there is no \(path)"
        case .unreadable(let path, let code): "\(path) cannot be read: \(String(cString: strerror(code)))"
        case .unsafe(let path): "\(path) is not used: others than root and this user may write to it"
        }
    }
}

extension RuntimeFolder.FileIdentity {
    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        bytes = Int64(status.st_size)
        modifiedSeconds = status.st_mtim.tv_sec
        modifiedNanoseconds = status.st_mtim.tv_nsec
    }
}

extension stat {
    fileprivate var isOnlyOurs: Bool { (st_uid == 0 || st_uid == geteuid()) && st_mode & 0o022 == 0 }
}

extension StoreError {
    /// The errno of a refusal by the system; EIO where there is none.
    fileprivate var systemCode: Int32 {
        if case .io(_, let code) = self { code } else { EIO }
    }
}
