import PieceExchange
package import Telemetry

/// What the swarm has done since it was made. Zones are as peers say them, at most `zonesMax` of them by name;
/// registries those that the options name and so many more; what is beyond is `BoundedLabels.other`.
package struct SwarmCounters: Sendable {
    package struct Supply: Hashable, Sendable {
        /// Empty where nobody said from which registry the blob is.
        package var registry: String
        /// The zone of the peer; empty if it has none.
        package var zone: String

        package init(registry: String, zone: String) {
            self.registry = registry
            self.zone = zone
        }
    }

    package static let zonesMax = 64
    private static let otherRegistriesMax = 32
    private static let pieceBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    /// Bytes of pieces from peers that matched and were stored.
    package private(set) var supplied: [Supply: UInt64] = [:]
    /// All pieces that came and went, by the zone of the peer.
    package private(set) var received: [String: PieceTraffic] = [:]
    package private(set) var sent: [String: PieceTraffic] = [:]
    package internal(set) var piecesStored: UInt64 = 0
    package internal(set) var piecesWrong: UInt64 = 0
    /// Pieces that matched and that the disk did not take.
    package internal(set) var piecesUnstored: UInt64 = 0
    /// From asking a peer for a piece until it is checked and stored.
    package private(set) var pieceTimes = Histogram(bounds: pieceBounds)
    package internal(set) var uploadsRunning = 0
    package internal(set) var originBytes: Int64 = 0
    package internal(set) var grantsGiven: UInt64 = 0
    package internal(set) var grantsDenied: UInt64 = 0
    package internal(set) var grantsReceived: UInt64 = 0
    package internal(set) var grantsRefused: UInt64 = 0
    package internal(set) var grantsUnanswered: UInt64 = 0

    private var zones = BoundedLabels(countMax: zonesMax)
    private var registries: BoundedLabels
    private var askedAt: [UInt32: UInt64] = [:]
    /// Many more than there can be requests under way; those that ended without an answer are forgotten then.
    private static let askedMax = 16_384

    init(registries: [String]) {
        self.registries = BoundedLabels(countMax: registries.count + Self.otherRegistriesMax, known: registries)
    }

    mutating func count(received bytes: Int, wire: Int, from zone: String) {
        received[zones.label(zone), default: PieceTraffic()].count(raw: bytes, wire: wire)
    }

    mutating func count(sent traffic: PieceTraffic, to zone: String) {
        sent[zones.label(zone), default: PieceTraffic()].add(traffic)
    }

    // MARK: Pieces asked for; a request's number is unique among those under way

    mutating func asked(_ request: UInt32, now: UInt64) {
        if askedAt.count >= Self.askedMax { askedAt = [:] }
        askedAt[request] = now
    }

    mutating func gaveUp(_ request: UInt32) { askedAt[request] = nil }

    mutating func stored(_ request: UInt32, bytes: Int, registry: String, zone: String, now: UInt64) {
        piecesStored += 1
        let supply = Supply(registry: registry.isEmpty ? "" : registries.label(registry), zone: zones.label(zone))
        supplied[supply, default: 0] += UInt64(clamping: bytes)
        if let began = askedAt.removeValue(forKey: request) { pieceTimes.observe(nanoseconds: now &- began) }
    }
}

extension SwarmCounters {
    mutating func take(_ grants: GrantCounters) {
        grantsGiven = grants.given
        grantsDenied = grants.denied
        grantsReceived = grants.received
        grantsRefused = grants.refused
        grantsUnanswered = grants.unanswered
    }
}
