import OCIModel
import PieceModel

/// Telling interested peers what this node holds: digests first, then holdings, then batches of what comes
/// in.
extension PieceExchange {
    /// Piece digests told to one peer in one go, and in each turn after that; more would only fill its queue.
    static let digestsPerTurn = 32_768
    static let digestTurnMillis: UInt64 = 20
    /// A longer bit field does not fit a message beside its other fields.
    private static let bitFieldBytesMax = 48 << 10

    mutating func interest(in blob: Digest, from peer: PeerID) {
        guard noteInterest(of: peer, in: blob) else { return }
        audiences[blob, default: Audience()].listeners.append(Audience.Listener(peer: peer))
        considerNeighbour(peer, blob)
        dealImports(of: blob)
        proveIfHeard(blob)
        announce(blob)
    }

    /// The peer wants the blob, and does not listen, or no longer.
    mutating func intent(on blob: Digest, of peer: PeerID) {
        guard noteInterest(of: peer, in: blob) else { return }
        if let id = wantIDs[blob], wants[id].claimCount < neighboursAim { considerNeighbour(peer, blob) }
        dealImports(of: blob)
    }

    private mutating func noteInterest(of peer: PeerID, in blob: Digest) -> Bool {
        guard peers[peer].interests.contains(blob) || peers[peer].interests.count < limits.interestsPerPeerMax
        else {
            violate(peer)
            return false
        }
        peers[peer].interests.insert(blob)
        removeListener(peer, of: blob)
        return true
    }

    mutating func removeListener(_ peer: PeerID, of blob: Digest) {
        audiences[blob]?.listeners.removeAll { $0.peer == peer }
        if audiences[blob]?.listeners.isEmpty == true { audiences[blob] = nil }
    }

    /// What was said of the blob holds no longer: everybody is told anew.
    mutating func retell(_ blob: Digest) {
        guard let audience = audiences[blob] else { return }
        for index in audience.listeners.indices where audience.listeners[index].stage != .toldNothing {
            audiences[blob]?.listeners[index].stage = .unanswered
        }
        audiences[blob]?.fresh = []
        audiences[blob]?.batchDue = nil
        announce(blob)
    }

    /// A piece was stored: goes out with the next batch.
    mutating func stored(_ piece: Int, of want: WantID) {
        let blob = wants[want].blob
        guard audiences[blob] != nil else { return }
        audiences[blob]?.fresh.append(piece)
        if (audiences[blob]?.fresh.count ?? 0) >= limits.haveBatchMax { return flush(blob) }
        guard audiences[blob]?.batchDue == nil else { return }
        let due = now.adding(milliseconds: haveDelay(want))
        audiences[blob]?.batchDue = due
        arm(audience: blob, at: due)
    }

    /// As long as two pieces take to come, within bounds: each message costs as much as the pieces that it names.
    private func haveDelay(_ want: WantID) -> UInt64 {
        min(max(2 * wants[want].intervalNanos / 1_000_000, limits.haveDelayMillis), limits.haveDelayMillisMax)
    }

    /// Says everything that is due to be said of the blob.
    mutating func announce(_ blob: Digest) {
        guard let audience = audiences[blob] else { return }
        if let due = audience.batchDue, due <= now { flush(blob) }
        let source = announcedSource(of: blob)
        var isUnfinished = false
        for index in audience.listeners.indices {
            guard let listener = audiences[blob]?.listeners[index] else { continue }
            switch (listener.stage, source) {
            case (.current, _), (_, .comes): continue
            case (.toldNothing, .none): continue
            case (_, .none):
                send(.holdings(blob: blob, held: nil), to: listener.peer)
                audiences[blob]?.listeners[index].stage = .toldNothing
            case (.hearing(let next), .some(let holder)): tell(holder, of: blob, to: index, from: next)
            case (_, .some(let holder)): tell(holder, of: blob, to: index, from: 0)
            }
            if case .hearing = audiences[blob]?.listeners[index].stage { isUnfinished = true }
        }
        if let due = audiences[blob]?.batchDue { arm(audience: blob, at: due) }
        if isUnfinished { arm(audience: blob, at: now.adding(milliseconds: Self.digestTurnMillis)) }
    }

    /// The blob is whole now: who listens need not be told of single pieces any more.
    mutating func sayComplete(_ blob: Digest) {
        guard let audience = audiences[blob], let holding = holdings[blob] else { return }
        let held = PeerMessage.Holdings(blobBytes: holding.layout.blobBytes, complete: true, bits: [])
        for listener in audience.listeners where listener.stage == .current {
            send(.holdings(blob: blob, held: held), to: listener.peer)
        }
        announce(blob)
    }

    /// Sends the batch of fresh pieces to all who know the others.
    mutating func flush(_ blob: Digest) {
        guard let audience = audiences[blob], !audience.fresh.isEmpty, let id = wantIDs[blob] else { return }
        audiences[blob]?.fresh = []
        audiences[blob]?.batchDue = nil
        // Once all are proven, or the blob is whole, everybody is told anew.
        guard wants[id].unproven.isEmpty else { return }
        for (index, listener) in audience.listeners.enumerated() {
            audiences[blob]?.listeners[index].skip = 0
            switch listener.stage {
            case .unanswered: continue
            case .toldNothing: tell(.want(id), of: blob, to: index, from: 0)
            case .hearing, .current:
                let news = audience.fresh.dropFirst(listener.skip).filter { piece in
                    wants[id].held.contains(piece) && !wants[id].isKnownToHold(piece, listener.peer)
                }
                sendNews(news.sorted(), of: id, to: listener.peer)
            }
        }
    }

    private enum Holder {
        case want(WantID)
        case whole(Holding)
    }

    private enum Source {
        case none
        /// It is there; its digests are being loaded.
        case comes
        case some(Holder)
    }

    private mutating func announcedSource(of blob: Digest) -> Source {
        if holdings[blob] != nil {
            guard useDigests(of: blob), let holding = holdings[blob] else { return .comes }
            return .some(.whole(holding))
        }
        if let id = wantIDs[blob], !wants[id].held.isEmpty {
            return wants[id].unproven.isEmpty ? .some(.want(id)) : .comes
        }
        return .none
    }

    /// Tells the listener the digests of the pieces from `start` on, as many as a turn allows, and what is
    /// held.
    private mutating func tell(_ holder: Holder, of blob: Digest, to index: Int, from start: Int) {
        guard let listener = audiences[blob]?.listeners[index] else { return }
        let peer = listener.peer
        if peers[peer].digestTurnEnds <= now {
            peers[peer].digestTurnEnds = now.adding(milliseconds: Self.digestTurnMillis)
            peers[peer].digestAllowance = Self.digestsPerTurn
        }
        let layout = layout(of: holder)
        let (pieces, next) = heldPieces(holder, from: start, atMost: peers[peer].digestAllowance)
        peers[peer].digestAllowance -= pieces.count
        let isAll = next == layout.pieceCount
        let fits = (layout.pieceCount + 7) / 8 <= Self.bitFieldBytesMax
        let inOneGo = start == 0 && isAll && (fits || isWhole(holder))
        if start == 0, !inOneGo { sendHoldings(.none, layout, of: blob, to: peer) }
        tellDigests(pieces, of: holder, blob, to: peer)
        if inOneGo {
            sendHoldings(holder, layout, of: blob, to: peer)
        } else {
            sendHave(pieces, of: blob, to: peer)
            if isAll, isWhole(holder) { sendHoldings(holder, layout, of: blob, to: peer) }
        }
        audiences[blob]?.listeners[index].stage = isAll ? .current : .hearing(from: next)
        let known = audiences[blob]?.fresh.count ?? 0
        audiences[blob]?.listeners[index].skip = known
    }

    private func layout(of holder: Holder) -> PieceLayout {
        switch holder {
        case .want(let id): wants[id].layout
        case .whole(let holding): holding.layout
        }
    }

    private func isWhole(_ holder: Holder) -> Bool {
        if case .whole = holder { true } else { false }
    }

    /// Held pieces from `start` on, at most `count`, and the piece with which to go on.
    private func heldPieces(_ holder: Holder, from start: Int, atMost count: Int) -> (
        pieces: [Int], next: Int
    ) {
        switch holder {
        case .whole(let holding):
            let next = min(start + count, holding.layout.pieceCount)
            return (Array(start..<next), next)
        case .want(let id):
            var pieces: [Int] = []
            var piece = start
            while piece < wants[id].pieceCount, pieces.count < count {
                if wants[id].held.contains(piece) { pieces.append(piece) }
                piece += 1
            }
            return (pieces, piece)
        }
    }

    private mutating func sendHoldings(
        _ holder: Holder?,
        _ layout: PieceLayout,
        of blob: Digest,
        to peer: PeerID
    ) {
        var held = PeerMessage.Holdings(blobBytes: layout.blobBytes, complete: false, bits: [])
        switch holder {
        case .whole: held.complete = true
        case .want(let id):
            var set = PieceSet(layout: layout)
            wants[id].held.forEach { set.insert(wants[id].index($0)) }
            held.bits = set.bytes
        case nil: break
        }
        send(.holdings(blob: blob, held: held), to: peer)
    }

    private mutating func sendHave(_ pieces: [Int], of blob: Digest, to peer: PeerID) {
        let held = wantIDs[blob].map { wants[$0].held.count } ?? holdings[blob]?.layout.pieceCount ?? 0
        for start in stride(from: 0, to: pieces.count, by: PeerMessage.haveCountMax) {
            let page = pieces[start..<min(start + PeerMessage.haveCountMax, pieces.count)]
            send(.have(.init(blob: blob, pieces: page.map { UInt32($0) }, held: UInt32(held))), to: peer)
        }
    }

    /// Names fresh pieces and tells their digests in the same message.
    private mutating func sendNews(_ pieces: [Int], of id: WantID, to peer: PeerID) {
        let held = UInt32(wants[id].held.count)
        for start in stride(from: 0, to: pieces.count, by: PeerMessage.Have.newsMax) {
            var have = PeerMessage.Have(blob: wants[id].blob, pieces: [], held: held)
            for piece in pieces[start..<min(start + PeerMessage.Have.newsMax, pieces.count)] {
                guard let (digest, author) = digest(of: piece, .want(id)) else { continue }
                have.pieces.append(UInt32(piece))
                have.digests.append(digest)
                let index = have.authors.firstIndex(of: author) ?? have.authors.count
                if index == have.authors.count { have.authors.append(author) }
                have.authorOf.append(UInt32(index))
            }
            if !have.pieces.isEmpty { send(.have(have), to: peer) }
        }
    }

    /// Sends the digests of the pieces, given in ascending order: one message for each run of one author.
    private mutating func tellDigests(_ pieces: [Int], of holder: Holder, _ blob: Digest, to peer: PeerID) {
        var run: PeerMessage.PieceDigests?
        for piece in pieces {
            guard let (digest, author) = digest(of: piece, holder) else { continue }
            let state = state(behind: piece, holder)
            let countMax = state == nil ? PeerMessage.PieceDigests.countMax : PeerMessage.PieceDigests.chainMax
            if let open = run, open.author == author, open.digests.count < countMax,
                Int(open.first) + open.digests.count == piece
            {
                run?.digests.append(digest)
                if let state { run?.chain.append(state) }
                continue
            }
            if let run { send(.pieceDigests(run), to: peer) }
            run = .init(
                blob: blob, author: author, first: UInt32(piece), digests: [digest],
                chain: state.map { [$0] } ?? [])
        }
        if let run { send(.pieceDigests(run), to: peer) }
    }

    private func state(behind piece: Int, _ holder: Holder) -> Digest? {
        guard case .whole(let holding) = holder, !holding.chain.isEmpty else { return nil }
        return holding.chain[piece]
    }

    private func digest(of piece: Int, _ holder: Holder) -> (Digest, PeerName)? {
        switch holder {
        case .whole(let holding):
            return holding.digests.map { ($0[piece], name) }
        case .want(let id):
            guard let digest = wants[id].table.digest(of: piece),
                let author = wants[id].table.author(of: piece)
            else {
                return nil
            }
            return (digest, author)
        }
    }
}
