import OCIModel
import PieceModel

/// Who of a zone brings which pieces into it, so that each byte crosses its border once.
///
/// The pieces are dealt out, in runs, to those nodes of the zone that want the blob: of them, the one whose name, the
/// blob and the run make the highest number imports the run, from peers of other zones or from the registry; the
/// others wait for it. Nothing is said for it: all who see the same neighbours deal the same. Whoever leaves, or has
/// all it wanted, is out of the next deal, and a node that gets nothing for a while imports whatever it lacks: no zone
/// starves, whatever its importers do.
extension PieceExchange {
    /// Pieces that are dealt together: the registry is asked for runs.
    private static let runPieces = 8

    func isNear(_ other: Zone?) -> Bool { zone == nil || other == nil || other == zone }

    /// All of a zone share the link into it: what few ask for at once comes before it is late.
    var mayAskFar: Bool {
        let asked = peers.lazy.filter { !self.isNear($0.zone) }.reduce(0) { $0 + $1.requests.count }
        return asked < limits.farRequestsMax
    }

    /// Somebody came, left, or changed his mind about the blob: deals anew.
    mutating func dealImports(of blob: Digest) {
        guard let id = wantIDs[blob], wants[id].phase == .fetching, zone != nil, !wants[id].importsAll else { return }
        let rivals = peers.indices.filter { peer in
            peers[peer].isConnected && peers[peer].zone == zone && peers[peer].interests.contains(blob)
        }
        guard !rivals.isEmpty else { return wants[id].setImportable(nil) }
        var mine = Bits(capacity: wants[id].pieceCount)
        for start in stride(from: 0, to: wants[id].pieceCount, by: Self.runPieces) {
            let own = weight(nameKey, blob, run: start)
            guard rivals.allSatisfy({ weight(peers[$0].key, blob, run: start) < own }) else { continue }
            for piece in start..<min(start + Self.runPieces, wants[id].pieceCount) { mine.insert(piece) }
        }
        wants[id].setImportable(mine)
        touch(want: id)
    }

    private func weight(_ key: UInt64, _ blob: Digest, run: Int) -> UInt64 {
        var mixer = SplitMix64(seed: key ^ blob.words.1 ^ UInt64(run) &* 0x9E37_79B9_7F4A_7C15)
        _ = mixer.next()
        return mixer.next()
    }

    /// Nothing came for a while: whoever should have imported does not.
    mutating func importIfStarving(_ id: WantID) {
        guard wants[id].importable != nil, wants[id].phase == .fetching else { return }
        let patience = wants[id].progressAt.adding(milliseconds: limits.importPatienceMillis)
        guard patience <= now else { return arm(want: id, at: patience) }
        wants[id].importsAll = true
        wants[id].setImportable(nil)
        touch(want: id)
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
}
