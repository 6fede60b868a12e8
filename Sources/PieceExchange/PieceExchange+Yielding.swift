import PieceModel

/// A node whose links are far slower than the others' does not read from the registry for them: all would wait for the
/// pieces that it was granted.
///
/// What is slow is said by the others' progress and not by a clock, so that a registry that is slow for all changes
/// nothing.
extension PieceExchange {
    /// The pause between two grants doubles up to this many times.
    private static let doublingsMax = 4
    private static let lookMillis: UInt64 = 250

    /// Gives back what this node was granted and is slow to read, or to hand on.
    mutating func yieldIfSlow(_ id: WantID) {
        guard wants[id].permit.reading != nil, let remaining = wants[id].origin.remaining, !remaining.isEmpty,
            audiences[wants[id].blob] != nil, wants[id].importable == nil
        else { return }
        guard isReadingSlowly(id) || isBehindWithGiving(id) else { return wants[id].slowSince = nil }
        // Who was cut off for a moment hears all the news at once, and then reads on.
        let since = wants[id].slowSince ?? now
        wants[id].slowSince = since
        let due = since.adding(milliseconds: Self.lookMillis)
        guard due <= now else { return arm(want: id, at: due) }
        wants[id].slowSince = nil
        stopOrigin(id)
        giveBackGrants(id)
        let pause = limits.yieldMillis << UInt64(min(wants[id].yields, Self.doublingsMax))
        wants[id].yields += 1
        wants[id].permit.retryAt = now.adding(milliseconds: pause)
    }

    /// Whether there is to be no grant for now; then it is looked at again soon.
    mutating func waitsToGive(_ id: WantID) -> Bool {
        guard isBehindWithGiving(id) else { return false }
        arm(want: id, at: now.adding(milliseconds: Self.lookMillis))
        return true
    }

    /// As many nodes as may read at once, or as there are neighbours, each have read several pieces meanwhile.
    private func isReadingSlowly(_ id: WantID) -> Bool {
        let readers = min(max(wants[id].claimCount, Self.readersMin), limits.originFetchersMax)
        return wants[id].coveredSinceRead > limits.slowReaderFactor * readers
    }

    /// Of few neighbours one may have read much at once.
    private static let readersMin = 4

    /// A piece that was read for the others waits to be given to the first of them, behind others.
    private mutating func isBehindWithGiving(_ id: WantID) -> Bool {
        guard uploads.waiting > 0, let dispersal = audiences[wants[id].blob]?.dispersal else { return false }
        while let first = wants[id].readForOthers.first, dispersal.times(wants[id].index(first.piece)) > 0 {
            wants[id].readForOthers.removeFirst()
        }
        guard let first = wants[id].readForOthers.first else { return false }
        // Large pieces take their time with everybody.
        let usual = wants[id].pace.ninetieth ?? 0
        return first.at.adding(nanoseconds: max(limits.handOnMillis * 1_000_000, usual)) <= now
    }
}
