/// The number of a piece inside its blob; made only by a `PieceLayout`, so it is always within range there.
package struct PieceIndex: Hashable, Sendable, Comparable {
    package let value: Int

    fileprivate init(unchecked value: Int) {
        self.value = value
    }

    package static func < (left: PieceIndex, right: PieceIndex) -> Bool { left.value < right.value }
}

/// How a blob of a known size is cut into pieces: all of `pieceBytes`, the last one possibly shorter.
///
/// Every node computes the layout from the size alone, so nobody has to agree on it over the network.
package struct PieceLayout: Hashable, Sendable {
    package static let pieceBytesMin = 64 << 10
    package static let pieceBytesMax = 1 << 20
    /// Pieces grow, up to `pieceBytesMax`, so that a blob has no more than these; one of 2^n bytes has then 1024.
    private static let pieceCountAim: Int64 = 1400
    /// 256 GiB: far above any layer, and the bit field of its pieces fits into one message of the wire.
    package static let blobBytesMax: Int64 = 1 << 38

    /// Size of the blob in bytes, at least 1.
    package let blobBytes: Int64
    /// Size of every piece but the last: a power of two between `pieceBytesMin` and `pieceBytesMax`.
    package let pieceBytes: Int

    /// `nil` when the size is not within `1...blobBytesMax`.
    ///
    /// A piece is about a thousandth of the blob (700 to 1400 pieces): only whole pieces can be passed on, so small
    /// pieces make a swarm fast, and below 64 KiB the cost of handling each one wins.
    package init?(blobBytes: Int64) {
        guard blobBytes >= 1, blobBytes <= Self.blobBytesMax else { return nil }
        self.blobBytes = blobBytes
        var size = Self.pieceBytesMin
        while size < Self.pieceBytesMax, Int64(size) * Self.pieceCountAim < blobBytes { size <<= 1 }
        pieceBytes = size
    }

    package var pieceCount: Int {
        Int((blobBytes + Int64(pieceBytes) - 1) / Int64(pieceBytes))
    }

    /// The piece of that number, or `nil` when the blob has no such piece.
    package func piece(_ number: some BinaryInteger) -> PieceIndex? {
        guard let value = Int(exactly: number), value >= 0, value < pieceCount else { return nil }
        return PieceIndex(unchecked: value)
    }

    /// The piece that holds the byte at `offset`, or `nil` past the blob's end.
    package func piece(holding offset: Int64) -> PieceIndex? {
        guard offset >= 0, offset < blobBytes else { return nil }
        return PieceIndex(unchecked: Int(offset / Int64(pieceBytes)))
    }

    /// Offset of the piece's first byte.
    package func start(of piece: PieceIndex) -> Int64 {
        precondition(piece.value < pieceCount, "the piece belongs to another layout")
        return Int64(piece.value) * Int64(pieceBytes)
    }

    /// Offset one past the piece's last byte.
    package func end(of piece: PieceIndex) -> Int64 {
        min(start(of: piece) + Int64(pieceBytes), blobBytes)
    }

    /// Size of the piece in bytes: at least 1, at most `pieceBytes`.
    package func byteCount(of piece: PieceIndex) -> Int {
        Int(end(of: piece) - start(of: piece))
    }

    /// All pieces in order.
    package var pieces: some RandomAccessCollection<PieceIndex> {
        (0..<pieceCount).lazy.map { PieceIndex(unchecked: $0) }
    }
}
