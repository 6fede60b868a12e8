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
/// - `fresh` are held pieces near the end of these, whose bytes need not be read again;
/// - `prefix.states` are its states behind each of them, and behind the last piece the digest;
/// - `isRight` when these are all, and the last one is the blob's digest: the hasher is of no account then;
/// - `linked` are held pieces that lead from one state of `chain` to the next;
/// - `unproven` are pieces held on the chain's word alone, of which nobody has seen that they have their own digests.
///
/// With a chain nothing more is hashed in order, and the whole is right when all pieces are linked.
/// One thread at a time writes a given piece (`writers`) and one advances the hash (`prefix`).
package final class PartialBlob: Sendable {
    package let digest: Digest
    package let layout: PieceLayout
    let store: ContentStore
    let data: Descriptor
    let journal: Descriptor

    enum Phase { case open, committed, abandoned, failed }

    /// What the whole is checked by: hashed in order, until a chain is gone by, and again for good when one proved
    /// false.
    enum WholeCheck {
        case undecided
        case chain(BlobChain)
        case hash
    }

    struct State {
        var phase = Phase.open
        var held: [Int: Journal.Entry] = [:]
        var fresh: [Int: FreshBytes] = [:]
        var check = WholeCheck.undecided
        var linked: Set<Int> = []
        var unproven: Set<Int> = []
        /// What the prefix last had; a hint.
        var hashedPieces = 0
        /// All pieces are held and the whole matches; changed by the holder of `prefix` alone.
        var isRight = false
        /// Of the committed blob.
        var chainStates: [Digest] = []

        var chain: BlobChain? { if case .chain(let chain) = check { chain } else { nil } }

        /// Returns whether the piece was held.
        mutating func lose(_ piece: PieceIndex) -> Bool {
            isRight = false
            fresh[piece.value] = nil
            unproven.remove(piece.value)
            linked.remove(piece.value)
            return held.removeValue(forKey: piece.value) != nil
        }
    }

    struct Prefix: ~Copyable {
        var hasher = SHA256Chain()
        var states: [Digest] = []

        var hashedPieces: Int { states.count }

        mutating func restart() {
            hasher = SHA256Chain()
            states = []
        }
    }

    // Lock order: `prefix`, a writer's, `writing` or `state`.
    let prefix = Guarded(Prefix())
    private let writers = (0..<8).map { _ in Lock() }
    /// The kernel lets one write to a file at a time anyway, and has the others spin.
    let writing = Lock()
    let state = Guarded(State())

    /// Pieces that one `store` hashes at most, its own included, so that filling a gap does not make one
    /// caller pay for all that waited behind it.
    static let hashedPerStoreMax = 5

    /// How far ahead of the hash a piece's bytes are kept for it, and how many pieces.
    private static let freshMax = 8
    private static let waitingRange = 4..<16

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

    /// The pieces on disk in order that were compared with their digests, with these and their authors.
    package func held() -> [(piece: PieceIndex, digest: Digest, author: PeerName)] {
        let held = state.withLock { state in state.held.filter { !state.unproven.contains($0.key) } }
        return held.sorted { $0.key < $1.key }.compactMap { number, entry in
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
        bytes: [UInt8],
        digest: Digest,
        author: PeerName
    ) throws(StoreError) {
        precondition(bytes.count == layout.byteCount(of: piece), "a piece is stored whole")
        let entry = Journal.Entry(digest: digest, author: author)
        let isNew = try store.noting { () throws(StoreError) in
            try writer(of: piece).withLock { () throws(StoreError) in
                guard try isWanted(piece) else { return false }
                try write(piece, bytes, entry)
                let isLink = state.withLock(\.chain)?.isLink(piece, bytes)
                if isLink == false { unfollow() }
                state.withLock { state in
                    state.held[piece.value] = entry
                    if isLink == true { state.linked.insert(piece.value) }
                    let near = state.hashedPieces..<(state.hashedPieces + Self.freshMax)
                    if near.contains(piece.value) { state.fresh[piece.value] = store.fresh.take(bytes) }
                }
                return true
            }
        }
        if state.withLock({ $0.chain != nil }) { return }
        // What the hash is too far behind of would have to be read again: who brings more waits for it. Not when it is
        // so far behind that it reads anyway, as after a resume: that would hold up all other work.
        let waiting = state.withLock {
            let isHeldUp = $0.held[$0.hashedPieces] != nil
            return isNew && isHeldUp && Self.waitingRange.contains(piece.value - $0.hashedPieces)
        }
        prefix.withLock(waiting: waiting) { prefix in
            // A piece that cannot be read back now is the business of `finish`.
            store.quietly { () throws(StoreError) in try advance(&prefix, atMost: Self.hashedPerStoreMax) }
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
                    guard state.withLock({ $0.lose(piece) }) else { return }
                    // If the slot stays, a resume finds the piece again: a detour, no wrong byte.
                    store.quietly { () throws(StoreError) in
                        try store.disk.writeAll(
                            journal.number,
                            Journal.emptySlot,
                            at: Journal.slotOffset(piece)
                        )
                    }
                    if piece.value < prefix.hashedPieces { prefix.restart() }
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
    func writer(of piece: PieceIndex) -> Lock { writers[piece.value % writers.count] }

    func isWanted(_ piece: PieceIndex) throws(StoreError) -> Bool {
        try state.withLock { state throws(StoreError) in
            switch state.phase {
            case .open: return state.held[piece.value] == nil
            case .committed: return false
            case .abandoned, .failed: throw .closed
            }
        }
    }
}
