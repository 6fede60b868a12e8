import PieceModel

/// The first bytes of a piece that is being read from the registry, for a reader that has none yet: on a slow link a
/// piece of a large blob takes longer than anybody should wait for a first byte. Whoever has some waits for whole
/// pieces, which cost less.
extension BlobTransfer {
    /// Whether to write the first `count` bytes of the piece, because somebody waits for one of them; then `endEarly`
    /// has to follow.
    func beginEarly(_ piece: PieceIndex, count: Int) -> Bool {
        guard phase == .running, piece != layout.lastPiece, !held.contains(piece), early[piece.value] == nil,
            !earlyComing.contains(piece.value)
        else { return false }
        let start = layout.start(of: piece)
        let awaited = start..<start + Int64(count)
        guard readers.values.contains(where: { !$0.isServed && $0.waiter != nil && awaited.contains($0.offset) }) else {
            return false
        }
        earlyComing.insert(piece.value)
        return true
    }

    /// The piece begins with `bytes`, and these are in the file; `nil` when they could not be written.
    func endEarly(_ piece: PieceIndex, _ bytes: [UInt8]?) {
        earlyComing.remove(piece.value)
        guard let bytes, phase == .running, !held.contains(piece), early[piece.value] == nil else { return }
        early[piece.value] = bytes
        for number in Array(readers.keys) { wake(number) }
    }

    /// End of the early bytes of which one is at `offset`; else `offset`.
    func earlyEnd(at offset: Int64) -> Int64 {
        guard !early.isEmpty, let piece = layout.piece(holding: offset), let bytes = early[piece.value] else {
            return offset
        }
        return max(offset, layout.start(of: piece) + Int64(bytes.count))
    }

    /// The piece is whole, perhaps from elsewhere.
    func checkEarly(_ piece: PieceIndex, _ bytes: [UInt8]) {
        guard let told = early.removeValue(forKey: piece.value), !bytes.starts(with: told) else { return }
        failReaders(toldOf: [piece])
    }

    /// The blob came by another way, so that nobody can say whether the bytes were its own.
    func forgetEarly() {
        let pieces = early.keys.compactMap { layout.piece($0) }
        early = [:]
        failReaders(toldOf: pieces)
    }
}
