import OCIModel
import PieceModel

/// Grants kept outside of the nodes, by a register that the shell can ask, and which also knows who took a blob.
///
/// While it is there it takes the place of the members that keep grants, for all wants: it is asked first, and told
/// what they would be told. Whoever cannot reach it, has no answer in time or is refused for too long goes on with the
/// members, for that want, until the register comes anew. So while nodes differ in whether they see it, two of them may
/// be granted the same pieces: each reads them once, and neither waits for the other. Nothing is carried over between
/// the two but what is being read, which its readers disclose.
extension PieceExchange {
    mutating func registerChanged(isThere: Bool) {
        hasRegister = isThere
        for id in wants.indices where wants[id].isLive {
            wants[id].permit.isDoneWithRegister = false
            if wants[id].permit.question?.keeper == .register { wants[id].permit.question = nil }
            disclose(id)
            seekHolders(id)
            touch(want: id)
        }
    }

    /// `nil`: it did not say anything of use.
    mutating func registerAnswered(_ blob: Digest, _ answer: GrantAnswer?) {
        guard let id = wantIDs[blob], wants[id].permit.question?.keeper == .register else { return }
        switch answer {
        case .granted(let pieces) where pieces.isEmpty || pieces.upperBound > wants[id].pieceCount: fallthrough
        case nil:
            passOver(.register, id)
            touch(want: id)
        case .some(let answer): answered(answer, id)
        }
    }

    /// A neighbour is gone. The register cannot see that, and would leave to it what it has read.
    mutating func tellRegister(lost peer: PeerID) {
        guard hasRegister else { return }
        for id in wants.indices where wants[id].phase == .fetching && wants[id].hasClaim(of: peer) {
            guard keeper(of: id) == .register else { continue }
            let (blob, bytes) = (wants[id].blob, wants[id].layout.blobBytes)
            act(.tellRegisterLost(blob: blob, blobBytes: bytes, holder: peers[peer].name))
        }
    }

    /// In a small cluster all peers are asked anyway; a larger one would be searched a few at a time.
    mutating func seekHolders(_ id: WantID) {
        wants[id].awaitsHolders = hasRegister && wants[id].phase == .fetching && peerIDs.count > wants[id].claimCount
        guard hasRegister, !peerIDs.isEmpty, wants[id].phase == .fetching else { return }
        act(.seekHolders(blob: wants[id].blob))
    }

    /// They are asked beside the neighbours that were chosen blindly; those that are no peers are connected with first.
    mutating func holdersFound(_ blob: Digest, _ names: [PeerName]) {
        guard let id = wantIDs[blob], wants[id].phase == .fetching else { return }
        wants[id].awaitsHolders = false
        touch(want: id)
        let peers = names.compactMap { peerIDs[$0] }
        for peer in peers where hasRoomForHolder(id) { askHolder(peer, id) }
        for name in names where name != self.name && peerIDs[name] == nil && hasRoomForHolder(id) {
            guard standing.ban(of: name, now: now) == nil, wants[id].sought.insert(name).inserted else { continue }
            act(.connect(name))
        }
    }

    private func hasRoomForHolder(_ id: WantID) -> Bool {
        wants[id].claimCount + wants[id].sought.count < neighboursMost
    }

    private mutating func askHolder(_ peer: PeerID, _ id: WantID) {
        guard !wants[id].hasClaim(of: peer) else { return }
        wants[id].passed.remove(peer)
        showInterest(in: id, to: peer)
    }

    /// The shell connected with a peer that may be one of those the register named.
    mutating func askIfSought(_ peer: PeerID) {
        for id in wants.indices where wants[id].isLive && wants[id].sought.remove(peers[peer].name) != nil {
            if wants[id].phase == .fetching { askHolder(peer, id) }
        }
    }

    mutating func giveUpSeeking(_ member: PeerName) {
        for id in wants.indices where wants[id].isLive && wants[id].sought.remove(member) != nil { touch(want: id) }
    }

    private mutating func disclose(_ id: WantID) {
        guard usesGrants(id) else { return }
        if let trailing = wants[id].permit.trailing {
            tell(id, trailing, read: countRead(trailing, id), isOver: false)
        }
        discloseReading(id)
        if let next = wants[id].permit.next { tell(id, next, read: 0, isOver: false) }
    }
}
