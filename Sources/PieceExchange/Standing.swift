import PieceModel

/// How peers have behaved, by name, so that it outlives their connections.
///
/// Bounded: beyond `recordsMax` names, records that bar nobody now are forgotten.
struct Standing: Sendable {
    static let recordsMax = 4096
    /// This many failures within the window bench a peer for long.
    static let faultsMax = 3
    static let faultWindowMillis: UInt64 = 60_000
    static let longBenchMillis: UInt64 = 300_000
    static let shortBenchMillis: UInt64 = 1_000
    static let banMillisMax: UInt64 = 86_400_000

    private struct Record: Sendable {
        var bans = 0
        var bannedUntil: Instant?
        var banReason = ExchangeAction.BanReason.protocolViolation
        var benchedUntil: Instant?
        var faults: [Instant] = []
        /// Wrong digests passed on in another node's name.
        var relayedLies = 0
    }

    private var records: [PeerName: Record] = [:]

    func ban(of name: PeerName, now: Instant) -> (until: Instant, reason: ExchangeAction.BanReason)? {
        guard let record = records[name], let until = record.bannedUntil, until > now else { return nil }
        return (until, record.banReason)
    }

    func benchedUntil(_ name: PeerName, now: Instant) -> Instant? {
        records[name]?.benchedUntil.flatMap { $0 > now ? $0 : nil }
    }

    /// The peer did not do what it promised.
    ///
    /// Returns until when it is not asked: a second, or five minutes for the third time within a minute.
    mutating func fault(_ name: PeerName, now: Instant) -> Instant {
        makeRoom(now)
        var record = records[name, default: Record()]
        record.faults.removeAll { $0.adding(milliseconds: Self.faultWindowMillis) <= now }
        record.faults.append(now)
        let isLong = record.faults.count >= Self.faultsMax
        if isLong { record.faults = [] }
        let until = now.adding(milliseconds: isLong ? Self.longBenchMillis : Self.shortBenchMillis)
        record.benchedUntil = max(until, record.benchedUntil ?? until)
        records[name] = record
        return record.benchedUntil ?? until
    }

    /// Bans the peer and returns until when; each further ban is four times as long, up to a day.
    mutating func ban(_ name: PeerName, _ reason: ExchangeAction.BanReason, now: Instant) -> Instant {
        makeRoom(now)
        let first: UInt64 =
            switch reason {
            case .wrongBytes, .protocolViolation: 60_000
            case .wrongDigests: 600_000
            }
        var record = records[name, default: Record()]
        let grown = first << UInt64(2 * min(record.bans, 8))
        record.bans += 1
        let until = now.adding(milliseconds: min(grown, Self.banMillisMax))
        record.bannedUntil = until
        record.banReason = reason
        records[name] = record
        return until
    }

    /// The peer passed on a wrong digest that it said was another's.
    ///
    /// That may be honest once: whoever forged it could have fooled it too. Returns whether it is now too
    /// often to believe.
    mutating func relayedLie(_ name: PeerName, now: Instant) -> Bool {
        makeRoom(now)
        records[name, default: Record()].relayedLies += 1
        return records[name, default: Record()].relayedLies >= Self.faultsMax
    }

    private mutating func makeRoom(_ now: Instant) {
        guard records.count >= Self.recordsMax else { return }
        records = records.filter { _, record in
            (record.bannedUntil ?? now) > now || (record.benchedUntil ?? now) > now
        }
        // All barred at once: names cost nothing to an attacker, so memory comes before memory of them.
        if records.count >= Self.recordsMax { records = [:] }
    }
}
