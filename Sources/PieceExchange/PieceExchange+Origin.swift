import OCIModel
import PieceModel

/// Reading from the registry: what no peer has.
extension PieceExchange {
    /// Starts the next fetch if the want needs one and may have it, and stops one that met pieces from
    /// elsewhere.
    mutating func steerOrigin(_ id: WantID) {
        if let remaining = wants[id].origin.remaining {
            // The piece it reads next is stored or on its way from a peer: the fetch has done its part.
            if let next = remaining.first, !wants[id].open.contains(next) { stopOrigin(id) }
        }
        guard isProbeOver(id) else { return }
        yieldIfSlow(id)
        askForGrant(id)
        guard let run = mayHandOver(id) ? runAfterTail(id) : runToStart(id) else { return }
        wants[id].origin.start(run, now: now)
        wants[id].coveredSinceRead = 0
        act(.fetchFromOrigin(blob: wants[id].blob, pieces: run))
        askForGrant(id)
    }

    /// The last piece, or where nobody else fetches the blob as many as are in the smallest grant: reads are short at
    /// first, and each would be followed by the time that the registry takes to answer. In a crowd each read beside
    /// another makes both slower.
    private func mayHandOver(_ id: WantID) -> Bool {
        let isAlone = audiences[wants[id].blob] == nil
        return wants[id].origin.mayHandOver(last: isAlone ? GrantBook.piecesMin(wants[id].layout) : 1)
    }

    /// Peers have said what they hold, or took too long.
    func isProbeOver(_ id: WantID) -> Bool {
        now >= wants[id].probeUntil
            || wants[id].unansweredCount == 0 && !wants[id].awaitsHolders && wants[id].sought.isEmpty
    }

    private mutating func runToStart(_ id: WantID) -> Range<Int>? {
        wants[id].origin.mayStart(now) ? runToRead(id) : nil
    }

    mutating func stopOrigin(_ id: WantID) {
        guard wants[id].origin.isReading else { return }
        wants[id].origin.stop()
        reportTrailing(id)
        wants[id].needsNoOrigin = false
        wants[id].wakeClaims()
        act(.stopOrigin(blob: wants[id].blob))
    }

    mutating func originPiece(_ blob: Digest, _ index: PieceIndex, _ digest: Digest) {
        guard let id = wantIDs[blob], index.value < wants[id].pieceCount else { return }
        let piece = index.value
        if wants[id].phase == .verifying {
            // Stored late: whether these bytes lie on disk now, or those that a peer sent, is not known.
            guard wants[id].table.digest(of: piece) != digest else { return wants[id].table.set(piece, own(digest)) }
            wants[id].table.set(piece, own(digest))
            wants[id].unproven[piece] = name
            retell(blob)
            return proveIfHeard(blob)
        }
        wants[id].origin.delivered(piece, now: now)
        wants[id].coveredSinceRead = 0
        if wants[id].permit.reading != nil { wants[id].readForOthers.append((piece, now)) }
        touch(want: id)
        if let told = wants[id].table.statement(of: piece), told.digest != digest {
            if told.teller != name { wants[id].blame.suspect(piece, told, isDropped: false) }
            if let checking = wants[id].flights[piece]?.checking {
                requests[checking]?.isContradicted = true
                return
            }
            if wants[id].held.contains(piece) { return forsake(piece, of: id) }
        }
        wants[id].table.set(piece, own(digest))
        store(piece, of: id)
    }

    /// What this node made itself of bytes from the registry.
    private func own(_ digest: Digest) -> Blame.Statement {
        Blame.Statement(digest: digest, author: name, teller: name, isFirsthand: true)
    }

    mutating func originEnded(_ blob: Digest, _ failure: ExchangeEvent.OriginFailure?) {
        guard let id = wantIDs[blob], let remaining = wants[id].origin.remaining else { return }
        touch(want: id)
        wants[id].wakeClaims()
        switch failure {
        case .permanent:
            wants[id].origin.stopRunning()
            originRefused(id)
        case nil where remaining.isEmpty || wants[id].origin.hasDelivered:
            wants[id].origin.stopRunning()
        case nil, .transient:
            originFailed(id)
        }
    }

    /// The fetch before the running one has ended. If it broke off, its last pieces are read again with what comes
    /// next, unless it is the first to tell that the registry is not well.
    mutating func tailEnded(_ blob: Digest, _ failure: ExchangeEvent.OriginFailure?) {
        guard let id = wantIDs[blob], wants[id].origin.tail != nil else { return }
        wants[id].origin.stopTail()
        reportTrailing(id)
        wants[id].needsNoOrigin = false
        wants[id].wakeClaims()
        touch(want: id)
        guard let failure, wants[id].origin.isBornOfTail else { return }
        switch failure {
        case .permanent: originRefused(id)
        case .transient:
            stopOrigin(id)
            originFailed(id)
        }
    }

    private mutating func originRefused(_ id: WantID) {
        stopOrigin(id)
        wants[id].origin.access = .refused
        giveBackGrants(id)
        if wants[id].blame.mismatches > 0 { askWhoHolds(id) }
    }

    /// The registry broke off: later again, or never for this blob.
    mutating func originFailed(_ id: WantID) {
        giveBackGrants(id)
        wants[id].origin.failed(now: now, attemptsMax: limits.originAttemptsMax, random: &random)
        if wants[id].origin.access == .exhausted, wants[id].blame.mismatches > 0 { askWhoHolds(id) }
    }
}
