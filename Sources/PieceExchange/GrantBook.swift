import PieceModel

/// What one member knows of who reads which pieces of one blob from the registry. Soft state: whoever loses
/// it, or another member that takes over, learns it again from what the holders report.
///
/// A grant is *running* while its holder reports; *read* when the holder says that it has the pieces, which
/// it is then given time to hand on; gone when that time is over, when the holder gives it back, falls silent or
/// leaves. Two grants never share a piece; `taken` are the pieces of all grants.
struct GrantBook: Sendable {
    struct Grant: Equatable, Sendable {
        let holder: PeerName
        var pieces: Range<Int>
        var isRead: Bool
        /// Running: when the holder is taken for dead. Read: until when others wait for it to hand them on.
        var until: Instant
        /// Read: when it was.
        var readAt: Instant
    }

    struct Taker: Equatable, Sendable {
        var grantsRead = 0
        var askedAt: Instant
        var isWaiting = false
    }

    /// A first grant is this part of the blob, so that all who come at once get some.
    private static let firstShare = 64
    /// No grant is smaller, unless nothing more is left: each is a request to the registry.
    private static let bytesMin = 256 << 10
    /// Grants that one holder may have at once: the one it reads, what is left of the one before, and the next.
    private static let grantsEach = 3
    private static let takerMillis: UInt64 = 5_000
    private static let takersMax = 16_384

    let layout: PieceLayout
    private(set) var grants: [Grant] = []
    private(set) var taken: Bits
    private(set) var takers: [PeerName: Taker] = [:]
    private(set) var usedAt: Instant

    init(layout: PieceLayout, now: Instant) {
        self.layout = layout
        taken = Bits(capacity: layout.pieceCount)
        usedAt = now
    }

    /// The first of the wanted pieces that nobody reads or has read, as many as are this taker's share.
    mutating func request(
        _ wanted: [Range<Int>],
        isRetry: Bool,
        by asker: PeerName,
        limits: ExchangeLimits,
        now: Instant
    ) -> GrantAnswer {
        usedAt = now
        expire(now)
        note(asker, now)
        let refusal = GrantAnswer.refused(retryAfterMillis: min(2_000, 100 + 25 * UInt64(takers.count)))
        guard isInTurn(asker, limits) else {
            takers[asker]?.isWaiting = true
            return refusal
        }
        if isRetry { release(wanted, readBefore: now, limits) }
        guard let (start, run) = firstFree(wanted) else {
            takers[asker]?.isWaiting = true
            return refusal
        }
        var end = start + 1
        let most = start + share(of: asker)
        while end < min(run.upperBound, most), !taken.contains(end) { end += 1 }
        let until = now.adding(milliseconds: limits.grantSilenceMillis)
        add(Grant(holder: asker, pieces: start..<end, isRead: false, until: until, readAt: now))
        takers[asker]?.isWaiting = false
        return .granted(start..<end)
    }

    /// A holder says how far it is; what it reads without a grant of this book is taken for one.
    mutating func report(
        _ pieces: Range<Int>,
        read: Int,
        isOver: Bool,
        by holder: PeerName,
        limits: ExchangeLimits,
        now: Instant
    ) {
        usedAt = now
        expire(now)
        let silence = now.adding(milliseconds: limits.grantSilenceMillis)
        for index in grants.indices where grants[index].holder == holder && !grants[index].isRead {
            grants[index].until = silence
        }
        remove { $0.holder == holder && !$0.isRead && $0.pieces.overlaps(pieces) }
        let middle = pieces.lowerBound + read
        let hold = now.adding(milliseconds: limits.grantHoldMillis)
        for run in free(in: pieces.lowerBound..<middle) {
            add(Grant(holder: holder, pieces: run, isRead: true, until: hold, readAt: now))
        }
        guard !isOver else {
            takers[holder]?.grantsRead += 1
            return
        }
        for run in free(in: middle..<pieces.upperBound) {
            add(Grant(holder: holder, pieces: run, isRead: false, until: silence, readAt: now))
        }
    }

    /// The holder is gone, and with it perhaps all copies of what it read.
    mutating func lose(_ holder: PeerName) {
        takers[holder] = nil
        remove { $0.holder == holder }
    }

    private mutating func note(_ asker: PeerName, _ now: Instant) {
        if takers[asker] == nil, takers.count >= Self.takersMax { takers = [:] }
        takers[asker, default: Taker(askedAt: now)].askedAt = now
    }

    /// Whether the asker may have another grant before the others.
    private func isInTurn(_ asker: PeerName, _ limits: ExchangeLimits) -> Bool {
        let running = grants.filter { !$0.isRead }
        let own = running.lazy.filter { $0.holder == asker }.count
        guard own < Self.grantsEach else { return false }
        let holders = Set(running.map(\.holder))
        return own > 0 || holders.count < limits.originFetchersMax
    }

    private func firstFree(_ wanted: [Range<Int>]) -> (start: Int, run: Range<Int>)? {
        for run in wanted {
            if let start = run.first(where: { !taken.contains($0) }) { return (start, run) }
        }
        return nil
    }

    /// Of the smallest grant.
    static func piecesMin(_ layout: PieceLayout) -> Int { max(1, bytesMin / layout.pieceBytes) }

    private func share(of asker: PeerName) -> Int {
        let least = Self.piecesMin(layout)
        let first = max(least, layout.pieceCount / Self.firstShare)
        if takers.count == 1 {
            // Alone it would only wait for each next request: with every grant that it has read the next is doubled.
            // Not before: of many that come at once one is first, and what it got then it reads to the end.
            return first << min(takers[asker]?.grantsRead ?? 0, 20)
        }
        let left = layout.pieceCount - taken.count
        return max(least, min(first, left / (4 * takers.count)))
    }

    private func free(in pieces: Range<Int>) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        for piece in pieces where !taken.contains(piece) {
            if let last = runs.last, last.upperBound == piece {
                runs[runs.count - 1] = last.lowerBound..<(piece + 1)
            } else {
                runs.append(piece..<(piece + 1))
            }
        }
        return runs
    }

    private mutating func add(_ grant: Grant) {
        for piece in grant.pieces { taken.insert(piece) }
        grants.append(grant)
    }

    private mutating func remove(_ isGone: (Grant) -> Bool) {
        for grant in grants where isGone(grant) {
            for piece in grant.pieces { taken.remove(piece) }
        }
        grants.removeAll(where: isGone)
    }

    /// Pieces that were read long enough ago to have been handed on, and were not.
    private mutating func release(_ wanted: [Range<Int>], readBefore now: Instant, _ limits: ExchangeLimits) {
        remove { grant in
            grant.isRead && grant.readAt.adding(milliseconds: limits.pieceDeadlineMillis) <= now
                && wanted.contains { $0.overlaps(grant.pieces) }
        }
    }

    private mutating func expire(_ now: Instant) {
        remove { $0.until <= now }
        guard takers.contains(where: { $0.value.askedAt.adding(milliseconds: Self.takerMillis) <= now }) else {
            return
        }
        let holders = Set(grants.lazy.filter { !$0.isRead }.map(\.holder))
        takers = takers.filter { name, taker in
            taker.askedAt.adding(milliseconds: Self.takerMillis) > now || holders.contains(name)
        }
    }
}
