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

    mutating func requested(_ request: UInt32, _ blob: Digest, _ number: UInt32, by peer: PeerID) {
        guard !peers[peer].uploading.contains(request),
            !peers[peer].uploadQueue.contains(where: { $0.request == request })
        else { return violate(peer) }
        guard let layout = holdings[blob]?.layout ?? wantIDs[blob].map({ wants[$0].layout }) else {
            return refuse(request, .notHeld, to: peer)
        }
        guard let piece = layout.piece(number) else { return violate(peer) }
        guard holds(piece, of: blob) else { return refuse(request, .notHeld, to: peer) }
        let mine = peers[peer].uploadQueue.count + peers[peer].uploading.count
        let all = uploads.running + uploads.waiting
        let wait = uploads.waitMillis
        if mine >= limits.requestsPerPeerMax || all >= Self.takenAlways && wait > limits.uploadWaitMillisMax {
            let hint = min(max(wait / 2, Self.busyHintMillis.lowerBound), Self.busyHintMillis.upperBound)
            return refuse(request, .busy, to: peer, retryAfterMillis: UInt32(hint))
        }
        peers[peer].uploadQueue.append(Uploads.Order(blob: blob, piece: piece, request: request))
        uploads.waiting += 1
        serveUploads()
    }

    func holds(_ piece: PieceIndex, of blob: Digest) -> Bool {
        if let holding = holdings[blob] { return piece.value < holding.layout.pieceCount }
        return wantIDs[blob].map { wants[$0].held.contains(piece.value) } ?? false
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

    /// Fills free slots, for the peer that was served least.
    ///
    /// A piece helps the swarm most with the neighbour furthest behind. How far each is, a node that fetches
    /// knows only from those it asked too, and a node that has the whole does not hear of; what it gave each
    /// of them is the measure both have.
    mutating func serveUploads() {
        while uploads.running < limits.uploadsMax, let peer = leastServed() {
            let order = peers[peer].uploadQueue.removeFirst()
            uploads.waiting -= 1
            guard holds(order.piece, of: order.blob) else {
                refuse(order.request, .notHeld, to: peer)
                continue
            }
            peers[peer].uploading.insert(order.request)
            peers[peer].uploadsBegun += 1
            uploads.began(now)
            let name = peers[peer].name
            act(.upload(blob: order.blob, piece: order.piece, request: order.request, to: name))
        }
    }

    private func leastServed() -> PeerID? {
        guard uploads.waiting > 0 else { return nil }
        var best: PeerID?
        for peer in peers.indices
        where !peers[peer].uploadQueue.isEmpty && peers[peer].uploading.count < limits.uploadsPerPeerMax {
            if let least = best, peers[least].uploadsBegun <= peers[peer].uploadsBegun { continue }
            best = peer
        }
        return best
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
