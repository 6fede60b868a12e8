import Glibc
import Hashing
package import OCIModel

/// The blobs of the node's container runtime, read where they lie; nothing here writes.
///
///     unseen --look--> seen --hashed, match-----> sound    may be read by anybody who may have the blob
///                       |-----hashed, no match--> wrong    as good as absent until its file is another one
///     sound --look: gone, not open--> unseen
///
/// Invariants:
/// - a file is handed out only when all of it hashed to its name, once for each file (`FileIdentity`);
/// - a blob that was handed out stays open, and so readable, until it was not asked for during `keptSeconds`: the
///   runtime may remove it in the middle of a transfer, whose pieces are asked for one by one;
/// - verdicts are kept of what is seen only, so there are not more than blobs.
final class RuntimeStore: Sendable {
    private struct Verdict {
        let identity: RuntimeFolder.FileIdentity
        let isSound: Bool
    }

    private struct Kept {
        let blob: BlobFile
        var usedAt: Int64
    }

    private struct State {
        var folder: RuntimeFolder?
        var listed: [Digest: Int64] = [:]
        /// When each of them was seen first, by this process.
        var seenAt: [Digest: Int64] = [:]
        /// What the folder's time was when it was listed; `nil` when it may have changed within that tick.
        var listedAt: timespec?
        var verdicts: [Digest: Verdict] = [:]
        var kept: [Digest: Kept] = [:]
        var newlyWrong: [Digest] = []
    }

    private let state = Guarded(State())
    /// One thread at a time hashes a given blob.
    private let lanes = (0..<8).map { _ in Lock() }
    private let served = Guarded<Int64>(0)
    private let keptSeconds: Int64

    /// More are not kept open; those least recently used go.
    private static let keptMax = 64

    init(keptSeconds: Int64 = 60) { self.keptSeconds = keptSeconds }

    /// Size of a blob that is seen and not known to be wrong.
    func bytes(of digest: Digest) -> Int64? {
        state.withLock { state in
            if let kept = state.kept[digest] { return kept.blob.bytes }
            guard state.verdicts[digest]?.isSound != false else { return nil }
            return state.listed[digest]
        }
    }

    /// Whether nothing is known against a blob that is listed.
    func isGood(_ digest: Digest) -> Bool { state.withLock { $0.verdicts[digest]?.isSound != false } }

    /// Whether the whole blob was hashed before, and matched.
    func isSound(_ digest: Digest) -> Bool {
        state.withLock { $0.kept[digest] != nil || $0.verdicts[digest]?.isSound == true }
    }

    /// Blobs that have been there for so long, of those listed.
    func settled(seconds: Int64) -> [Digest: Int64] {
        let now = Self.seconds
        return state.withLock { state in
            state.listed.filter { digest, _ in state.seenAt[digest].map { now - $0 >= seconds } ?? false }
        }
    }

    var listed: [Digest: Int64] { state.withLock { $0.listed } }
    var servedBytes: Int64 { served.withLock { $0 } }

    /// Opens a blob for reading, after `hash` told the digest of all its bytes if nobody has done that before.
    ///
    /// `nil` when it is not there or is wrong; a file that cannot be read is as good as none.
    func open(
        _ digest: Digest, hash: (BlobFile) throws(StoreError) -> Digest = RuntimeStore.hash
    ) -> BlobFile? {
        if let kept = kept(digest) { return kept }
        return lane(of: digest).withLock {
            if let kept = kept(digest) { return kept }
            guard let opened = opened(digest), isSound(opened, digest, hash) else { return nil }
            let blob = blobFile(opened)
            keep(blob, digest)
            return blob
        }
    }

    /// The file of a blob as it is, to be read by nobody before `isSound` said so.
    func opened(_ digest: Digest) -> RuntimeFolder.OpenedFile? {
        guard let folder = state.withLock({ $0.folder }) else { return nil }
        do throws(StoreError) {
            return try folder.open(digest)
        } catch {
            return nil
        }
    }

    /// Whether the file's bytes are the digest's, hashed now or before.
    func isSound(
        _ opened: RuntimeFolder.OpenedFile, _ digest: Digest,
        _ hash: (BlobFile) throws(StoreError) -> Digest = RuntimeStore.hash
    ) -> Bool {
        let known = state.withLock { $0.verdicts[digest] }
        if let known, known.identity == opened.identity { return known.isSound }
        let actual: Digest
        do throws(StoreError) {
            actual = try hash(blobFile(opened))
            // Written to meanwhile: no verdict.
            guard RuntimeFolder.FileIdentity(try opened.file.status()) == opened.identity else { return false }
        } catch {
            return false
        }
        let isSound = actual == digest
        state.withLock { state in
            guard state.listed[digest] != nil else { return }
            state.verdicts[digest] = Verdict(identity: opened.identity, isSound: isSound)
            if !isSound { state.newlyWrong.append(digest) }
        }
        return isSound
    }

    private static func hash(_ blob: BlobFile) throws(StoreError) -> Digest {
        var hasher = SHA256Hasher()
        try Disk.scan(blob.descriptor, from: 0, count: blob.bytes) { hasher.update($0) }
        return hasher.finalize()
    }

    private func blobFile(_ opened: RuntimeFolder.OpenedFile) -> BlobFile {
        BlobFile(opened.file, bytes: opened.identity.bytes, served: served)
    }

    private func lane(of digest: Digest) -> Lock { lanes[Int(digest.bytes.first ?? 0) % lanes.count] }

    // MARK: Kept open

    private func kept(_ digest: Digest) -> BlobFile? {
        let now = Self.seconds
        return state.withLock { state in
            state.kept[digest]?.usedAt = now
            return state.kept[digest]?.blob
        }
    }

    private func keep(_ blob: BlobFile, _ digest: Digest) {
        let now = Self.seconds
        state.withLock { state in
            if state.kept.count >= Self.keptMax,
                let oldest = state.kept.min(by: { $0.value.usedAt < $1.value.usedAt })?.key
            {
                state.kept[oldest] = nil
            }
            state.kept[digest] = Kept(blob: blob, usedAt: now)
        }
    }

    /// Of a clock that does not jump.
    private static var seconds: Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec)
    }
}

// MARK: - Looking

/// What has changed in the runtime's content store since the last look.
package struct RuntimeLook: Equatable, Sendable {
    package var appeared: [Digest] = []
    /// Gone from there, and no longer open here.
    package var vanished: [Digest] = []
    /// Hashed since the last look, and not what their names say.
    package var wrong: [Digest] = []
    /// The folder to watch, when it was opened by this look.
    package var openedFolder: String?
    /// Why nothing can be seen.
    package var problem: RuntimeStoreProblem?
}

extension RuntimeStore {
    /// Looks at the content store in folder `root`; the folder is listed only when it changed. One call at a time.
    func look(_ root: String) -> RuntimeLook {
        var look = RuntimeLook()
        let path = root + "/blobs/sha256"
        let (before, listed, listedAt) = state.withLock { ($0.folder, $0.listed, $0.listedAt) }
        var current = before.flatMap { $0.path == path ? $0 : nil }
        var modified = current?.modified
        var blobs: [Digest: Int64] = [:]
        do throws(RuntimeStoreProblem) {
            if modified == nil {
                let opened = try RuntimeFolder(path: path)
                current = opened
                modified = opened.modified
                look.openedFolder = path
            }
            let isUnchanged = look.openedFolder == nil && listedAt.map { $0.isSame(as: modified) } ?? false
            // A blob that was replaced under its name differs in its file's identity, not here.
            blobs = isUnchanged ? listed : try current?.list(known: listed) ?? [:]
        } catch {
            current = nil
            look.problem = error
        }
        let at = modified.flatMap { $0.isSettled ? $0 : nil }
        settle(current, blobs, at, &look)
        return look
    }

    private func settle(
        _ folder: RuntimeFolder?, _ blobs: [Digest: Int64], _ listedAt: timespec?, _ look: inout RuntimeLook
    ) {
        let now = Self.seconds
        state.withLock { state in
            state.kept = state.kept.filter { now - $0.value.usedAt < keptSeconds }
            // What is kept open is there still, whatever became of its name.
            var there = blobs
            for (digest, kept) in state.kept { there[digest] = kept.blob.bytes }
            look.appeared = there.keys.filter { state.listed[$0] == nil }
            look.vanished = state.listed.keys.filter { there[$0] == nil }
            look.wrong = state.newlyWrong
            state.newlyWrong = []
            for digest in look.appeared { state.seenAt[digest] = now }
            for digest in look.vanished {
                state.verdicts[digest] = nil
                state.seenAt[digest] = nil
            }
            state.listed = there
            state.folder = folder
            state.listedAt = listedAt
            // May be put right at any time; there are hardly any.
            for (digest, verdict) in state.verdicts where !verdict.isSound {
                let opened = (try? folder?.open(digest)) ?? nil  // As good as gone.
                if opened?.identity != verdict.identity { state.verdicts[digest] = nil }
            }
        }
    }
}

extension timespec {
    fileprivate func isSame(as other: timespec?) -> Bool {
        tv_sec == other?.tv_sec && tv_nsec == other?.tv_nsec
    }

    /// So long ago that a further change would have another time, however coarse the file system's clock is.
    fileprivate var isSettled: Bool { time(nil) - tv_sec > 2 }
}
