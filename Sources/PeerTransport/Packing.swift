/// How a piece is made ready for a peer.
enum Packing: Hashable, Sendable {
    /// As it lies in the file.
    case none
    case zstd(level: Int32)

    /// That a piece was tried, whether or not it got smaller.
    struct Attempt: Sendable {
        let level: Int32
        let bytes: Int
        let packedBytes: Int
        let nanoseconds: UInt64
    }
}

/// Chooses for each piece what brings most bytes of pieces to the peer in a second: as many as the path carries packed
/// so well, or as many as can be packed so, whichever is less.
///
/// zstd is there to spare the network, not to keep it waiting. Pieces are small and pack worse than whole files: a
/// slow path leaves the time to win that back with a higher level. On a fast one packing is what all would wait for.
struct PackingChoice {
    private struct Level {
        let level: Int32
        /// Of a library's files, in pieces of 64 KiB, by one core of a Xeon: until pieces were packed here, and beyond
        /// that as a measure of one level against another.
        let bytesPerSecond: Double
        /// How much smaller than by level 3 they get.
        let gain: Double
    }

    private static let levels = [
        Level(level: 1, bytesPerSecond: 230e6, gain: 0.96),
        Level(level: 3, bytesPerSecond: 150e6, gain: 1),
        Level(level: 5, bytesPerSecond: 87e6, gain: 1.04),
        Level(level: 6, bytesPerSecond: 60e6, gain: 1.06),
    ]
    /// Where nothing is known of the path. On a slow one it is most of what there is to win, on a fast one little lost.
    private static let quick: Int32 = 1
    /// Of what can be packed: processors have more to do, and packing just as fast as the path would hold it up time
    /// and again.
    private static let usedPart = 0.5
    /// Of libuv's pool.
    private static let threadsMax = 4
    /// Below, the path is too fast to pack for: the processors have better things to do.
    private static let worthwhile = 1.25
    /// An effort that gains less is none worth making.
    private static let step = 1.01
    /// Of what one piece adds to what is known, and of what is forgotten with each that is not packed.
    private static let newPart = 1.0 / 16
    private static let forgottenPart = 1.0 / 64
    private static let usualSize = 0.4
    /// From there on a piece is sent as it is (`PreparedPiece`), and no level makes a difference.
    private static let sizeWorthwhile = 0.95
    private static let sizes = 0.01...1.0
    private static let times = 0.01...1_000.0

    private let threads: Double
    /// Of lately: the time that a thread takes here, beside all else that runs, for what takes 1 by the figures of
    /// `levels`; and the part of a piece that level 3 leaves.
    private var time = 1.0
    private var size = usualSize

    init(processors: Int) { threads = Double(min(max(processors, 1), Self.threadsMax)) }

    /// For the next piece to a peer that takes zstd, over a path of `pace` bytes a second, if that is known; `share`,
    /// up to 1, is the peer's of all uploads.
    mutating func next(pace: Double?, share: Double) -> Packing {
        guard let pace else { return .zstd(level: Self.quick) }
        var best = (packing: Packing.none, bytesPerSecond: pace)
        for level in Self.levels {
            let packed = level.bytesPerSecond / time * threads * share * Self.usedPart
            guard packed >= pace * Self.worthwhile else { continue }
            let carried = min(packed, size < Self.sizeWorthwhile ? pace / size * level.gain : pace)
            if carried >= best.bytesPerSecond * Self.step { best = (.zstd(level: level.level), carried) }
        }
        if best.packing == .none { forget() }
        return best.packing
    }

    /// `beside` pieces were being packed at the time, this one with them.
    mutating func tried(_ attempt: Packing.Attempt, beside: Int) {
        guard let level = Self.levels.first(where: { $0.level == attempt.level }), attempt.bytes > 0 else { return }
        // Those of its own kind are no news: `threads` has them.
        let crowd = max(Double(min(beside, Self.threadsMax)) / threads, 1)
        let expected = Double(attempt.bytes) / level.bytesPerSecond * crowd
        let taken = Double(attempt.nanoseconds) / 1e9 / expected
        let left = Double(attempt.packedBytes) / Double(attempt.bytes) * level.gain
        time += (Self.within(Self.times, taken) - time) * Self.newPart
        size += (Self.within(Self.sizes, left) - size) * Self.newPart
    }

    private static func within(_ bounds: ClosedRange<Double>, _ value: Double) -> Double {
        min(max(value, bounds.lowerBound), bounds.upperBound)
    }

    /// What is not used is not measured again: that it was bad once must not rule it out for ever.
    private mutating func forget() {
        time += (1 - time) * Self.forgottenPart
        size += (Self.usualSize - size) * Self.forgottenPart
    }
}
