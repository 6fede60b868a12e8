/// A set of pieces of one blob, one bit each.
///
/// The bytes travel on the wire and lie in journals as they are here: piece `n` is bit `n % 8`, counted from the
/// least significant, of byte `n / 8`. Unused bits of the last byte are zero.
package struct PieceSet: Hashable, Sendable {
    package let pieceCount: Int
    /// Number of pieces in the set.
    package private(set) var count: Int
    private var bits: [UInt8]

    package init(layout: PieceLayout) {
        pieceCount = layout.pieceCount
        count = 0
        bits = [UInt8](repeating: 0, count: (layout.pieceCount + 7) / 8)
    }

    /// The set of all pieces.
    package static func full(_ layout: PieceLayout) -> PieceSet {
        var set = PieceSet(layout: layout)
        for piece in layout.pieces { set.insert(piece) }
        return set
    }

    package var isFull: Bool { count == pieceCount }
    package var isEmpty: Bool { count == 0 }

    package func contains(_ piece: PieceIndex) -> Bool {
        guard piece.value < pieceCount else { return false }
        return bits[piece.value / 8] & (1 << UInt8(piece.value % 8)) != 0
    }

    /// Returns whether the piece is new to the set.
    @discardableResult
    package mutating func insert(_ piece: PieceIndex) -> Bool {
        precondition(piece.value < pieceCount, "the piece belongs to another layout")
        guard !contains(piece) else { return false }
        bits[piece.value / 8] |= 1 << UInt8(piece.value % 8)
        count += 1
        return true
    }

    /// Returns whether the piece was in the set.
    @discardableResult
    package mutating func remove(_ piece: PieceIndex) -> Bool {
        guard contains(piece) else { return false }
        bits[piece.value / 8] &= ~(1 << UInt8(piece.value % 8))
        count -= 1
        return true
    }

    /// The bytes of the bit field, as described above.
    package var bytes: [UInt8] { bits }

    /// Reads a bit field that came from outside: `nil` when its length does not fit the layout or an unused bit
    /// is set.
    package init?(layout: PieceLayout, bytes: [UInt8]) {
        guard bytes.count == (layout.pieceCount + 7) / 8 else { return nil }
        let used = layout.pieceCount % 8
        if used != 0, let last = bytes.last, last >> UInt8(used) != 0 { return nil }
        pieceCount = layout.pieceCount
        bits = bytes
        count = bytes.reduce(0) { $0 + $1.nonzeroBitCount }
    }
}
