import OCIModel
import PieceModel

/// Whom a want deals with: of all connected peers a bounded number, its neighbours, so that what a node says and
/// remembers of a blob does not grow with the cluster.
///
/// A neighbour is a peer that was asked what it holds and has a claim. Who holds nothing and does not want the blob
/// makes room for another, and is asked again later: it may want the blob and have had too many neighbours to say so.
/// A node whom all were too full for at the start would have few neighbours to the end, and the whole waits for it (in
/// simulation of 1,000 nodes: one with 8 neighbours, 3 % longer).
///
/// Who asks this node for a blob that it wants too becomes a neighbour while there is some room left beyond those that
/// were chosen: in a crowd each is chosen by as many as it chooses.
extension PieceExchange {
    /// Asks peers that were not asked yet, at random, as many as there is room for.
    mutating func chooseNeighbours(_ id: WantID) {
        var room = neighboursAim - wants[id].claimCount
        guard room > 0 else { return }
        var strangers = peers.indices.filter { peer in
            peers[peer].isConnected && !peers[peer].isErrand && !wants[id].hasClaim(of: peer)
                && !wants[id].passed.contains(peer)
        }
        // Most are of this node's zone, if there are such: some of another keep it from being cut off.
        let hasNear = strangers.contains { isNear(peers[$0].zone) }
        let farMax = hasNear ? max(1, chosenMax / 4) : room
        var farCount = 0
        while room > 0, !strangers.isEmpty {
            let index = strangers.count <= room ? strangers.count - 1 : random.below(strangers.count)
            let peer = strangers.remove(at: index)
            if !isNear(peers[peer].zone), strangers.count > room {
                guard farCount < farMax else { continue }
                farCount += 1
            }
            showInterest(in: id, to: peer)
            room -= 1
        }
    }

    /// Whom a node has room for anyway it asks: among few, one that is left out may be the only one that has the blob.
    /// A register names that one, and there has to be room for it.
    private var neighboursAim: Int {
        isAmongFew && !hasRegister ? neighboursMost : chosenMax
    }

    /// Whether a node has room for all whom it is connected with.
    var isAmongFew: Bool { peerIDs.count <= neighboursMost }

    private var chosenMax: Int { zone == nil ? limits.neighboursMax : limits.zonedNeighboursMax }

    /// With those that were not chosen, but asked first or were named.
    var neighboursMost: Int { chosenMax + chosenMax / 2 }

    /// The peer asked this node for a blob: if it is wanted here too, each can be of use to the other.
    mutating func considerNeighbour(_ peer: PeerID, _ blob: Digest) {
        guard let id = wantIDs[blob], wants[id].phase == .fetching, !wants[id].hasClaim(of: peer) else { return }
        // Those of a zone that do not know each other each bring the same pieces into it.
        let isOfZone = zone != nil && peers[peer].zone == zone
        guard wants[id].claimCount < (isOfZone ? 2 * chosenMax : neighboursMost) else { return }
        showInterest(in: id, to: peer)
    }

    /// Neighbours that have nothing to give and want nothing make room, if there are others to ask.
    mutating func exchangeIdleNeighbours(_ id: WantID) {
        guard wants[id].mayHaveIdle, wants[id].phase == .fetching, peerIDs.count > neighboursAim else { return }
        wants[id].mayHaveIdle = false
        var hasRoom = false
        for peer in wants[id].claims.indices {
            let claim = wants[id].claims[peer]
            guard claim.isThere, claim.hasAnswered, claim.isEmpty, !peers[peer].interests.contains(wants[id].blob)
            else { continue }
            wants[id].passed.insert(peer, now)
            wants[id].removeClaim(of: peer)
            send(.uninterest(blob: wants[id].blob), to: peer)
            hasRoom = true
        }
        if hasRoom { chooseNeighbours(id) }
    }

    /// Once their pause is over, as far as there is room.
    mutating func askPassedAgain(_ id: WantID) {
        guard wants[id].phase == .fetching, !wants[id].passed.isEmpty, wants[id].claimCount < neighboursAim
        else { return }
        let due = wants[id].passed.due(firstPauseMillis: limits.passedMillis)
        guard due <= now else { return arm(want: id, at: due) }
        wants[id].passed.release()
        chooseNeighbours(id)
    }
}
