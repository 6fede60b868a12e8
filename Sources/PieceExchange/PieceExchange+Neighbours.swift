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
        var far = FarShares(of: zone == nil ? 0 : chosenMax / 2)
        for peer in peers.indices where peers[peer].isConnected && !isNear(peers[peer].zone) {
            far.know(peers[peer].zone, isNeighbour: wants[id].hasClaim(of: peer))
        }
        while room > 0, !strangers.isEmpty {
            let index = strangers.count <= room ? strangers.count - 1 : random.below(strangers.count)
            let peer = strangers.remove(at: index)
            if !isNear(peers[peer].zone), strangers.count > room, !far.take(peers[peer].zone) { continue }
            showInterest(in: id, to: peer)
            room -= 1
        }
    }

    /// Whom a node has room for anyway it asks: among few, one that is left out may be the only one that has the blob.
    /// A register names that one, and there has to be room for it.
    var neighboursAim: Int {
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
        // There is room for those of the zone when others have taken theirs: what they bring into it comes from nobody
        // else. In simulation of 16 zones of 4 nodes, some brought in 1.7 times the blob without that room.
        let isMate = zone != nil && peers[peer].zone == zone
        guard wants[id].claimCount < (isMate ? 2 * chosenMax : neighboursMost) else { return }
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
        guard hasRoom else { return }
        chooseNeighbours(id)
        declareIntent(id)
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

/// Neighbours in other zones: half of all at the most, and of each zone as many, because what one zone alone has read
/// has to be found by all others.
private struct FarShares {
    private let sum: Int
    private var counts: [Zone?: Int] = [:]

    init(of sum: Int) { self.sum = sum }

    mutating func know(_ zone: Zone?, isNeighbour: Bool) { counts[zone, default: 0] += isNeighbour ? 1 : 0 }

    /// Whether there is room for one more of the zone.
    mutating func take(_ zone: Zone?) -> Bool {
        let count = counts[zone, default: 0]
        guard counts.values.reduce(0, +) < sum, count < max(1, sum / counts.count) else { return false }
        counts[zone] = count + 1
        return true
    }
}
