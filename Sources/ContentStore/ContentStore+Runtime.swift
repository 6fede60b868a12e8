import Glibc
import OCIModel

/// What the runtime's content store adds to this one, and how a blob that is in both takes its space once.
extension ContentStore {
    /// What is seen of the runtime's content store.
    package struct RuntimeUsage: Equatable, Sendable {
        package let blobCount: Int
        package let bytes: Int64
        /// Read from there for the mirror's callers and for peers.
        package let servedBytes: Int64
        /// Why this store cannot have links to the runtime's files; `nil` while none was refused.
        package let sharingProblem: String?
    }

    package var runtimeUsage: RuntimeUsage {
        let listed = runtime.listed
        return RuntimeUsage(
            blobCount: listed.count,
            bytes: listed.values.reduce(0, +),
            servedBytes: runtime.servedBytes,
            sharingProblem: sharing.withLock { $0.problem }
        )
    }

    /// Looks at the runtime's content store in the folder `root`, and serves from now on what is there.
    ///
    /// One call at a time; blocks on the disk.
    package func lookAtRuntime(_ root: String) -> RuntimeLook {
        let look = runtime.look(root)
        refreshShared(look.vanished)
        sharing.withLock { $0.tried.subtract(look.vanished) }
        let orphans = look.vanished.filter { !isCommitted($0) }
        // Their pieces' digests are of no use to anybody.
        quietly { () throws(StoreError) in try catalogue.remove(orphans) }
        return look
    }

    /// Makes one file of the two of one blob that the runtime has as well, if the runtime's bytes are right. Returns
    /// whether it is worth calling again.
    ///
    /// This store's file becomes a link to the runtime's. The runtime's removal of its name then leaves ours; ours
    /// leaves its. Nobody writes to either: this store opens committed blobs for reading only, and containerd never
    /// opens a committed blob again to write. Where there can be no link, this store's file goes, once the runtime has
    /// kept its own for so long that it will not be one of the layers it discards when they are unpacked.
    ///
    /// One call at a time; takes as long as hashing the blob.
    package func shareNext() -> Bool {
        let committed = ledger.withLock { $0.isClosed ? [:] : $0.committed }
        let (isLinking, tried) = sharing.withLock { ($0.problem == nil, $0.tried) }
        let candidates = isLinking ? runtime.listed : runtime.settled(seconds: sharing.withLock { $0.keptSeconds })
        let next = candidates.first { digest, bytes in
            guard let own = committed[digest], !own.isShared, own.bytes == bytes else { return false }
            return isLinking ? !tried.contains(digest) : !own.isPinned && runtime.isGood(digest)
        }?.key
        guard let next else { return false }
        do throws(StoreError) {
            guard isLinking else { return try leave(next) }
            sharing.withLock { _ = $0.tried.insert(next) }
            try share(next)
        } catch .io(.link, let code) where Self.refusals[code] != nil {
            sharing.withLock { $0.problem = Self.refusals[code] }
        } catch {
            // The blob stays as it is: two files instead of one.
            return isLinking
        }
        return true
    }

    struct Sharing {
        /// Blobs that need no second try as long as the runtime has them.
        var tried: Set<Digest> = []
        /// Why there can be no links.
        var problem: String?
        /// The runtime keeps what it has had for so long.
        var keptSeconds: Int64 = 600
    }

    /// Leaves the blob to the runtime; whether it need not be tried again.
    private func leave(_ digest: Digest) throws(StoreError) -> Bool {
        guard runtime.open(digest) != nil else { return !runtime.isGood(digest) }
        let (pieces, states) = (pieceDigests(digest), chainStates(digest))
        guard try remove(digest) else { return false }
        if let pieces { storePieceDigests(digest, pieces) }
        if let states { storeChain(digest, states) }
        return true
    }

    /// What will be no different for the next blob.
    private static let refusals: [Int32: String] = [
        EXDEV: "it is on another file system than the cache, or behind another mount",
        EPERM: "this user may not link to another's files (fs.protected_hardlinks)",
        EACCES: "this user may not link to its files",
        EROFS: "the cache's file system is read-only",
        EOPNOTSUPP: "the file system has no hard links",
    ]

    private func share(_ digest: Digest) throws(StoreError) {
        guard let source = runtime.opened(digest) else { return }
        if try isOwnFile(source.identity, of: digest) {
            ledger.withLock { $0.setShared(digest, true) }
            return
        }
        // The link before the hash: whether it is allowed costs nothing to find out.
        let name = "\(digest.hex).\(UInt64.random(in: .min ... .max))"
        try disk.linkFile(source.file.number, name, in: folder.temporary.number)
        var isPlaced = false
        defer { if !isPlaced { discard([name], in: folder.temporary) } }
        guard runtime.isSound(source, digest) else { return }
        // Ours is safe from a power cut, and what takes its place has to be.
        try disk.synchronizeFile(source.file.number)
        isPlaced = try admission.withLock { () throws(StoreError) in
            guard committed(digest)?.bytes == source.identity.bytes else { return false }
            let shard = try folder.shard(of: digest)
            try disk.renameFile(name, in: folder.temporary.number, to: digest.hex, in: shard.number)
            ledger.withLock { $0.setShared(digest, true) }
            isPlaced = true
            try disk.synchronizeFile(shard.number)
            return true
        }
    }

    private func isOwnFile(
        _ identity: RuntimeFolder.FileIdentity, of digest: Digest
    ) throws(StoreError) -> Bool {
        guard let own = try openFile(of: digest) else { return false }
        return RuntimeFolder.FileIdentity(try own.status()) == identity
    }

    /// Finds out which of the blobs that were shared are so still.
    func refreshShared(_ digests: some Sequence<Digest>) {
        for digest in digests where ledger.withLock({ $0.committed[digest]?.isShared == true }) {
            let file = quietly { () throws(StoreError) in try openFile(of: digest)?.status() } ?? nil
            ledger.withLock { $0.setShared(digest, (file?.st_nlink ?? 1) > 1) }
        }
    }
}
