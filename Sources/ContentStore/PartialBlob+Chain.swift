import Hashing
package import OCIModel
package import PieceModel

/// Pieces that are checked as links of the blob's chain (`BlobChain`), each hashed once and in any order.
extension PartialBlob {
    package enum Linking: Equatable, Sendable {
        /// It is a link, and stored. Whether it has the digest it was said to have was not looked at.
        case linked
        /// It is no link of the chain, or there is none to go by.
        case differs
        /// It is a link, and was here already.
        case held
    }

    /// What the committed blob's hash is behind each piece; empty before the commit.
    package var chainStates: [Digest] { state.withLock(\.chainStates) }

    /// Goes by the chain from now on, if it goes by none and what was hashed so far leads to where the chain does.
    ///
    /// One that proved false is not followed again, and no other. Returns whether a chain is gone by.
    package func follow(_ chain: BlobChain) -> Bool {
        switch state.withLock(\.check) {
        case .chain: return true
        case .hash: return false
        case .undecided: break
        }
        prefix.withLock { prefix in
            guard !isKnownRight else { return }
            let isSame = prefix.states[...] == chain.states[..<prefix.hashedPieces]
            state.withLock { state in
                guard case .undecided = state.check else { return }
                state.check = isSame ? .chain(chain) : .hash
                guard isSame else { return }
                state.linked = Set(0..<prefix.hashedPieces)
            }
        }
        return state.withLock { $0.chain != nil }
    }

    /// Stores a piece that is a link, under a digest that nobody may be told of before `prove`.
    ///
    /// Throws as `store` does.
    package func link(
        _ piece: PieceIndex, bytes: [UInt8], digest: Digest, author: PeerName
    ) throws(StoreError) -> Linking {
        precondition(bytes.count == layout.byteCount(of: piece), "a piece is stored whole")
        guard let chain = state.withLock(\.chain), chain.isLink(piece, bytes) else { return .differs }
        // What is noted below is of no account if the chain proves false meanwhile: then no other is followed.
        let entry = Journal.Entry(digest: digest, author: author)
        return try store.noting { () throws(StoreError) in
            try writer(of: piece).withLock { () throws(StoreError) in
                guard try isWanted(piece) else { return .held }
                try write(piece, bytes, entry)
                state.withLock {
                    $0.held[piece.value] = entry
                    $0.unproven.insert(piece.value)
                    $0.linked.insert(piece.value)
                }
                return .linked
            }
        }
    }

    /// The chain is false: bytes that are right otherwise are no link of it. The whole is hashed instead.
    package func unfollow() {
        state.withLock {
            $0.check = .hash
            $0.linked = []
        }
    }

    /// Makes the digests of those of the pieces that are held, from what is on disk.
    ///
    /// Those that have the digest they were stored under are proven by that. Throws what the disk says.
    package func prove(_ pieces: [PieceIndex]) throws(StoreError) -> [(piece: PieceIndex, digest: Digest)] {
        try store.noting { () throws(StoreError) in
            var made: [(piece: PieceIndex, digest: Digest)] = []
            for piece in pieces {
                try writer(of: piece).withLock { () throws(StoreError) in
                    guard let entry = state.withLock({ $0.held[piece.value] }) else { return }
                    var hasher = SHA256Hasher()
                    try Disk.scan(data.number, piece, of: layout) { hasher.update($0) }
                    let digest = hasher.finalize()
                    if digest == entry.digest { state.withLock { _ = $0.unproven.remove(piece.value) } }
                    made.append((piece, digest))
                }
            }
            return made
        }
    }

    /// Whether all pieces are links of the chain; those that were not looked at are read. Goes by the chain no more if
    /// one is not.
    func isChained() throws(StoreError) -> Bool {
        guard let (chain, linked) = state.withLock({ state in state.chain.map { ($0, state.linked) } }) else {
            return false
        }
        for piece in layout.pieces where !linked.contains(piece.value) {
            var hash = chain.hash(before: piece)
            try Disk.scan(data.number, piece, of: layout) { hash.update($0) }
            guard chain.leads(hash, behind: piece) else {
                unfollow()
                return false
            }
        }
        return true
    }
}
