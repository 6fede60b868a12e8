import OCIModel
import PieceModel

/// Pieces asked of peers: from the request to stored bytes, or to the next source.
extension PieceExchange {
    /// Longest answer time at which a peer is asked for more at once, and from which on for less.
    private static let promptMillis: UInt64 = 500
    private static let slowMillis: UInt64 = 1_500
    private static let pauseMillis: ClosedRange<UInt64> = 20...5_000
    /// So many refusals with BUSY on end make the peer no source for a while.
    private static let busyStreakMax = 3
    private static let busyBenchMillis: UInt64 = 2_000

    mutating func ask(_ peer: PeerID, for piece: Int, of want: WantID) {
        repeat { lastRequest &+= 1 } while requests[lastRequest] != nil
        let layout = wants[want].layout
        let request = Request(
            peer: peer,
            peerName: peers[peer].name,
            want: want,
            wantSerial: wants[want].serial,
            piece: piece,
            bytes: layout.byteCount(of: wants[want].index(piece)),
            sent: now,
            deadline: now.adding(milliseconds: limits.pieceDeadlineMillis)
        )
        requests[lastRequest] = request
        requestedBytes += request.bytes
        peers[peer].requests.append(lastRequest)
        wants[want].open.remove(piece)
        wants[want].flights[piece, default: Want.Flight()].requests.append(lastRequest)
        arm(peer: peer, at: request.deadline)
        send(.request(request: lastRequest, blob: wants[want].blob, piece: UInt32(piece)), to: peer)
    }

    /// The want that the request belongs to, if it is still the same one.
    private func want(of request: Request) -> WantID? {
        wants[request.want].isLive && wants[request.want].serial == request.wantSerial ? request.want : nil
    }

    /// Forgets a request that brought nothing; its piece is fetched elsewhere.
    mutating func drop(_ id: UInt32) {
        guard let request = forget(id) else { return }
        if let want = want(of: request) { leaveFlight(id, of: request.piece, want) }
    }

    /// Takes the request out of the books, all but its want's.
    private mutating func forget(_ id: UInt32) -> Request? {
        guard let request = requests.removeValue(forKey: id) else { return nil }
        requestedBytes -= request.bytes
        if peers[request.peer].name == request.peerName {
            peers[request.peer].requests.removeAll { $0 == id }
            if request.stage == .late { peers[request.peer].lateCount -= 1 }
        }
        touch(peer: request.peer)
        if !isNear(peers[request.peer].zone) {
            // Another of another zone may be asked instead.
            for peer in peers.indices where peers[peer].isConnected && !isNear(peers[peer].zone) { touch(peer: peer) }
        }
        if isShortOfRoom {
            isShortOfRoom = false
            for peer in peers.indices where peers[peer].isConnected { touch(peer: peer) }
        }
        return request
    }

    private mutating func leaveFlight(_ id: UInt32, of piece: Int, _ want: WantID) {
        guard var flight = wants[want].flights.removeValue(forKey: piece) else { return }
        flight.requests.removeAll { $0 == id }
        if flight.checking == id { flight.checking = nil }
        if flight.isEmpty { wants[want].reopen(piece) } else { wants[want].flights[piece] = flight }
        touch(want: want)
    }

    /// Takes back a request that is still with the peer.
    mutating func cancel(_ id: UInt32) {
        guard let request = requests[id], request.stage != .checking else { return }
        peers[request.peer].straysAllowed += 1
        send(.cancel(request: id), to: request.peer)
        drop(id)
    }

    mutating func checkDeadlines(of peer: PeerID) {
        var hasTurnedLate = false
        for id in peers[peer].requests {
            guard let request = requests[id], dueAt(request) <= now else { continue }
            if request.stage == .late {
                cancel(id)
                continue
            }
            hasTurnedLate = true
            requests[id]?.stage = .late
            peers[peer].lateCount += 1
            guard let want = want(of: request) else { continue }
            wants[want].noteFailure(of: request.piece)
            leaveFlight(id, of: request.piece, want)
        }
        if hasTurnedLate {
            peers[peer].allowance = 1
            bench(peer, until: standing.fault(peers[peer].name, now: now))
        }
    }

    mutating func pieceArrived(_ header: PeerMessage.PieceHeader, from peerName: PeerName) {
        guard let peer = peerIDs[peerName] else {
            return act(.discardPayload(request: header.request, from: peerName))
        }
        guard let request = requests[header.request], request.peer == peer, request.peerName == peerName,
            request.stage != .checking
        else {
            act(.discardPayload(request: header.request, from: peerName))
            return takeStray(from: peer)
        }
        let isPlausible =
            switch header.encoding {
            case .identity: header.payloadBytes == request.bytes
            case .zstd: header.payloadBytes > 0 && header.payloadBytes <= request.bytes
            }
        guard isPlausible else {
            act(.discardPayload(request: header.request, from: peerName))
            return violate(peer)
        }
        noteAnswer(request, from: peer)
        guard let want = want(of: request), !wants[want].held.contains(request.piece),
            // Said otherwise since it was asked: then its bytes are not those of the digest gone by here.
            wants[want].offers(request.piece, by: peer),
            wants[want].flights[request.piece]?.checking == nil,
            let told = wants[want].table.statement(of: request.piece)
        else {
            act(.discardPayload(request: header.request, from: peerName))
            return drop(header.request)
        }
        beginCheck(header.request, request, want, peer)
        requests[header.request]?.told = told
        act(
            .checkPiece(
                blob: wants[want].blob,
                piece: wants[want].index(request.piece),
                digest: told.digest,
                author: told.author,
                request: header.request,
                from: peerName
            )
        )
    }

    private mutating func beginCheck(_ id: UInt32, _ request: Request, _ want: WantID, _ peer: PeerID) {
        peers[peer].requests.removeAll { $0 == id }
        if request.stage == .late { peers[peer].lateCount -= 1 }
        requests[id]?.stage = .checking
        wants[want].open.remove(request.piece)
        wants[want].flights[request.piece, default: Want.Flight()].requests.removeAll { $0 == id }
        wants[want].flights[request.piece]?.checking = id
        touch(peer: peer)
    }

    /// An answer that nobody waits for: to a cancelled request, or else a way to fill this node's link.
    private mutating func takeStray(from peer: PeerID) {
        guard peers[peer].straysAllowed > 0 else { return violate(peer) }
        peers[peer].straysAllowed -= 1
    }

    private mutating func noteAnswer(_ request: Request, from peer: PeerID) {
        peers[peer].busyStreak = 0
        peers[peer].deliveredAt = now
        let taken = now.nanoseconds - request.sent.nanoseconds
        peers[peer].noteAnswer(nanoseconds: taken)
        if let want = want(of: request) {
            wants[want].pace.add(nanoseconds: taken)
            if wants[want].hedgeDue <= now { touch(want: want) }
        }
        if now <= request.sent.adding(milliseconds: Self.promptMillis) {
            peers[peer].allowance = min(peers[peer].allowance + 1, limits.requestsPerPeerMax)
        } else if now > request.sent.adding(milliseconds: Self.slowMillis) {
            peers[peer].allowance = max(leastAllowance, peers[peer].allowance - 1)
        }
    }

    mutating func pieceChecked(_ id: UInt32, _ outcome: ExchangeEvent.PieceOutcome) {
        guard requests[id]?.stage == .checking, let request = forget(id) else { return }
        guard let want = want(of: request) else {
            if outcome == .wrongBytes { ban(request.peerName, .wrongBytes) }
            return
        }
        let isSettled =
            (outcome == .stored || outcome == .linked) && !request.isContradicted
            && wants[want].table.digest(of: request.piece) == request.told?.digest
        if isSettled {
            wants[want].flights[request.piece]?.checking = nil
            // Also when the registry brought it meanwhile: these bytes may be the ones on disk.
            if outcome == .linked { wants[want].unproven[request.piece] = request.peerName }
            store(request.piece, of: want)
            return proveIfHeard(wants[want].blob)
        }
        leaveFlight(id, of: request.piece, want)
        switch outcome {
        case .stored, .linked: forsake(request.piece, of: want)
        case .wrongBytes:
            wants[want].noteFailure(of: request.piece)
            ban(request.peerName, .wrongBytes)
        case .storeFailed:
            fail(want, .storeFailed)
        }
    }

    /// Two sources stored different bytes for one piece; which lie on disk is unknown.
    ///
    /// The registry settles it.
    mutating func forsake(_ piece: Int, of want: WantID) {
        act(.dropPieces(blob: wants[want].blob, pieces: [wants[want].index(piece)]))
        wants[want].forced.insert(piece)
        wants[want].lose(piece)
        retell(wants[want].blob)
        touch(want: want)
    }

    /// The piece is on disk, and right by its digest or as a link: whoever else was asked for it need not send it.
    mutating func store(_ piece: Int, of want: WantID) {
        touch(want: want)
        let flight = wants[want].flights.removeValue(forKey: piece)
        guard wants[want].hold(piece) else { return }
        for id in flight?.requests ?? [] { cancel(id) }
        if let checking = flight?.checking { wants[want].flights[piece] = Want.Flight(checking: checking) }
        wants[want].noteStored(now)
        stored(piece, of: want)
    }

    mutating func refused(
        _ id: UInt32,
        _ reason: PeerMessage.Refusal,
        _ retryAfterMillis: UInt32,
        by peer: PeerID
    ) {
        guard let request = requests[id], request.peer == peer, request.peerName == peers[peer].name,
            request.stage != .checking
        else { return takeStray(from: peer) }
        drop(id)
        switch reason {
        case .busy:
            noteBusy(peer, hintMillis: UInt64(retryAfterMillis))
        case .draining:
            bench(peer, until: now.adding(milliseconds: Self.pauseMillis.upperBound))
        case .elsewhere:
            guard let want = want(of: request) else { return }
            let until = now.adding(milliseconds: limits.elsewherePauseMillis)
            wants[want].noteElsewhere(request.piece, by: peer, until: until)
            arm(want: want, at: until)
        case .notHeld:
            guard let want = want(of: request), wants[want].offers(request.piece, by: peer)
            else {
                return
            }
            wants[want].noteFailure(of: request.piece)
            wants[want].noteNotHeld(request.piece, by: peer)
            bench(peer, until: standing.fault(peers[peer].name, now: now))
        }
    }

    var leastAllowance: Int { min(limits.requestsPerPeerMin, limits.requestsPerPeerMax) }

    private mutating func noteBusy(_ peer: PeerID, hintMillis: UInt64) {
        // Requests sent together are refused together: that is one refusal.
        guard peers[peer].pausedUntil.map({ $0 <= now }) ?? true else { return }
        peers[peer].busyStreak += 1
        peers[peer].allowance = max(leastAllowance, peers[peer].allowance / 2)
        let pause = min(max(hintMillis, Self.pauseMillis.lowerBound), Self.pauseMillis.upperBound)
        let until = now.adding(milliseconds: pause)
        peers[peer].pausedUntil = until
        arm(peer: peer, at: until)
        if peers[peer].busyStreak >= Self.busyStreakMax {
            peers[peer].busyStreak = 0
            bench(peer, until: now.adding(milliseconds: max(pause, Self.busyBenchMillis)))
        }
    }
}
