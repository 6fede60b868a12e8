/// What goes wrong in a run, how often, at moments and places that the seed draws.
struct Faults {
    /// Faults happen within this many seconds from the start; liars lie to the end.
    var seconds = 20.0
    /// Connections that break, with all that was under way on them.
    var breaks = 0
    /// Times that a part of the nodes is cut off from the others, half of these times from the registry too.
    var partitions = 0
    /// Nodes that die; each comes back with what was on its disk, or another takes its place.
    var churn = 0
    /// Nodes that lie, each in one of the ways of `Lie`.
    var liars = 0
    /// Times that the node dies that keeps the most grants.
    var keeperLosses = 0
    /// Times that the registry refuses, or takes connections and says nothing.
    var outages = 0
    /// Times that the registry is slow.
    var slowdowns = 0
    /// Links are up to so many times as slow as the settings say, latencies up to so many times as long.
    var rateSpread = 1.0
    var latencySpread = 1.0

    /// Longest partition, outage or slowdown, in seconds.
    static let spellMax = 8.0

    var isAny: Bool { happen || liars > 0 }

    /// Whether anything goes wrong that ends.
    var happen: Bool { breaks + partitions + churn + keeperLosses + outages + slowdowns > 0 }

    static func drawn(nodes: Int, _ dice: inout Dice) -> Faults {
        var faults = Faults()
        func some(_ share: Double, upTo most: Int) -> Int { dice.chance(share) ? 1 + dice.below(most) : 0 }
        faults.breaks = some(0.6, upTo: 20 * nodes)
        faults.partitions = some(0.4, upTo: 3)
        faults.churn = some(0.5, upTo: nodes)
        faults.liars = min(some(0.4, upTo: max(1, nodes / 4)), nodes - 1)
        faults.keeperLosses = some(0.4, upTo: 3)
        faults.outages = some(0.4, upTo: 2)
        faults.slowdowns = some(0.3, upTo: 2)
        if dice.chance(0.4) { faults.rateSpread = 1 + 4 * dice.fraction() }
        if dice.chance(0.4) { faults.latencySpread = 1 + 19 * dice.fraction() }
        return faults
    }
}

/// How a node deceives the others. Its own exchange is always the real one; what it says and sends is twisted.
enum Lie: CaseIterable {
    /// Sends other bytes than it promised.
    case bytes
    /// Tells digests of its own making for pieces it read, and sends bytes that fit them.
    case digests
    /// The same in another node's name.
    case blame
    /// Tells true digests, and of some pieces sends other bytes, which fit what it says of the blob's chain.
    case chain
    /// Takes requests and never answers.
    case silence
    /// Says that it has all pieces, with invented digests.
    case haves
    /// Says of itself that it holds some other number of pieces than it does, so as to be served first, or to have
    /// others served last.
    case count
    /// Says for ever that it is about to read what it was granted.
    case grants
    /// Refuses every grant that it is asked for.
    case refusals
}
