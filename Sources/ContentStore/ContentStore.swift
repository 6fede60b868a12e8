import Glibc
import Hashing
package import OCIModel
import PieceModel

/// Verified blobs on disk, and those on their way there.
///
/// Files are the truth: a blob is in the store when a complete, synced file has its name (`ContentFolder`).
/// The `Ledger` is the same in memory plus who may go first; the `Catalogue` is what may be lost. A blob
/// becomes visible by one rename after its data are synced, so a kill at any moment leaves it whole or
/// absent.
///
/// All methods may be called from any thread, and all but the ones marked fast may block on the disk. Locks,
/// in the order in which they may be taken: `admission`, a partial blob's own, the catalogue's, the runtime's,
/// the ledger's.
package final class ContentStore: Sendable {
    package struct Options: Sendable {
        /// The folder; made when there is none.
        package var path: String
        /// What blobs and partial blobs may take together.
        ///
        /// Journals and the catalogue, a thousandth of that, are not counted.
        package var quotaBytes: Int64
        /// What stays free on the volume whatever the quota says.
        package var freeFloorBytes: Int64

        package init(path: String, quotaBytes: Int64, freeFloorBytes: Int64) {
            self.path = path
            self.quotaBytes = quotaBytes
            self.freeFloorBytes = freeFloorBytes
        }
    }

    let folder: ContentFolder
    let disk: Disk
    let ledger: Guarded<Ledger>
    let fresh = FreshBytes.Budget()
    let catalogue: Catalogue
    let runtime: RuntimeStore
    let sharing = Guarded(Sharing())
    /// Held while space is made and taken, and while a name changes hands between the ledger and the disk.
    let admission = Lock()
    let freeFloorBytes: Int64

    /// Uses of blobs that may be forgotten when the process is killed.
    private static let touchedMax = 64

    /// Opens the folder, or makes it, and takes up what an earlier process left, however it ended.
    ///
    /// Throws `folderRefused` and `folderInUse`, and what the disk says. Blobs beyond a lowered quota are
    /// evicted.
    package static func open(_ options: Options) throws(StoreError) -> ContentStore {
        try ContentStore(options, disk: .system)
    }

    init(_ options: Options, disk: Disk, runtime: RuntimeStore = RuntimeStore()) throws(StoreError) {
        self.disk = disk
        self.runtime = runtime
        // Above any volume, and far from where arithmetic could overflow.
        freeFloorBytes = min(max(options.freeFloorBytes, 0), 1 << 60)
        folder = try ContentFolder(path: options.path, disk: disk)
        let ledger = Guarded(Ledger(quotaBytes: options.quotaBytes))
        self.ledger = ledger
        catalogue = Catalogue(folder: options.path) {
            ledger.withLock { $0.committed.map { Catalogue.BlobRow(digest: $0.key, entry: $0.value) } }
        }
        try recover()
        try admission.withLock { () throws(StoreError) in
            let excess = ledger.withLock { $0.excess(for: 0) }
            // What is pinned stays even beyond the quota; so does the rest then, until something needs its
            // space.
            if excess > 0 { _ = try evict(bytes: excess, sparing: nil) }
        }
    }

    /// Writes what is only in memory and lets another process open the folder.
    ///
    /// Abandon partial blobs before.
    package func close() {
        guard !ledger.withLock({ $0.isClosed }) else { return }
        flushUses(atLeast: 1)
        ledger.withLock { $0.isClosed = true }
        catalogue.close()
        folder.unlock()
    }

    // MARK: Blobs

    /// What is known about a blob that `openBlob` may have: a committed one, or one of the runtime's.
    ///
    /// Fast.
    package func blob(_ digest: Digest) -> BlobInfo? {
        committed(digest) ?? runtime.bytes(of: digest).map { BlobInfo(ofRuntime: digest, bytes: $0) }
    }

    /// Whether the blob is in this store itself. Fast.
    package func isCommitted(_ digest: Digest) -> Bool { committed(digest) != nil }

    /// Its size, if the blob is in this store itself. Fast.
    package func committedBytes(_ digest: Digest) -> Int64? { committed(digest)?.bytes }

    /// Somebody used the blob without opening it. May block.
    package func noteUse(_ digest: Digest) {
        ledger.withLock { if !$0.isClosed { $0.touch(digest, now: Self.now()) } }
        flushUses(atLeast: Self.touchedMax)
    }

    func committed(_ digest: Digest) -> BlobInfo? {
        ledger.withLock { ledger in ledger.committed[digest].map { BlobInfo(digest, $0) } }
    }

    /// All committed blobs, the last used first.
    ///
    /// Fast.
    package func list() -> [BlobInfo] {
        ledger.withLock { $0.committed }.sorted { $0.value.order > $1.value.order }
            .map { BlobInfo($0.key, $0.value) }
    }

    /// Fast.
    package var usage: Usage {
        ledger.withLock { ledger in
            Usage(
                usedBytes: ledger.usedBytes,
                sharedBytes: ledger.sharedBytes,
                reservedBytes: ledger.reservedBytes,
                quotaBytes: ledger.quotaBytes,
                blobCount: ledger.committed.count,
                evictions: ledger.evictions,
                lastError: ledger.lastError
            )
        }
    }

    /// Opens a committed blob for reading and counts that as a use, or else opens the runtime's; `nil` when neither
    /// store has it.
    ///
    /// The blob may be evicted while it is open: its bytes stay until the last `BlobFile` goes. The first call for
    /// a blob of the runtime's takes as long as hashing it.
    package func openBlob(_ digest: Digest) throws(StoreError) -> BlobFile? {
        try openCommitted(digest) ?? runtime.open(digest)
    }

    func openCommitted(_ digest: Digest) throws(StoreError) -> BlobFile? {
        try noting { () throws(StoreError) in
            guard
                let entry = try ledger.withLock({ ledger throws(StoreError) -> Ledger.Entry? in
                    if ledger.isClosed { throw .closed }
                    ledger.touch(digest, now: Self.now())
                    return ledger.committed[digest]
                })
            else { return nil }
            guard let file = try openFile(of: digest), try file.status().st_size == entry.bytes else {
                // Somebody cut or removed the file behind our back.
                _ = try remove(digest)
                return nil
            }
            flushUses(atLeast: Self.touchedMax)
            return BlobFile(file, bytes: entry.bytes)
        }
    }

    /// Stores a small blob (a manifest, a configuration) that is all in memory.
    ///
    /// Nothing happens when it is there.
    package func commitSmall(_ digest: Digest, bytes: [UInt8]) throws(StoreError) {
        let actual = SHA256Hasher.hash(bytes)
        guard actual == digest else { throw .digestMismatch(expected: digest, actual: actual) }
        try noting { () throws(StoreError) in
            let size = Int64(bytes.count)
            let isNew = try admission.withLock { () throws(StoreError) in
                guard !isCommitted(digest) else { return false }
                try removeIdle(digest)
                try reserve(size, for: digest)
                return true
            }
            guard isNew else { return }
            do throws(StoreError) {
                try writeSmall(digest, bytes)
            } catch {
                ledger.withLock { $0.release(size) }
                throw error
            }
            ledger.withLock { $0.commit(digest, bytes: size, now: Self.now()) }
            saveRow(digest)
        }
    }

    /// Removes a committed blob, pinned or not, or what is left of a partial one; returns whether there was
    /// any.
    ///
    /// A partial blob that is open stays.
    package func remove(_ digest: Digest) throws(StoreError) -> Bool {
        try noting { () throws(StoreError) in
            try admission.withLock { () throws(StoreError) in
                let found = ledger.withLock { ledger in
                    ledger.committed[digest].map { Ledger.Victim(digest: digest, entry: $0, isIdle: false) }
                        ?? ledger.idle[digest].map { Ledger.Victim(digest: digest, entry: $0, isIdle: true) }
                }
                guard let found else { return false }
                ledger.withLock { $0.forget(digest) }
                try removeFiles(of: [found])
                return true
            }
        }
    }

    /// A pinned blob is never evicted.
    ///
    /// Throws `notFound` for a blob that is not committed.
    package func setPinned(_ digest: Digest, _ pinned: Bool) throws(StoreError) {
        guard ledger.withLock({ $0.setPinned(digest, pinned) }) else { throw .notFound(digest) }
        guard let entry = ledger.withLock({ $0.committed[digest] }) else { throw .notFound(digest) }
        try catalogue.save([Catalogue.BlobRow(digest: digest, entry: entry)])
    }
}

// MARK: - Bookkeeping

extension ContentStore {
    static func now() -> Int64 { Int64(time(nil)) }

    /// Remembers an error of the disk for `usage` on its way to the caller.
    func noting<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
        do {
            return try body()
        } catch {
            note(error)
            throw error
        }
    }

    /// For what may fail without consequence for the caller.
    @discardableResult
    func quietly<Result>(_ body: () throws(StoreError) -> Result) -> Result? {
        do throws(StoreError) {
            return try body()
        } catch {
            note(error)
            return nil
        }
    }

    private func note(_ error: StoreError) {
        switch error {
        case .diskFull, .io, .catalogue, .quotaExceeded, .freeFloorReached:
            ledger.withLock { $0.lastError = error }
        default: break
        }
    }

    func saveRow(_ digest: Digest) {
        guard let entry = ledger.withLock({ $0.committed[digest] }) else { return }
        quietly { () throws(StoreError) in
            try catalogue.save([Catalogue.BlobRow(digest: digest, entry: entry)])
        }
    }

    private func flushUses(atLeast count: Int) {
        let touched = ledger.withLock { $0.touched.count >= count ? $0.takeTouched() : [] }
        quietly { () throws(StoreError) in
            try catalogue.save(touched.map { Catalogue.BlobRow(digest: $0.digest, entry: $0.entry) })
        }
    }
}
