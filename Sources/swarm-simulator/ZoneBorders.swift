/// The links by which the zones are reached: whatever comes from another zone, or from the registry, has to pass
/// that of its receiver's.
struct ZoneBorders {
    /// Bytes of pieces that entered each zone.
    private(set) var bytes: [Double]
    private var links: [Downlink]
    private let isBounded: Bool

    /// `mbit` 0 for links without a bound.
    init(count: Int, mbit: Double) {
        bytes = Array(repeating: 0, count: count)
        links = Array(repeating: Downlink(bitsPerSecond: max(1, mbit) * 1e6), count: count)
        isBounded = mbit > 0
    }

    /// When bytes that would reach their receiver's line at `arrival` do.
    mutating func enter(_ zone: Int?, from other: Int?, bytes count: Double, arrival: UInt64) -> UInt64 {
        guard let zone, zone != other else { return arrival }
        bytes[zone] += count
        return isBounded ? links[zone].receive(count, arrival: arrival) : arrival
    }
}

extension Simulation {
    func zone(of node: Int) -> Int? { settings.zones > 0 ? node % settings.zones : nil }
}
