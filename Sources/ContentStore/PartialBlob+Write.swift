import PieceModel

extension PartialBlob {
    /// The bytes, then the slot; the caller is the piece's only writer, and holds it afterwards.
    func write(_ piece: PieceIndex, _ bytes: [UInt8], _ entry: Journal.Entry) throws(StoreError) {
        try writing.withLock { () throws(StoreError) in
            try store.disk.writeAll(data.number, bytes, at: layout.start(of: piece))
        }
        // Else the commit waits for all of it.
        store.disk.beginWriting(data.number, layout.start(of: piece), Int64(bytes.count))
        try writeSlot(piece, entry)
    }

    func writeSlot(_ piece: PieceIndex, _ entry: Journal.Entry) throws(StoreError) {
        let slot = Journal.slot(piece, entry, blob: digest)
        try store.disk.writeAll(journal.number, slot, at: Journal.slotOffset(piece))
    }

    /// Ends an open blob: with pieces it stays on disk, without it goes.
    func park() {
        let isWorthKeeping = state.withLock { state in
            state.phase = .abandoned
            state.fresh = [:]
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
