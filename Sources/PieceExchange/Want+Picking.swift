/// Which piece next, and from where. Pure choices over the want's own state; nothing here asks or promises.
extension Want {
    /// Candidates compared before the rarest of them is taken: enough to find a rare one, few enough that
    /// picking does not grow with the blob.
    private static let samplesMax = 512

    /// The piece to ask this peer for: the first it offers inside the reader's window, else the rarest among
    /// a sample from `start` on: anywhere, so that nodes in step do not all ask for the same one, or the reader where
    /// no other node fetches the blob, because what comes in order is hashed as it comes.
    mutating func pick(from peer: PeerID, start: Int) -> Int? {
        guard hasClaim(of: peer), claims[peer].isCounted, !claims[peer].isDry, !open.isEmpty else { return nil }
        let windowEnd = min(reader + windowPieces, pieceCount)
        if let piece = (reader..<windowEnd).first(where: { isAskable($0, of: peer) }) { return piece }
        return pickRarest(from: peer, start: start)
    }

    private mutating func pickRarest(from peer: PeerID, start: Int) -> Int? {
        var best: Int?
        var leastSupply = UInt16.max
        var samples = 0
        var leftToOrigin = false
        let wordCount = open.words.count
        let first = start >> 6
        scan: for step in 0...wordCount {
            let index = (first + step) % wordCount
            var candidates = open.words[index] & claims[peer].held.words[index] & claims[peer].told.words[index]
            if candidates != 0 { candidates &= worthAsking(peer, word: index) }
            if deferringCount > 0, let deferred = claims[peer].deferred { candidates &= ~deferred.words[index] }
            // The word of the start is visited twice: first from the start on, at the end up to it.
            let above = UInt64.max << UInt64(start & 63)
            if step == 0 { candidates &= above } else if step == wordCount { candidates &= ~above }
            while candidates != 0 {
                let piece = index << 6 + candidates.trailingZeroBitCount
                candidates &= candidates - 1
                if origin.isAbout(toRead: piece, lead: originLead) {
                    leftToOrigin = true
                    continue
                }
                if supply[piece] < leastSupply {
                    leastSupply = supply[piece]
                    best = piece
                }
                samples += 1
                if leastSupply <= 1 || samples >= Self.samplesMax { break scan }
            }
        }
        if best == nil, !leftToOrigin { claims[peer].isDry = true }
        return best
    }

    private func isAskable(_ piece: Int, of peer: PeerID) -> Bool {
        open.contains(piece) && claims[peer].offers(piece) && !claims[peer].isDeferred(piece)
            && isWorthAsking(peer, piece) && !origin.isAbout(toRead: piece, lead: originLead)
    }

    /// The run of pieces to read from the registry next: the first that need it from the reader on, else from
    /// the blob's start.
    mutating func nextOriginRun() -> Range<Int>? {
        guard !needsNoOrigin else { return nil }
        guard let start = firstNeedingOrigin(from: reader) ?? firstNeedingOrigin(from: 0) else {
            needsNoOrigin = true
            return nil
        }
        var end = start + 1
        while end < pieceCount, needsOrigin(end) { end += 1 }
        return start..<end
    }

    /// The first pieces within a grant that still have to be read.
    func originRun(in granted: Range<Int>) -> Range<Int>? {
        guard let start = granted.first(where: needsOrigin) else { return nil }
        var end = start + 1
        while end < granted.upperBound, needsOrigin(end) { end += 1 }
        return start..<end
    }

    /// Peers failed to bring some pieces that nobody else offers.
    var hasFailedPieces: Bool {
        !forced.isEmpty && !runsNeedingOrigin(onlyFailed: true, atMost: 1).isEmpty
            || failures.keys.contains { needsOrigin($0) && !isMine($0) }
    }

    /// Pieces to ask a grant for, in order: all that need the registry, or those that peers failed.
    func runsNeedingOrigin(onlyFailed: Bool, atMost count: Int) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        for index in open.words.indices {
            var needed = openToOrigin(word: index)
            while needed != 0 {
                let piece = index << 6 + needed.trailingZeroBitCount
                needed &= needed - 1
                guard !isMine(piece), !onlyFailed || failures[piece] != nil || forced.contains(piece) else { continue }
                if let last = runs.last, last.upperBound == piece {
                    runs[runs.count - 1] = last.lowerBound..<(piece + 1)
                } else if runs.count == count {
                    return runs
                } else {
                    runs.append(piece..<(piece + 1))
                }
            }
        }
        return runs
    }

    private func isMine(_ piece: Int) -> Bool {
        permit.reading?.contains(piece) == true || origin.remaining?.contains(piece) == true || isInTail(piece)
    }

    func needsOrigin(_ piece: Int) -> Bool {
        open.contains(piece) && !isInTail(piece) && (!covered.contains(piece) || forced.contains(piece))
            && (importable?.contains(piece) ?? true)
    }

    /// Of the pieces of this word, those that need the registry.
    private func openToOrigin(word index: Int) -> UInt64 {
        let needed = open.words[index] & (~covered.words[index] | forced.words[index]) & importableWord(index)
        guard let tail = origin.tail else { return needed }
        return tail.reduce(needed) { $1 >> 6 == index ? $0 & ~(1 << UInt64($1 & 63)) : $0 }
    }

    private func isInTail(_ piece: Int) -> Bool { origin.tail?.contains(piece) == true }

    private func firstNeedingOrigin(from start: Int) -> Int? {
        var index = start >> 6
        var mask = UInt64.max << UInt64(start & 63)
        while index < open.words.count {
            let needed = openToOrigin(word: index) & mask
            if needed != 0 { return index << 6 + needed.trailingZeroBitCount }
            mask = .max
            index += 1
        }
        return nil
    }

    /// Pieces that one peer alone was asked for, longest ago first: those worth asking another peer for.
    func endgamePieces() -> [(piece: Int, request: UInt32)] { isEndgame ? lonePieces() : [] }

    func lonePieces() -> [(piece: Int, request: UInt32)] {
        flights.compactMap { piece, flight in
            guard flight.checking == nil, flight.requests.count == 1 else { return nil }
            return (piece, flight.requests[0])
        }.sorted { ($0.request, $0.piece) < ($1.request, $1.piece) }
    }
}
