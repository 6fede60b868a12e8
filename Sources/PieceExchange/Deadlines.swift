import OCIModel

/// Whose affairs have to be looked at when an alarm rings.
enum Alarm: Equatable, Sendable {
    case peer(PeerID)
    case want(WantID)
    case audience(Digest)
}

/// Alarms by time.
///
/// Each owner (a peer, a want, an audience) has at most one valid alarm: the earliest moment at which
/// something of its own is due, which it also remembers as `armed`. An entry whose owner remembers another
/// moment is stale and is skipped, so moving an alarm forward costs a push and never a search.
struct Deadlines: Sendable {
    struct Entry: Sendable {
        let at: Instant
        /// Breaks ties in the order of arming, so that a run does not depend on the heap's shape.
        let sequence: UInt64
        let alarm: Alarm

        static func isBefore(_ left: Entry, _ right: Entry) -> Bool {
            left.at != right.at ? left.at < right.at : left.sequence < right.sequence
        }
    }

    private var heap: [Entry] = []
    private var sequence: UInt64 = 0

    var earliest: Entry? { heap.first }

    mutating func push(_ alarm: Alarm, at: Instant) {
        sequence &+= 1
        heap.append(Entry(at: at, sequence: sequence, alarm: alarm))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard Entry.isBefore(heap[child], heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> Entry? {
        guard let top = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return top }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && Entry.isBefore(heap[child], heap[least]) {
                least = child
            }
            if least == parent { return top }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}

extension PieceExchange {
    mutating func arm(peer: PeerID, at moment: Instant) {
        if let armed = peers[peer].armed, armed <= moment { return }
        peers[peer].armed = moment
        deadlines.push(.peer(peer), at: moment)
    }

    mutating func arm(want: WantID, at moment: Instant) {
        if let armed = wants[want].armed, armed <= moment { return }
        wants[want].armed = moment
        deadlines.push(.want(want), at: moment)
    }

    mutating func arm(audience blob: Digest, at moment: Instant) {
        guard let audience = audiences[blob] else { return }
        if let armed = audience.armed, armed <= moment { return }
        audiences[blob]?.armed = moment
        deadlines.push(.audience(blob), at: moment)
    }

    /// Rings every alarm that is due.
    mutating func ring() {
        while let entry = deadlines.earliest, entry.at <= now {
            _ = deadlines.pop()
            guard isValid(entry) else { continue }
            switch entry.alarm {
            case .peer(let peer):
                peers[peer].armed = nil
                peerIsDue(peer)
            case .want(let want):
                wants[want].armed = nil
                touch(want: want)
            case .audience(let blob):
                audiences[blob]?.armed = nil
                announce(blob)
            }
        }
    }

    /// Drops stale alarms from the front, so that `nextDeadline` names a moment at which something is due.
    mutating func dropStaleAlarms() {
        while let entry = deadlines.earliest, !isValid(entry) { _ = deadlines.pop() }
    }

    private func isValid(_ entry: Deadlines.Entry) -> Bool {
        switch entry.alarm {
        case .peer(let peer): peers[peer].isConnected && peers[peer].armed == entry.at
        case .want(let want): wants[want].isLive && wants[want].armed == entry.at
        case .audience(let blob): audiences[blob]?.armed == entry.at
        }
    }
}
