import Glibc
package import OCIModel

/// Why the store could not do what it was asked.
package enum StoreError: Error, Equatable, Sendable {
    /// The folder cannot be used as a cache without endangering what is in it or what will be.
    case folderRefused(path: String, FolderProblem)
    /// Another process has the folder open.
    case folderInUse(path: String)
    /// The space cannot be had: everything else is pinned or being written.
    case quotaExceeded(neededBytes: Int64, quotaBytes: Int64)
    /// Taking the space would leave the volume with less than the floor.
    case freeFloorReached(neededBytes: Int64, freeBytes: Int64, floorBytes: Int64)
    /// The volume is full (ENOSPC) or this user's part of it (EDQUOT).
    case diskFull(FileOperation)
    /// The operating system refused; `code` is its errno.
    case io(FileOperation, code: Int32)
    /// SQLite refused; `code` is its extended result code. Only `setPinned` throws it.
    case catalogue(code: Int32)
    /// The bytes are not those of the digest.
    case digestMismatch(expected: Digest, actual: Digest)
    /// The blob is here; there is nothing to fetch.
    case alreadyWhole(Digest)
    /// Somebody else is fetching this blob.
    case alreadyOpen(Digest)
    case notFound(Digest)
    /// So many pieces are not there.
    case piecesMissing(Int)
    /// The store or the partial blob was closed, abandoned or committed.
    case closed

    package enum FolderProblem: Equatable, Sendable {
        case symbolicLink
        case notAFolder
        case foreignOwner(user: UInt32)
        case writableByOthers(mode: UInt32)
        /// There are files in it, and none says that Hawker made it.
        case notOurs
        /// A later version of Hawker made it.
        case unknownVersion
    }

    package enum FileOperation: String, Equatable, Sendable {
        case allocate, close, create, examine, link, list, lock, open, protect, read, remove, rename,
            synchronize, write
    }

    /// The error for a failed call; a full disk is told apart because freeing space cures it.
    static func system(_ operation: FileOperation, _ code: Int32) -> StoreError {
        code == ENOSPC || code == EDQUOT ? .diskFull(operation) : .io(operation, code: code)
    }
}

extension StoreError: CustomStringConvertible {
    /// One sentence that says what is wrong and, where the operator can do something, what.
    package var description: String {
        switch self {
        case .folderRefused(let path, let problem): problem.sentence(path: path)
        case .folderInUse(let path):
            "another process has the cache folder \(path) open; stop it or give this node its own folder"
        case .quotaExceeded(let needed, let quota):
            """
            \(needed) bytes do not fit in the cache quota of \(quota) bytes; \
            raise the quota or unpin something
            """
        case .freeFloorReached(let needed, let free, let floor):
            """
            \(needed) bytes would leave less than \(floor) of the volume's \(free) free bytes; \
            free some space
            """
        case .diskFull(let operation): "the cache volume is full (\(operation.rawValue)); free some space"
        case .io(let operation, let code):
            "the cache cannot \(operation.rawValue): \(String(cString: strerror(code)))"
        case .catalogue(let code): "the cache catalogue failed with SQLite code \(code)"
        case .digestMismatch(let expected, let actual): "the bytes of \(expected) hash to \(actual)"
        case .alreadyWhole(let digest): "\(digest) is already in the cache"
        case .alreadyOpen(let digest): "\(digest) is already being fetched"
        case .notFound(let digest): "\(digest) is not in the cache"
        case .piecesMissing(let count): "\(count) pieces are missing"
        case .closed: "the cache is closed"
        }
    }
}

extension StoreError.FolderProblem {
    fileprivate func sentence(path: String) -> String {
        switch self {
        case .symbolicLink: "the cache folder \(path) is a symbolic link; name the folder it points to"
        case .notAFolder: "the cache folder \(path) is not a folder; name another path"
        case .foreignOwner(let user):
            """
            the cache folder \(path) belongs to user \(user), not to \(geteuid()); \
            chown it or name another folder
            """
        case .writableByOthers(let mode):
            """
            the cache folder \(path) may be written by others (mode 0\(String(mode, radix: 8))); \
            run: chmod go-w '\(path)'
            """
        case .notOurs:
            """
            the cache folder \(path) holds files and was not made by Hawker; name an empty or a new folder, \
            or empty this one yourself
            """
        case .unknownVersion:
            "the cache folder \(path) was made by a later Hawker; run that version or name another folder"
        }
    }
}
