import Hashing
import PieceModel

extension PartialBlob {
    /// Takes up what the journal says and the data prove.
    ///
    /// Called once, before anybody else has the object.
    func resume() throws(StoreError) {
        // A slot at a time would cost a call per piece, all at once memory for the largest blob.
        let slotsPerRead = 1024
        for first in stride(from: 0, to: layout.pieceCount, by: slotsPerRead) {
            guard let start = layout.piece(first) else { return }
            let count = min(slotsPerRead, layout.pieceCount - first)
            let slots = try Disk.read(
                journal.number,
                count: count * Journal.slotBytes,
                at: Journal.slotOffset(start)
            )
            for index in 0..<count {
                let range = index * Journal.slotBytes..<(index + 1) * Journal.slotBytes
                guard range.upperBound <= slots.count else { return }
                guard let piece = layout.piece(first + index),
                    let entry = Journal.entry(inSlot: slots[range], of: piece, blob: digest)
                else { continue }
                var hasher = SHA256Hasher()
                // What cannot be read is a piece to fetch again.
                let isRead: Void? = store.quietly { () throws(StoreError) in
                    try Disk.scan(data.number, piece, of: layout) { hasher.update($0) }
                }
                guard isRead != nil, hasher.finalize() == entry.digest else { continue }
                state.withLock { $0.held[piece.value] = entry }
            }
        }
    }
}
