/// How long the peers took for the last pieces of a want, each from the request to its payload: with all that was
/// queued before it, because a want asks each peer for about as many at a time.
struct Pace: Sendable {
    private static let samplesMax = 64
    /// Fewer say nothing about what is usual.
    static let samplesMin = 16

    private var nanos: [UInt64] = []
    private var oldest = 0

    mutating func add(nanoseconds: UInt64) {
        if nanos.count < Self.samplesMax { return nanos.append(nanoseconds) }
        nanos[oldest] = nanoseconds
        oldest = (oldest + 1) % Self.samplesMax
    }

    /// Nine of ten did not take longer, in nanoseconds; `nil` while too few are known.
    var ninetieth: UInt64? {
        guard nanos.count >= Self.samplesMin else { return nil }
        return nanos.sorted()[nanos.count * 9 / 10]
    }
}
