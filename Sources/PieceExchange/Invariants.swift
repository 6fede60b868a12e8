/// What is always true between two events; O(pieces × peers), for tests and debugging.
extension PieceExchange {
    /// Describes the first broken invariant, or returns `nil`.
    package func checkInvariants() -> String? {
        for id in wants.indices where wants[id].isLive {
            if let broken = brokenPieces(id) ?? brokenSupply(id) ?? brokenFlights(id) { return broken }
        }
        return brokenRequests() ?? brokenUploads() ?? brokenAlarms()
    }

    private func brokenPieces(_ id: WantID) -> String? {
        let want = wants[id]
        guard wantIDs[want.blob] == id else { return "a live want is not found by its digest" }
        for index in want.open.words.indices where want.open.words[index] & want.held.words[index] != 0 {
            return "a piece among the \(index)th 64 is held and open"
        }
        var flying = 0
        for (piece, flight) in want.flights {
            if want.open.contains(piece) { return "piece \(piece) is open and in flight" }
            if !want.held.contains(piece) {
                flying += 1
            } else if !flight.requests.isEmpty {
                return "held piece \(piece) is asked for"
            }
        }
        guard want.open.count + want.held.count + flying == want.pieceCount else {
            return "a piece is nowhere"
        }
        for piece in 0..<want.pieceCount where want.phase == .verifying && want.table.digest(of: piece) == nil
        {
            return "held piece \(piece) has no digest"
        }
        if want.unproven.keys.contains(where: { !want.held.contains($0) }) {
            return "a piece is unproven, and not held"
        }
        if want.proving?.contains(where: { !want.held.contains($0) }) == true {
            return "a piece is being proven, and not held"
        }
        if want.phase == .fetching, audiences[want.blob] != nil, !want.unproven.isEmpty, want.proving == nil {
            return "somebody listens, and what is unproven is not being proven"
        }
        if want.isToBlame, want.phase != .verifying || want.proving == nil {
            return "a want waits for nothing before it blames somebody"
        }
        if want.phase == .verifying, !want.held.isFull { return "a want with gaps is being verified" }
        return nil
    }

    private func brokenSupply(_ id: WantID) -> String? {
        let want = wants[id]
        var supply = [UInt16](repeating: 0, count: want.pieceCount)
        guard want.claimCount == want.claims.lazy.filter(\.isThere).count,
            want.unansweredCount == want.claims.lazy.filter({ $0.isThere && !$0.hasAnswered }).count,
            want.deferringCount == want.claims.lazy.filter({ $0.deferred != nil }).count
        else { return "the claims are counted wrongly" }
        for (peer, claim) in want.claims.enumerated() where claim.isThere {
            guard peers[peer].isConnected else { return "a claim of peer \(peer), who is gone" }
            guard claim.isCounted == (peers[peer].benchedUntil == nil) else {
                return "a benched peer is counted"
            }
            guard claim.isCounted else { continue }
            for index in claim.held.words.indices {
                var offered = claim.held.words[index] & claim.told.words[index] & want.openTo(peer, word: index)
                while offered != 0 {
                    supply[index << 6 + offered.trailingZeroBitCount] += 1
                    offered &= offered - 1
                }
            }
        }
        guard supply == want.supply else { return "the supply does not add up" }
        for piece in supply.indices where want.covered.contains(piece) != (supply[piece] > 0) {
            return "piece \(piece) is covered without supply, or the other way round"
        }
        return nil
    }

    private func brokenFlights(_ id: WantID) -> String? {
        for (piece, flight) in wants[id].flights {
            if flight.isEmpty { return "an empty flight of piece \(piece)" }
            for request in flight.requests + (flight.checking.map { [$0] } ?? []) {
                guard let known = requests[request], known.want == id, known.piece == piece,
                    known.wantSerial == wants[id].serial
                else { return "the flight of piece \(piece) has a request nobody knows" }
                let expected: Request.Stage = request == flight.checking ? .checking : .waiting
                guard known.stage == expected else {
                    return "request \(request) is \(known.stage), not \(expected)"
                }
            }
        }
        return nil
    }

    private func brokenRequests() -> String? {
        var bytes = 0
        for (id, request) in requests {
            bytes += request.bytes
            guard request.stage != .checking else { continue }
            guard peers[request.peer].requests.contains(id) else {
                return "request \(id) is unknown to its peer"
            }
        }
        guard bytes == requestedBytes else { return "requested bytes do not add up" }
        guard bytes <= limits.requestedBytesMax else { return "too many bytes requested" }
        for peer in peers {
            guard peer.requests.count <= limits.requestsPerPeerMax else {
                return "too many requests at \(peer.name)"
            }
            let late = peer.requests.filter { requests[$0]?.stage == .late }.count
            guard late == peer.lateCount else { return "late requests at \(peer.name) do not add up" }
        }
        return nil
    }

    private func brokenUploads() -> String? {
        let running = peers.reduce(0) { $0 + $1.uploading.count }
        let waiting = peers.reduce(0) { $0 + $1.uploadQueue.count }
        guard running == uploads.running, waiting == uploads.waiting else { return "uploads do not add up" }
        guard running <= limits.uploadsMax else { return "too many uploads" }
        let isWithin = peers.allSatisfy { $0.uploading.count <= limits.uploadsPerPeerMax }
        return isWithin ? nil : "too many uploads to one peer"
    }

    private func brokenAlarms() -> String? {
        for (id, request) in requests where request.stage != .checking {
            guard let armed = peers[request.peer].armed, armed <= dueAt(request) else {
                return "nobody watches request \(id)"
            }
        }
        for want in wants where want.phase == .fetching && want.origin.access != .allowed {
            guard want.armed != nil else { return "nobody watches a want without registry" }
        }
        for want in wants where want.phase == .fetching && want.origin.isReading {
            guard want.armed != nil else { return "nobody watches a registry fetch" }
        }
        for audience in audiences.values {
            if let due = audience.batchDue {
                guard let armed = audience.armed, armed <= due else { return "nobody watches a batch" }
            }
            if audience.listeners.contains(where: { if case .hearing = $0.stage { true } else { false } }) {
                guard audience.armed != nil else { return "nobody watches a listener" }
            }
        }
        return nil
    }
}
