import PieceModel

/// Peers that are not talked to for a while. Holds a bounded number of names, because anybody can make one
/// up.
struct BanList {
    struct Ban {
        var cause: BanCause
        /// Monotonic nanoseconds.
        var until: UInt64
        /// Violations of the protocol so far.
        var strikes: Int
    }

    private static let countMax = 1024
    private static let violationSeconds = 10
    private static let strikesMax = 7

    private var bans: [PeerName: Ban] = [:]

    func ban(of name: PeerName, now: UInt64) -> Ban? {
        bans[name].flatMap { $0.until > now ? $0 : nil }
    }

    func current(now: UInt64) -> [(PeerName, Ban)] {
        bans.filter { $0.value.until > now }.map { ($0.key, $0.value) }
    }

    mutating func add(_ name: PeerName, cause: BanCause, until: UInt64) {
        if bans[name] == nil, bans.count >= Self.countMax,
            let first = bans.min(by: { $0.value.until < $1.value.until })
        {
            bans[first.key] = nil
        }
        bans[name] = Ban(cause: cause, until: until, strikes: bans[name]?.strikes ?? 0)
    }

    /// Bans for a time that doubles with each violation, from 10 seconds to about 20 minutes; returns the
    /// seconds.
    mutating func addViolation(_ name: PeerName, now: UInt64) -> Int {
        let strikes = min(bans[name]?.strikes ?? 0, Self.strikesMax)
        let seconds = Self.violationSeconds << strikes
        add(name, cause: .protocolViolation, until: now &+ UInt64(seconds) &* 1_000_000_000)
        bans[name]?.strikes = strikes + 1
        return seconds
    }
}
