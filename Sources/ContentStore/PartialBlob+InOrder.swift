import Hashing
package import OCIModel
package import PieceModel

/// Pieces that come in order, each hashed once: as part of the whole.
///
/// A *prefix digest* is the SHA-256 of all bytes of the blob up to the end of a piece; that of the last piece is the
/// blob's own. Who has the whole blob can tell them, and a piece that leads from one to the next is right as far as
/// anybody can say who has not read all of it, just as one that has the digest it is said to have.
extension PartialBlob {
    package enum Following: Equatable, Sendable {
        /// To be stored by `storeFollowing`.
        case follows
        /// With these bytes the blob would not begin as it should.
        case differs
        /// Pieces before this one have not been hashed, or it is here already.
        case notNext
    }

    /// Pieces from the first on that were hashed; the next one can `follow`. A hint.
    package var hashedPieces: Int { state.withLock(\.hashedPieces) }

    /// Of the committed blob, one for each piece; empty before the commit.
    package var prefixDigests: [Digest] { state.withLock(\.prefixDigests) }

    /// Whether the blob up to the end of the piece has the digest `expected`; the piece is then to be stored next, by
    /// nobody else.
    package func follow(
        _ piece: PieceIndex, bytes: [UInt8], prefix expected: Digest
    ) throws(StoreError) -> Following {
        precondition(bytes.count == layout.byteCount(of: piece), "a piece is hashed whole")
        return try store.noting { () throws(StoreError) in
            try prefix.withLock { prefix throws(StoreError) in
                try advance(&prefix, atMost: Self.hashedPerStoreMax)
                guard !prefix.isRight, prefix.hashedPieces == piece.value, try isWanted(piece) else { return .notNext }
                bytes.withUnsafeBytes { prefix.hasher.update($0) }
                guard prefix.hasher.digestSoFar() == expected else {
                    restart(&prefix)
                    return .differs
                }
                prefix.noteHashed()
                state.withLock {
                    $0.following.insert(piece.value)
                    $0.hashedPieces = prefix.hashedPieces
                }
                return .follows
            }
        }
    }

    /// Stores a piece that follows. Whether it has the digest under which it is stored is not looked at: nobody may be
    /// told of that before `prove`.
    ///
    /// Throws as `store` does.
    package func storeFollowing(
        _ piece: PieceIndex, bytes: [UInt8], digest: Digest, author: PeerName
    ) throws(StoreError) {
        let entry = Journal.Entry(digest: digest, author: author)
        var isStored = false
        defer {
            // What is in the file then is not what was hashed.
            if !isStored { prefix.withLock { restart(&$0) } }
            state.withLock { _ = $0.following.remove(piece.value) }
        }
        isStored = try store.noting { () throws(StoreError) in
            try writer(of: piece).withLock { () throws(StoreError) in
                guard try isWanted(piece) else { return false }
                try write(piece, bytes, entry)
                state.withLock {
                    $0.held[piece.value] = entry
                    $0.unproven.insert(piece.value)
                }
                return true
            }
        }
    }

    /// Reads the pieces that `storeFollowing` stored, and puts their own digests in the place of those that were told.
    ///
    /// Returns these pieces; throws what the disk says.
    package func prove(as author: PeerName) throws(StoreError) -> [(piece: PieceIndex, digest: Digest)] {
        try store.noting { () throws(StoreError) in
            var proven: [(piece: PieceIndex, digest: Digest)] = []
            for number in state.withLock(\.unproven).sorted() {
                guard let piece = layout.piece(number) else { continue }
                try writer(of: piece).withLock { () throws(StoreError) in
                    guard state.withLock({ $0.phase == .open && $0.unproven.contains(number) }) else { return }
                    var hasher = SHA256Hasher()
                    try Disk.scan(data.number, piece, of: layout) { hasher.update($0) }
                    let entry = Journal.Entry(digest: hasher.finalize(), author: author)
                    try writeSlot(piece, entry)
                    state.withLock {
                        $0.held[number] = entry
                        $0.unproven.remove(number)
                    }
                    proven.append((piece, entry.digest))
                }
            }
            return proven
        }
    }

    /// What the hasher has seen can't be taken back: the pieces before are read again.
    private func restart(_ prefix: inout Prefix) {
        prefix.restart()
        state.withLock { $0.hashedPieces = 0 }
    }
}
