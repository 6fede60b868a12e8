/// How often something took how long. Bounds are fixed, so histograms of many nodes can be added up.
package struct Histogram: Equatable, Sendable {
    /// Upper bounds of the buckets in seconds, rising.
    package let bounds: [Double]
    /// One more than bounds: the last holds what exceeded them all.
    private var counts: [UInt64]
    package private(set) var sum = 0.0
    package private(set) var count: UInt64 = 0

    package init(bounds: [Double]) {
        assert(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "bounds rise")
        self.bounds = bounds
        counts = [UInt64](repeating: 0, count: bounds.count + 1)
    }

    package mutating func observe(seconds: Double) {
        counts[bounds.firstIndex { seconds <= $0 } ?? bounds.count] += 1
        sum += seconds
        count += 1
    }

    package mutating func observe(nanoseconds: UInt64) {
        observe(seconds: Double(nanoseconds) / 1e9)
    }

    /// Each bound with all that was at most as long; `nil` stands for no bound.
    package var cumulative: [(bound: Double?, count: UInt64)] {
        var total: UInt64 = 0
        return zip(bounds.map(Optional.some) + [nil], counts).map { bound, count in
            total += count
            return (bound, total)
        }
    }
}
