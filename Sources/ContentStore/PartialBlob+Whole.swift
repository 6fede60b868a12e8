import Hashing
import OCIModel
import PieceModel

/// The whole: hashed as its pieces come, compared with its digest, and committed.
extension PartialBlob {
    /// Hashes what is not yet hashed; whether the whole matches its digest.
    ///
    /// `false` changes nothing: `drop` what is to blame, `store` it anew, call again. Throws `piecesMissing`
    /// when not all pieces are held, and what the disk says.
    package func matches() throws(StoreError) -> Bool {
        try store.noting { () throws(StoreError) in
            try prefix.withLock { prefix throws(StoreError) in try matches(&prefix) }
        }
    }

    /// Whether the whole is known to match without another look; never waits. `matches` may still say so when this does
    /// not.
    package var isKnownRight: Bool { state.withLock(\.isRight) }

    /// As `matches`, and commits a blob that does: it is on disk when this returns.
    ///
    /// When it fails while committing, the data are lost and the blob is of no further use.
    package func finish() throws(StoreError) -> Bool {
        try store.noting { () throws(StoreError) in
            try prefix.withLock { prefix throws(StoreError) in
                guard try matches(&prefix) else { return false }
                if state.withLock({ $0.phase }) == .open { try commit(prefix.states) }
                return true
            }
        }
    }

    private func matches(_ prefix: inout Prefix) throws(StoreError) -> Bool {
        let (phase, heldCount, isRight) = state.withLock { ($0.phase, $0.held.count, $0.isRight) }
        if phase == .committed { return true }
        guard phase == .open else { throw .closed }
        if isRight { return true }
        guard heldCount == layout.pieceCount else { throw .piecesMissing(layout.pieceCount - heldCount) }
        if try isChained(), let chain = state.withLock(\.chain) {
            prefix.states = chain.states
            noteStates(prefix)
        } else {
            try advance(&prefix, atMost: layout.pieceCount)
        }
        guard isKnownRight else {
            prefix.restart()
            return false
        }
        return true
    }

    /// Hashes held pieces that are next in order.
    func advance(_ prefix: inout Prefix, atMost count: Int) throws(StoreError) {
        for _ in 0..<count {
            let next = prefix.hashedPieces
            guard let piece = layout.piece(next), state.withLock({ $0.held[next] != nil }) else { return }
            if let fresh = state.withLock({ $0.fresh.removeValue(forKey: next) }) {
                fresh.bytes.withUnsafeBytes { prefix.hasher.update($0) }
            } else {
                try Disk.scan(data.number, piece, of: layout) { prefix.hasher.update($0) }
            }
            prefix.states.append(BlobChain.state(prefix.hasher, behind: piece, of: layout))
            noteStates(prefix)
        }
    }

    private func noteStates(_ prefix: borrowing Prefix) {
        let (count, last) = (prefix.hashedPieces, prefix.states.last)
        state.withLock {
            $0.hashedPieces = count
            $0.isRight = count == layout.pieceCount && last == digest
        }
    }

    private func commit(_ states: [Digest]) throws(StoreError) {
        // Not kept if some are missing.
        let digests = held().map(\.digest)
        do {
            try store.publish(data, Self.dataName(digest), in: store.folder.partials, as: digest)
        } catch {
            state.withLock { state in
                state.phase = .failed
                state.held = [:]
                state.fresh = [:]
            }
            store.discard([Self.journalName(digest)], in: store.folder.partials)
            store.ledger.withLock { $0.discarded(digest) }
            throw error
        }
        state.withLock {
            $0.phase = .committed
            $0.chainStates = states
        }
        store.discard([Self.journalName(digest)], in: store.folder.partials)
        store.ledger.withLock { $0.commitOpen(digest, now: ContentStore.now()) }
        store.saveRow(digest)
        store.storePieceDigests(digest, digests)
        store.storeChain(digest, states)
    }
}
