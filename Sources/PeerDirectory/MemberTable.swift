import PieceModel

/// What one source has said about who is there: a pure state machine, answers and time in, endpoints out.
///
/// Invariants: at most `countMax` endpoints; one goes only when an answer came without it at least
/// `graceNanoseconds` after the first that lacked it. So a source that is silent takes nothing away, and neither
/// does one wrong answer.
struct MemberTable {
    /// More peers than any node dials; an answer may name any number.
    static let countMax = 4096

    private let graceNanoseconds: UInt64
    private let countMax: Int
    /// For each endpoint, since when answers lack it.
    private var missingSince: [PeerEndpoint: UInt64?] = [:]

    init(graceNanoseconds: UInt64, countMax: Int = MemberTable.countMax) {
        self.graceNanoseconds = graceNanoseconds
        self.countMax = countMax
    }

    /// Sorted.
    var endpoints: [PeerEndpoint] { missingSince.keys.sorted() }
    var count: Int { missingSince.count }

    /// Takes an answer; an incomplete one (some of the servers failed, the list was cut) says nothing about those
    /// it lacks. Monotonic nanoseconds.
    ///
    /// Beyond the bound those that are missing make room first; the rest of the answer is left out.
    mutating func heard(_ listed: some Sequence<PeerEndpoint>, isComplete: Bool, now: UInt64) {
        let present = Set(listed)
        if isComplete { dropMissing(except: present, now: now) }
        for endpoint in listed {
            if missingSince[endpoint] == nil, count >= countMax { makeRoom() }
            guard missingSince[endpoint] != nil || count < countMax else { continue }
            missingSince[endpoint] = .some(nil)
        }
        assert(count <= countMax)
    }

    private mutating func dropMissing(except present: Set<PeerEndpoint>, now: UInt64) {
        for (endpoint, since) in missingSince where !present.contains(endpoint) {
            guard let since else {
                missingSince[endpoint] = .some(now)
                continue
            }
            if now >= since, now - since >= graceNanoseconds { missingSince[endpoint] = nil }
        }
    }

    private mutating func makeRoom() {
        let longest = missingSince.min { left, right in
            (left.value ?? .max, left.key) < (right.value ?? .max, right.key)
        }
        if let longest, longest.value != nil { missingSince[longest.key] = nil }
    }
}
