import OCIModel
import PieceModel

/// Who of a zone brings which pieces into it, so that each byte crosses its border once.
///
/// The pieces are dealt out, in runs, to those nodes of the zone that want the blob: of them, the one whose name, the
/// blob and the run make the highest number imports the run, from peers of other zones or from the registry; the
/// others wait for it. So all of them tell each other that they want it (`intent`), also those that are not each
/// other's neighbours. In a zone of more than `importersMax` nodes only that many, those that rank highest for the
/// blob, import, if any of them wants it; they tell all, and the others tell them.
///
/// Whoever leaves, or has all it wanted, is out of the next deal, and a node that gets nothing for a while imports
/// whatever it lacks: no zone starves, whatever its importers do.
extension PieceExchange {
    /// Pieces that are dealt together: the registry is asked for runs. What is no longer is not dealt.
    private static let runPieces = 8

    func isNear(_ other: Zone?) -> Bool { zone == nil || other == nil || other == zone }

    /// All of a zone share the link into it: what few ask for at once comes before it is late. What is late already
    /// does not count: one peer that stalls would else keep this node from importing for as long as it is waited for.
    var mayAskFar: Bool {
        let asked = peers.lazy.filter { !self.isNear($0.zone) }.reduce(0) { $0 + $1.requests.count - $1.lateCount }
        return asked < limits.farRequestsMax
    }

    /// Connected nodes of this node's zone, with which it deals; none where there are no zones.
    private var mates: [PeerID] {
        zone == nil ? [] : peers.indices.filter { peers[$0].isConnected && peers[$0].zone == zone }
    }

    /// In a large zone: which of its nodes may import, and whether this one may.
    private func seats(_ blob: Digest, among mates: [PeerID]) -> (others: Set<PeerID>, hasOwn: Bool)? {
        guard mates.count >= limits.importersMax else { return nil }
        let own = weight(nameKey, blob, run: -1)
        let ranked = mates.map { (weight: weight(peers[$0].key, blob, run: -1), peer: $0) }
            .sorted { ($0.weight, $0.peer) > ($1.weight, $1.peer) }
        let hasOwn = ranked.prefix(limits.importersMax).contains { $0.weight < own }
        let others = ranked.prefix(hasOwn ? limits.importersMax - 1 : limits.importersMax)
        return (Set(others.map(\.peer)), hasOwn)
    }

    /// Tells those who deal, and are not asked what they hold, that this node wants the blob.
    mutating func declareIntent(_ id: WantID) {
        guard zone != nil, wants[id].phase == .fetching, wants[id].pieceCount > Self.runPieces else { return }
        let mates = mates
        let seats = seats(wants[id].blob, among: mates)
        for peer in mates where !wants[id].hasClaim(of: peer) {
            if let seats, !seats.hasOwn, !seats.others.contains(peer) { continue }
            guard wants[id].declaredTo.insert(peer).inserted else { continue }
            send(.intent(blob: wants[id].blob), to: peer)
        }
    }

    /// Somebody came, left, or changed his mind about the blob: deals anew.
    mutating func dealImports(of blob: Digest) {
        guard let id = wantIDs[blob], wants[id].phase == .fetching, zone != nil, !wants[id].importsAll else { return }
        touch(want: id)
        let mates = mates
        var rivals = mates.filter { peers[$0].interests.contains(blob) }
        if let seats = seats(blob, among: mates) {
            let seated = rivals.filter(seats.others.contains)
            if seats.hasOwn {
                rivals = seated
            } else if !seated.isEmpty {
                return wants[id].setImportable(Bits(capacity: wants[id].pieceCount))
            }
        }
        guard !rivals.isEmpty else { return wants[id].setImportable(nil) }
        var mine = Bits(capacity: wants[id].pieceCount)
        for start in stride(from: 0, to: wants[id].pieceCount, by: Self.runPieces) {
            let own = weight(nameKey, blob, run: start)
            guard rivals.allSatisfy({ weight(peers[$0].key, blob, run: start) < own }) else { continue }
            for piece in start..<min(start + Self.runPieces, wants[id].pieceCount) { mine.insert(piece) }
        }
        wants[id].setImportable(mine)
    }

    private func weight(_ key: UInt64, _ blob: Digest, run: Int) -> UInt64 {
        var mixer = SplitMix64(seed: key ^ blob.words.1 ^ UInt64(bitPattern: Int64(run)) &* 0x9E37_79B9_7F4A_7C15)
        _ = mixer.next()
        return mixer.next()
    }

    /// Nothing came for a while, or not what the reader waits for: whoever should have imported does not.
    mutating func importIfStarving(_ id: WantID) {
        guard let importable = wants[id].importable, wants[id].phase == .fetching else { return }
        let (reader, patience) = (wants[id].reader, limits.importPatienceMillis)
        if wants[id].open.contains(reader), !importable.contains(reader),
            isOver(wants[id].readerAt.adding(milliseconds: patience), id)
        {
            var more = importable
            more.insert(reader)
            wants[id].setImportable(more)
            touch(want: id)
        }
        guard isOver(wants[id].progressAt.adding(milliseconds: patience), id) else { return }
        wants[id].importsAll = true
        wants[id].setImportable(nil)
        touch(want: id)
    }

    /// Whether the moment has come; else the want is looked at again then.
    private mutating func isOver(_ moment: Instant, _ id: WantID) -> Bool {
        if moment > now { arm(want: id, at: moment) }
        return moment <= now
    }
}

extension Want {
    /// `nil` when every piece may be imported.
    mutating func setImportable(_ pieces: Bits?) {
        guard importable != pieces else { return }
        let far = claims.indices.filter { claims[$0].isThere && !claims[$0].isNear && claims[$0].isCounted }
        for peer in far { setCounted(false, peer: peer) }
        importable = pieces
        for peer in far { setCounted(true, peer: peer) }
        needsNoOrigin = false
        wakeClaims()
    }

    /// Of the pieces of this word of a bit set, those that may be had from the registry or another zone.
    func importableWord(_ index: Int) -> UInt64 { importable?.words[index] ?? .max }

    /// Of the pieces of this word, those that may be had from the peer.
    func openTo(_ peer: PeerID, word index: Int) -> UInt64 { claims[peer].isNear ? .max : importableWord(index) }

    func isOpenTo(_ peer: PeerID, _ piece: Int) -> Bool {
        claims[peer].isNear || importable?.contains(piece) ?? true
    }

    /// Of the pieces of this word, those that are to be asked of the peer: none from another zone that one of this zone
    /// offers too, unless the node waited in vain for it.
    func worthAsking(_ peer: PeerID, word index: Int) -> UInt64 {
        guard !claims[peer].isNear, !importsAll else { return openTo(peer, word: index) }
        return claims.reduce(importableWord(index)) { left, claim in
            claim.isNear && claim.isCounted ? left & ~(claim.held.words[index] & claim.told.words[index]) : left
        }
    }

    func isWorthAsking(_ peer: PeerID, _ piece: Int) -> Bool {
        worthAsking(peer, word: piece >> 6) >> UInt64(piece & 63) & 1 != 0
    }

    /// A peer of this zone offers less than before: others may be asked for it.
    mutating func wakeFarClaims() {
        for peer in claims.indices where !claims[peer].isNear { claims[peer].isDry = false }
    }
}
