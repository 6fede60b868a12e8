import PieceModel

/// How often this node gave each piece of a blob to the peers that listen for it, as long as any do.
struct Dispersal: Sendable {
    /// Saturates.
    private var given: [UInt8]
    /// Milliseconds of the clock at which the piece was given last, cut to 32 bits.
    private var givenAt: [UInt32]
    /// Pieces not given to anybody.
    private(set) var ungivenCount: Int

    init(pieceCount: Int) {
        given = [UInt8](repeating: 0, count: pieceCount)
        givenAt = [UInt32](repeating: 0, count: pieceCount)
        ungivenCount = pieceCount
    }

    func times(_ piece: PieceIndex) -> Int { Int(given[piece.value]) }

    mutating func gave(_ piece: PieceIndex, now: Instant) {
        let times = given[piece.value]
        if times == 0 { ungivenCount -= 1 }
        given[piece.value] = times == .max ? .max : times + 1
        givenAt[piece.value] = Self.millis(now)
    }

    func isGiven(_ piece: PieceIndex, withinMillis span: UInt32, now: Instant) -> Bool {
        given[piece.value] > 0 && Self.millis(now) &- givenAt[piece.value] < span
    }

    private static func millis(_ moment: Instant) -> UInt32 {
        UInt32(truncatingIfNeeded: moment.nanoseconds / 1_000_000)
    }
}
