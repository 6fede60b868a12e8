import PieceModel

/// A piece that takes much longer than is usual is asked of a second peer too. The first answer counts, and the other
/// request is taken back.
///
/// So few of a want's pieces that a link that is slow as a whole does not have them sent twice. Who holds up a piece is
/// asked for less. What nobody else has is left to deadlines.
extension PieceExchange {
    mutating func hedge(_ id: WantID) {
        guard wants[id].phase == .fetching, wants[id].hedgeDue <= now, hedgesLeft(id) > 0,
            let usual = wants[id].pace.ninetieth
        else { return }
        let patience = max(limits.hedgeMillisMin * 1_000_000, usual.cappedProduct(with: limits.hedgeFactor))
        var nextDue = now.adding(nanoseconds: patience)
        for (piece, request) in wants[id].lonePieces() {
            guard let first = requests[request] else { continue }
            let due = first.sent.adding(nanoseconds: patience)
            guard due <= now else {
                // The rest was asked later.
                nextDue = min(nextDue, due)
                break
            }
            guard hedgesLeft(id) > 0 else { return }
            peers[first.peer].allowance = min(peers[first.peer].allowance, leastAllowance)
            guard hasRoom(for: id), let helper = helper(for: piece, of: id, besides: first.peer, patience) else {
                nextDue = min(nextDue, now.adding(nanoseconds: patience / 2))
                continue
            }
            wants[id].hedges += 1
            ask(helper, for: piece, of: id)
        }
        wants[id].hedgeDue = nextDue
        arm(want: id, at: nextDue)
    }

    private func hedgesLeft(_ id: WantID) -> Int {
        max(1, wants[id].pieceCount * limits.hedgedPerMille / 1_000) - wants[id].hedges
    }

    /// Of those that have the piece and hold up none, the one that is asked for least.
    private func helper(for piece: Int, of id: WantID, besides first: PeerID, _ patience: UInt64) -> PeerID? {
        let helpers = wants[id].claims.indices.filter { peer in
            // Not across the border of a zone: the second copy would cost what the zone is there to save.
            guard peer != first, wants[id].offers(piece, by: peer), wants[id].claims[peer].isNear,
                !wants[id].claims[peer].isDeferred(piece),
                peers[peer].mayBeAsked(now, outstandingMax: limits.requestsPerPeerMax)
            else { return false }
            guard let oldest = peers[peer].requests.first.flatMap({ requests[$0] }) else { return true }
            return oldest.sent.adding(nanoseconds: patience) > now
        }
        return helpers.min { peers[$0].requests.count < peers[$1].requests.count }
    }
}

extension UInt64 {
    fileprivate func cappedProduct(with factor: UInt64) -> UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
