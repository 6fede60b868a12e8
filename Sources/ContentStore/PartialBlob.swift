import Glibc
import Hashing
package import OCIModel
package import PieceModel

/// A blob that is being fetched: pieces come in any order from any thread, in the end the whole is checked.
///
///     open --finish, match--> committed        a file under its final name
///       |---finish, no match--> open           the caller drops pieces and goes on
///       |---finish, disk failed--> failed      data lost, files gone
///       '---abandon, or the last reference gone--> abandoned   files stay for the next `beginPartial`
///
/// Invariants:
/// - a piece is in `held` only when its bytes and then its journal slot were written;
/// - a held piece is not written again until it is dropped, so what was hashed is what is in the file;
/// - the first `hashedPieces` pieces are held, and the hasher has seen exactly them;
/// - from a match until a piece is dropped `isRight` says so, and the hasher has seen nothing.
/// One thread at a time writes a given piece (`writers`) and one advances the hash (`prefix`).
package final class PartialBlob: Sendable {
    package let digest: Digest
    package let layout: PieceLayout
    let store: ContentStore
    let data: Descriptor
    let journal: Descriptor

    enum Phase { case open, committed, abandoned, failed }

    struct State {
        var phase = Phase.open
        var held: [Int: Journal.Entry] = [:]
    }

    private struct Prefix: ~Copyable {
        var hasher = SHA256Hasher()
        var hashedPieces = 0
        /// All pieces are held and the whole matches.
        var isRight = false

        mutating func restart() {
            hasher.reset()
            hashedPieces = 0
            isRight = false
        }
    }

    // Lock order: `prefix`, a writer's, `state`.
    private let prefix = Guarded(Prefix())
    private let writers = (0..<8).map { _ in Lock() }
    let state = Guarded(State())

    /// Pieces that one `store` hashes at most, its own included, so that filling a gap does not make one
    /// caller pay for all that waited behind it.
    private static let hashedPerStoreMax = 5

    static func dataName(_ digest: Digest) -> String { digest.hex + ".data" }
    static func journalName(_ digest: Digest) -> String { digest.hex + ".journal" }

    init(
        _ digest: Digest,
        _ layout: PieceLayout,
        _ store: ContentStore,
        data: Descriptor,
        journal: Descriptor
    ) {
        self.digest = digest
        self.layout = layout
        self.store = store
        self.data = data
        self.journal = journal
    }

    deinit {
        // Nobody else can be in a method any more, so no lock is needed to keep writers out.
        if state.withLock({ $0.phase }) == .open { park() }
    }

    /// Open for reading and writing as long as this object lives; after the commit it is the committed file.
    ///
    /// Read only where `held` pieces are.
    package var file: Int32 { data.number }

    /// The pieces on disk in order, with the digest and the author each was stored under.
    package func held() -> [(piece: PieceIndex, digest: Digest, author: PeerName)] {
        state.withLock { $0.held }.sorted { $0.key < $1.key }.compactMap { number, entry in
            layout.piece(number).map { ($0, entry.digest, entry.author) }
        }
    }

    /// Writes a piece and its journal slot.
    ///
    /// The caller has checked that the bytes hash to `digest`.
    ///
    /// A piece that is held already is left as it is. Waits for another thread that stores the same piece.
    /// Throws `closed` when the blob was abandoned or failed, and what the disk says; the piece is not held
    /// then.
    package func store(
        _ piece: PieceIndex,
        bytes: UnsafeRawBufferPointer,
        digest: Digest,
        author: PeerName
    ) throws(StoreError) {
        precondition(bytes.count == layout.byteCount(of: piece), "a piece is stored whole")
        let entry = Journal.Entry(digest: digest, author: author)
        try store.noting { () throws(StoreError) in
            try writer(of: piece).withLock { () throws(StoreError) in
                guard try isWanted(piece) else { return }
                try store.disk.writeAll(data.number, bytes, at: layout.start(of: piece))
                // Else the commit waits for all of it.
                store.disk.beginWriting(data.number, layout.start(of: piece), Int64(bytes.count))
                let slot = Journal.slot(piece, entry, blob: self.digest)
                try store.disk.writeAll(journal.number, slot, at: Journal.slotOffset(piece))
                state.withLock { $0.held[piece.value] = entry }
            }
        }
        prefix.withLockIfFree { prefix in
            // A piece that cannot be read back now is the business of `finish`.
            store.quietly { () throws(StoreError) in
                try advance(&prefix, atMost: Self.hashedPerStoreMax, given: (piece, digest, bytes))
            }
        }
    }

    /// Forgets pieces, so that they can be stored anew.
    ///
    /// Does nothing after the commit.
    package func drop(_ pieces: [PieceIndex]) {
        prefix.withLock { prefix in
            guard state.withLock({ $0.phase }) == .open else { return }
            for piece in pieces {
                writer(of: piece).withLock {
                    guard state.withLock({ $0.held.removeValue(forKey: piece.value) }) != nil else { return }
                    // If the slot stays, a resume finds the piece again: a detour, no wrong byte.
                    store.quietly { () throws(StoreError) in
                        try store.disk.writeAll(
                            journal.number,
                            Journal.emptySlot,
                            at: Journal.slotOffset(piece)
                        )
                    }
                    if prefix.isRight || piece.value < prefix.hashedPieces { prefix.restart() }
                }
            }
        }
    }

    /// The bytes of a held piece; throws `piecesMissing` for one that is not.
    package func read(_ piece: PieceIndex) throws(StoreError) -> [UInt8] {
        guard state.withLock({ $0.held[piece.value] }) != nil else { throw .piecesMissing(1) }
        return try store.noting { () throws(StoreError) in
            let count = layout.byteCount(of: piece)
            let bytes = try Disk.read(data.number, count: count, at: layout.start(of: piece))
            guard bytes.count == count else { throw .io(.read, code: EIO) }
            return bytes
        }
    }

    /// Hashes what is not yet hashed; whether the whole matches its digest.
    ///
    /// `false` changes nothing: `drop` what is to blame, `store` it anew, call again. Throws `piecesMissing`
    /// when not all pieces are held, and what the disk says.
    package func matches() throws(StoreError) -> Bool {
        try store.noting { () throws(StoreError) in
            try prefix.withLock { prefix throws(StoreError) in try matches(&prefix) }
        }
    }

    /// As `matches`, and commits a blob that does: it is on disk when this returns.
    ///
    /// When it fails while committing, the data are lost and the blob is of no further use.
    package func finish() throws(StoreError) -> Bool {
        try store.noting { () throws(StoreError) in
            try prefix.withLock { prefix throws(StoreError) in
                guard try matches(&prefix) else { return false }
                if state.withLock({ $0.phase }) == .open { try commit() }
                return true
            }
        }
    }

    /// Stops writing and leaves the pieces on disk for the next `beginPartial`; waits for writers.
    ///
    /// Does nothing after the commit.
    package func abandon() {
        prefix.withLock { _ in
            for writer in writers { writer.lock() }
            defer { for writer in writers { writer.unlock() } }
            guard state.withLock({ $0.phase }) == .open else { return }
            park()
        }
    }
}

// MARK: - Steps

extension PartialBlob {
    private func writer(of piece: PieceIndex) -> Lock { writers[piece.value % writers.count] }

    private func matches(_ prefix: inout Prefix) throws(StoreError) -> Bool {
        let (phase, heldCount) = state.withLock { ($0.phase, $0.held.count) }
        if phase == .committed { return true }
        guard phase == .open else { throw .closed }
        if prefix.isRight { return true }
        guard heldCount == layout.pieceCount else { throw .piecesMissing(layout.pieceCount - heldCount) }
        try advance(&prefix, atMost: layout.pieceCount, given: nil)
        let actual = prefix.hasher.finalize()
        prefix.restart()
        prefix.isRight = actual == digest
        return prefix.isRight
    }

    private func isWanted(_ piece: PieceIndex) throws(StoreError) -> Bool {
        try state.withLock { state throws(StoreError) in
            switch state.phase {
            case .open: return state.held[piece.value] == nil
            case .committed: return false
            case .abandoned, .failed: throw .closed
            }
        }
    }

    /// Hashes held pieces that are next in order.
    ///
    /// `given` are the bytes of a piece just written, if that is next.
    private func advance(
        _ prefix: inout Prefix,
        atMost count: Int,
        given: (piece: PieceIndex, digest: Digest, bytes: UnsafeRawBufferPointer)?
    ) throws(StoreError) {
        var buffer: UnsafeMutableRawBufferPointer?
        defer { buffer?.deallocate() }
        for _ in 0..<count {
            guard let piece = layout.piece(prefix.hashedPieces),
                let entry = state.withLock({ $0.held[piece.value] })
            else { return }
            if let given, given.piece == piece, given.digest == entry.digest {
                prefix.hasher.update(given.bytes)
            } else {
                let whole = buffer ?? .allocate(byteCount: layout.pieceBytes, alignment: 64)
                buffer = whole
                let part = UnsafeMutableRawBufferPointer(rebasing: whole[..<layout.byteCount(of: piece)])
                try Disk.readAll(data.number, into: part, at: layout.start(of: piece))
                prefix.hasher.update(UnsafeRawBufferPointer(part))
            }
            prefix.hashedPieces += 1
        }
    }

    private func commit() throws(StoreError) {
        let digests = held().map(\.digest)
        do {
            try store.publish(data, Self.dataName(digest), in: store.folder.partials, as: digest)
        } catch {
            state.withLock { state in
                state.phase = .failed
                state.held = [:]
            }
            store.discard([Self.journalName(digest)], in: store.folder.partials)
            store.ledger.withLock { $0.discarded(digest) }
            throw error
        }
        state.withLock { $0.phase = .committed }
        store.discard([Self.journalName(digest)], in: store.folder.partials)
        store.ledger.withLock { $0.commitOpen(digest, now: ContentStore.now()) }
        store.saveRow(digest)
        store.storePieceDigests(digest, digests)
    }

    /// Ends an open blob: with pieces it stays on disk, without it goes.
    private func park() {
        let isWorthKeeping = state.withLock { state in
            state.phase = .abandoned
            return !state.held.isEmpty
        }
        if isWorthKeeping, !store.isCommitted(digest) {
            store.ledger.withLock { $0.park(digest, now: ContentStore.now()) }
        } else {
            store.discard([Self.dataName(digest), Self.journalName(digest)], in: store.folder.partials)
            store.ledger.withLock { $0.discarded(digest) }
        }
    }
}
