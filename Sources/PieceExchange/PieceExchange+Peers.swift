import OCIModel
import PieceModel

/// Connections: who is there, what they say, and how they are kept at a distance.
extension PieceExchange {
    mutating func connect(_ peerName: PeerName, in zone: Zone?) {
        guard peerName != name else { return }
        if let ban = standing.ban(of: peerName, now: now) {
            return act(.ban(peerName, reason: ban.reason, retry: ban.until))
        }
        // The shell replaced the connection: nothing of the old one will be answered.
        disconnect(peerName)
        let id = peers.firstIndex { !$0.isConnected } ?? peers.count
        let peer = Peer(name: peerName, zone: zone)
        if id == peers.count { peers.append(peer) } else { peers[id] = peer }
        peerIDs[peerName] = id
        peers[id].isErrand = errands.contains(peerName)
        peers[id].allowance = min(peers[id].allowance, limits.requestsPerPeerMax)
        if let until = standing.benchedUntil(peerName, now: now) {
            peers[id].benchedUntil = until
            arm(peer: id, at: until)
        }
        for want in wants.indices.sorted(by: { wants[$0].serial < wants[$1].serial }) where wants[want].isLive
        {
            chooseNeighbours(want)
            declareIntent(want)
            wants[want].permit.directory = nil
            discloseReading(want)
        }
        askIfSought(id)
        putUnsent(to: id)
    }

    mutating func disconnect(_ peerName: PeerName) {
        guard let id = peerIDs.removeValue(forKey: peerName) else { return }
        for request in peers[id].requests { drop(request) }
        loseDirectory(peerName)
        tellRegister(lost: id)
        for want in wants.indices where wants[want].hasClaim(of: id) {
            wants[want].removeClaim(of: id)
            touch(want: want)
        }
        for want in wants.indices {
            wants[want].passed.remove(id)
            wants[want].declaredTo.remove(id)
        }
        errands.remove(peerName)
        let interests = peers[id].interests
        for blob in interests { removeListener(id, of: blob) }
        uploads.running -= peers[id].uploading.count
        uploads.waiting -= peers[id].uploadQueue.count
        peers[id] = Peer(name: peerName)
        peers[id].isConnected = false
        for want in wants.indices where wants[want].phase == .fetching { chooseNeighbours(want) }
        for blob in interests.sorted() { dealImports(of: blob) }
        serveUploads()
    }

    mutating func showInterest(in want: WantID, to peer: PeerID) {
        guard !wants[want].takesOnlyFromOrigin, !wants[want].blame.distrusts(peers[peer].name) else { return }
        wants[want].addClaim(of: peer, isNear: isNear(peers[peer].zone), isCounted: peers[peer].benchedUntil == nil)
        wants[want].declaredTo.remove(peer)
        send(.interest(blob: wants[want].blob), to: peer)
    }

    mutating func receive(_ message: PeerMessage, from peerName: PeerName) {
        guard let peer = peerIDs[peerName] else { return }
        switch message {
        case .interest(let blob): interest(in: blob, from: peer)
        case .intent(let blob): intent(on: blob, of: peer)
        case .uninterest(let blob):
            removeListener(peer, of: blob)
            peers[peer].interests.remove(blob)
            dealImports(of: blob)
        case .holdings(let blob, let held): holdings(held, of: blob, from: peer)
        case .pieceDigests(let digests): pieceDigests(digests, from: peer)
        case .have(let news): have(news, from: peer)
        case .request(let request, let blob, let piece): requested(request, blob, piece, by: peer)
        case .refuse(let request, let reason, let retryAfterMillis):
            refused(request, reason, retryAfterMillis, by: peer)
        case .cancel(let request): cancelUpload(request, by: peer)
        case .grantRequest(let request): grantRequested(request, by: peer)
        case .grant(let blob, let pieces): granted(blob, pieces, by: peer)
        case .grantRefused(let blob, let retryAfterMillis): grantRefused(blob, retryAfterMillis, by: peer)
        case .grantProgress(let progress): grantProgressed(progress, by: peer)
        case .piece: violate(peer)
        }
    }

    private mutating func holdings(_ held: PeerMessage.Holdings?, of blob: Digest, from peer: PeerID) {
        if let held, PieceLayout(blobBytes: held.blobBytes) == nil || held.complete && !held.bits.isEmpty {
            return violate(peer)
        }
        guard let want = wantIDs[blob], wants[want].hasClaim(of: peer) else { return }
        touch(want: want)
        wants[want].noteAnswer(of: peer)
        let disagreed = wants[want].claims[peer].disagrees
        guard let held, held.blobBytes == wants[want].layout.blobBytes, !disagreed else {
            wants[want].claims[peer].disagrees = disagreed || held != nil
            wants[want].claims[peer].isEmpty = true
            wants[want].mayHaveIdle = true
            wants[want].replaceHeld(Bits(capacity: wants[want].pieceCount), by: peer)
            return
        }
        var bits = Bits(capacity: wants[want].pieceCount)
        if held.complete {
            bits = Bits.full(capacity: wants[want].pieceCount)
        } else if !held.bits.isEmpty {
            guard PieceSet(layout: wants[want].layout, bytes: held.bits) != nil else { return violate(peer) }
            for (index, byte) in held.bits.enumerated() {
                Bits.forEachBit(UInt64(byte)) { bits.insert(index << 3 + $0) }
            }
        }
        wants[want].claims[peer].isEmpty = false
        wants[want].claims[peer].heldCount = bits.count
        wants[want].replaceHeld(bits, by: peer)
    }

    private mutating func pieceDigests(_ message: PeerMessage.PieceDigests, from peer: PeerID) {
        guard !message.digests.isEmpty, message.digests.count <= PeerMessage.PieceDigests.countMax else {
            return violate(peer)
        }
        guard let want = wantIDs[message.blob], wants[want].hasClaim(of: peer), !wants[want].claims[peer].disagrees
        else { return }
        let first = Int(message.first)
        guard first <= wants[want].pieceCount - message.digests.count else {
            // The sender thinks the blob is larger; which of us is right is not known here.
            wants[want].claims[peer].disagrees = true
            return
        }
        for (offset, digest) in message.digests.enumerated() {
            note(digest, of: first + offset, author: message.author, toldBy: peer, want)
        }
        touch(want: want)
    }

    private mutating func note(
        _ digest: Digest,
        of piece: Int,
        author: PeerName,
        toldBy peer: PeerID,
        _ want: WantID
    ) {
        let teller = peers[peer].name
        let told = Blame.Statement(
            digest: digest,
            // This node knows what it authored; for what it does not remember, whoever says so stands.
            author: author == name ? teller : author,
            teller: teller,
            isFirsthand: author == teller
        )
        wants[want].noteDigest(of: piece, told, peer: peer)
    }

    private mutating func have(_ news: PeerMessage.Have, from peer: PeerID) {
        guard news.isWellFormed else { return violate(peer) }
        guard let want = wantIDs[news.blob], wants[want].hasClaim(of: peer), !wants[want].claims[peer].disagrees else {
            return
        }
        let pieceCount = wants[want].pieceCount
        for (index, piece) in news.pieces.enumerated() {
            guard Int(piece) < pieceCount else { return violate(peer) }
            if !news.digests.isEmpty {
                let author = news.authors[Int(news.authorOf[index])]
                note(news.digests[index], of: Int(piece), author: author, toldBy: peer, want)
            }
            wants[want].noteHeld(Int(piece), by: peer)
        }
        wants[want].claims[peer].isEmpty = false
        wants[want].claims[peer].heldCount = min(Int(news.held), pieceCount)
        touch(want: want)
    }

    /// The peer sent what no honest peer sends.
    mutating func violate(_ peer: PeerID) { ban(peers[peer].name, .protocolViolation) }

    mutating func ban(_ peerName: PeerName, _ reason: ExchangeAction.BanReason) {
        guard standing.ban(of: peerName, now: now) == nil else { return }
        act(.ban(peerName, reason: reason, retry: standing.ban(peerName, reason, now: now)))
        disconnect(peerName)
    }

    /// Does not ask the peer until then, and does not count it as a source, so that the registry takes its
    /// place.
    mutating func bench(_ peer: PeerID, until: Instant) {
        guard peers[peer].benchedUntil.map({ $0 < until }) ?? true else { return }
        peers[peer].benchedUntil = until
        for want in wants.indices where wants[want].hasClaim(of: peer) {
            wants[want].setCounted(false, peer: peer)
            touch(want: want)
        }
        arm(peer: peer, at: until)
    }

    /// One of the peer's deadlines has come.
    mutating func peerIsDue(_ peer: PeerID) {
        if let until = peers[peer].benchedUntil, until <= now {
            peers[peer].benchedUntil = nil
            for want in wants.indices where wants[want].hasClaim(of: peer) {
                wants[want].setCounted(true, peer: peer)
                guard wants[want].claims[peer].wasPassedOver else { continue }
                wants[want].claims[peer].wasPassedOver = false
                send(.interest(blob: wants[want].blob), to: peer)
            }
            touch(peer: peer)
        }
        if let until = peers[peer].pausedUntil, until <= now {
            peers[peer].pausedUntil = nil
            touch(peer: peer)
        }
        checkDeadlines(of: peer)
        armNext(peer)
    }

    mutating func armNext(_ peer: PeerID) {
        if let until = peers[peer].benchedUntil { arm(peer: peer, at: until) }
        if let until = peers[peer].pausedUntil { arm(peer: peer, at: until) }
        for id in peers[peer].requests {
            if let request = requests[id] { arm(peer: peer, at: dueAt(request)) }
        }
    }

    /// When the request turns late, or, being late, is given up.
    func dueAt(_ request: Request) -> Instant {
        let stalled = peers[request.peer].deliveredAt.adding(milliseconds: limits.pieceDeadlineMillis)
        let deadline = max(request.deadline, stalled)
        return request.stage == .late ? deadline.adding(milliseconds: limits.pieceDeadlineMillis) : deadline
    }
}
