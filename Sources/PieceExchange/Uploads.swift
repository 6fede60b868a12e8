import OCIModel
import PieceModel

/// How many pieces leave this node at once, and how long the next would wait.
struct Uploads: Sendable {
    /// A request that was taken and waits for a slot.
    struct Order: Sendable {
        let blob: Digest
        let piece: PieceIndex
        let request: UInt32
    }

    var running = 0
    var waiting = 0
    /// Smoothed time between the ends of two uploads while there was always one running; 0 when not known
    /// yet.
    private var intervalNanos: UInt64 = 0
    private var busySince: Instant?

    mutating func began(_ now: Instant) {
        running += 1
        if running == 1 { busySince = now }
    }

    mutating func ended(_ now: Instant) {
        running -= 1
        if let since = busySince {
            let sample = now.nanoseconds - since.nanoseconds
            intervalNanos = intervalNanos == 0 ? sample : intervalNanos - intervalNanos / 8 + sample / 8
        }
        busySince = running > 0 ? now : nil
    }

    /// How long a request that is taken now would take until it is sent.
    var waitMillis: UInt64 {
        let (nanos, overflow) = intervalNanos.multipliedReportingOverflow(by: UInt64(running + waiting + 1))
        return overflow ? .max : nanos / 1_000_000
    }
}

/// Pieces asked of this node.
extension PieceExchange {
    /// Taken whatever the wait: without them a slow link would never be measured again.
    private static let takenAlways = 4
    private static let busyHintMillis: ClosedRange<UInt64> = 50...2_000
    private static let progressSteps = 200

    mutating func requested(_ request: UInt32, _ blob: Digest, _ number: UInt32, by peer: PeerID) {
        guard !peers[peer].uploading.contains(request),
            !peers[peer].uploadQueue.contains(where: { $0.request == request })
        else { return violate(peer) }
        guard let layout = holdings[blob]?.layout ?? wantIDs[blob].map({ wants[$0].layout }) else {
            return refuse(request, .notHeld, to: peer)
        }
        guard let piece = layout.piece(number) else { return violate(peer) }
        if let reason = reasonNotToSend(piece, of: blob) { return refuse(request, reason, to: peer) }
        let mine = peers[peer].uploadQueue.count + peers[peer].uploading.count
        let all = uploads.running + uploads.waiting
        let wait = uploads.waitMillis
        if mine >= limits.requestsPerPeerMax || all >= Self.takenAlways && wait > limits.uploadWaitMillisMax {
            let hint = min(max(wait / 2, Self.busyHintMillis.lowerBound), Self.busyHintMillis.upperBound)
            return refuse(request, .busy, to: peer, retryAfterMillis: UInt32(hint))
        }
        if isNear(peers[peer].zone), isLeftToOthers(piece, of: blob) {
            return refuse(request, .elsewhere, to: peer)
        }
        peers[peer].uploadQueue.append(Uploads.Order(blob: blob, piece: piece, request: request))
        uploads.waiting += 1
        serveUploads()
    }

    private func reasonNotToSend(_ piece: PieceIndex, of blob: Digest) -> PeerMessage.Refusal? {
        if let holding = holdings[blob] { return piece.value < holding.layout.pieceCount ? nil : .notHeld }
        guard let id = wantIDs[blob], wants[id].held.contains(piece.value) else { return .notHeld }
        // It may have been told before it was doubted.
        return wants[id].unproven[piece.value] == nil ? nil : .busy
    }

    mutating func cancelUpload(_ request: UInt32, by peer: PeerID) {
        let before = peers[peer].uploadQueue.count
        peers[peer].uploadQueue.removeAll { $0.request == request }
        uploads.waiting -= before - peers[peer].uploadQueue.count
    }

    mutating func uploadEnded(_ request: UInt32, _ peerName: PeerName) {
        guard let peer = peerIDs[peerName], peers[peer].uploading.remove(request) != nil else { return }
        uploads.ended(now)
        serveUploads()
    }

    /// Fills free slots.
    mutating func serveUploads() {
        while uploads.running < uploadsAllowed, let peer = nextServed() {
            let order = peers[peer].uploadQueue.remove(at: leastGiven(peers[peer].uploadQueue))
            uploads.waiting -= 1
            if let reason = reasonNotToSend(order.piece, of: order.blob) {
                refuse(order.request, reason, to: peer)
                continue
            }
            // Who is in another zone hands it on there.
            if isNear(peers[peer].zone) {
                noteGiven(order)
                leaveToOthers(order, givenTo: peer)
            }
            peers[peer].uploading.insert(order.request)
            peers[peer].uploadsBegun += 1
            uploads.began(now)
            let name = peers[peer].name
            act(.upload(blob: order.blob, piece: order.piece, request: order.request, to: name))
        }
    }

    /// Of the requests that wait, the first for a piece that was given least: what this node alone has read must not
    /// wait behind what others have too.
    private func leastGiven(_ queue: [Uploads.Order]) -> Int {
        var best = (index: 0, times: Int.max)
        for (index, order) in queue.enumerated() {
            let times = audiences[order.blob]?.dispersal?.times(order.piece) ?? 0
            if times < best.times { best = (index, times) }
        }
        return best.index
    }

    private var uploadsAllowed: Int {
        let active = peers.lazy.filter { !$0.uploadQueue.isEmpty || !$0.uploading.isEmpty }.count
        let most = isAmongFew ? limits.uploadsAmongFewMax : limits.uploadsMax
        return min(most, limits.uploadsMax, max(limits.uploadsMin, active))
    }

    /// The peer to serve next: one that is being sent least, among these the one furthest behind, among these the one
    /// that was given least.
    ///
    /// A piece helps the swarm most with whom it is furthest behind: without that a node with fewer neighbours stays
    /// behind to the end, and the whole waits for it (in simulation of 64 nodes the last one took 15 % longer).
    private func nextServed() -> PeerID? {
        guard uploads.waiting > 0 else { return nil }
        var best: (peer: PeerID, rank: (Int, Int, Int))?
        for peer in peers.indices where peers[peer].uploading.count < limits.uploadsPerPeerMax {
            guard let order = peers[peer].uploadQueue.first else { continue }
            let rank = (peers[peer].uploading.count, progress(of: peer, order.blob), peers[peer].uploadsBegun)
            if let best, best.rank <= rank { continue }
            best = (peer, rank)
        }
        return best?.peer
    }

    /// How far the peer is with the blob, in steps of the whole: small differences are left to `uploadsBegun`.
    ///
    /// Who has the blob whole is told nothing of it, and who was not asked what it holds is taken to be as far as this
    /// node.
    private func progress(of peer: PeerID, _ blob: Digest) -> Int {
        guard let id = wantIDs[blob] else { return 0 }
        let held = wants[id].hasClaim(of: peer) ? wants[id].claims[peer].heldCount : wants[id].held.count
        return held * Self.progressSteps / wants[id].pieceCount
    }

    private mutating func noteGiven(_ order: Uploads.Order) {
        guard let audience = audiences[order.blob] else { return }
        if audience.dispersal == nil {
            guard let layout = holdings[order.blob]?.layout ?? wantIDs[order.blob].map({ wants[$0].layout }) else {
                return
            }
            audiences[order.blob]?.dispersal = Dispersal(pieceCount: layout.pieceCount)
        }
        audiences[order.blob]?.dispersal?.gave(order.piece, now: now)
    }

    /// Who else waits for the piece gets it from those that it was given to, so that this node's link is free for
    /// pieces that nobody else has.
    private mutating func leaveToOthers(_ given: Uploads.Order, givenTo receiver: PeerID) {
        guard let dispersal = audiences[given.blob]?.dispersal else { return }
        let isSpread =
            holdings[given.blob] != nil
            ? dispersal.ungivenCount > 0 : dispersal.times(given.piece) >= limits.givenAtOnceMax
        guard isSpread else { return }
        for peer in peers.indices where peer != receiver && isNear(peers[peer].zone) {
            let waiting = peers[peer].uploadQueue.firstIndex { $0.blob == given.blob && $0.piece == given.piece }
            guard let waiting else { continue }
            let order = peers[peer].uploadQueue.remove(at: waiting)
            uploads.waiting -= 1
            refuse(order.request, .elsewhere, to: peer)
        }
    }

    /// Whether the piece is on its way to others who will hand it on, and this node is wanted for more urgent ones.
    ///
    /// A crowd that came at the same moment has the whole among it after one blob's worth of this node's link if every
    /// piece leaves it once before any leaves it twice; peers that choose for themselves ask for the same pieces again
    /// and again (in simulation of 15 takers: 1.6 blobs' worth). Of those that fetch, the few that read from the
    /// registry are asked by all for what they have read, while the others' links have little to do (in simulation of
    /// 32 nodes the last one took 4 % longer).
    private func isLeftToOthers(_ piece: PieceIndex, of blob: Digest) -> Bool {
        guard let audience = audiences[blob], audience.listeners.count > 1, let dispersal = audience.dispersal,
            dispersal.isGiven(piece, withinMillis: limits.elsewhereMillis, now: now)
        else { return false }
        if holdings[blob] != nil { return dispersal.ungivenCount > 0 }
        // In a zone few have what was imported.
        return zone == nil && uploads.waiting >= limits.crowdedFrom && dispersal.times(piece) >= limits.givenAtOnceMax
    }

    private mutating func refuse(
        _ request: UInt32,
        _ reason: PeerMessage.Refusal,
        to peer: PeerID,
        retryAfterMillis: UInt32 = 0
    ) {
        send(.refuse(request: request, reason: reason, retryAfterMillis: retryAfterMillis), to: peer)
    }
}
