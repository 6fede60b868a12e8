import OCIModel
import PieceModel

/// The life of a want: begun, completed, failed.
extension PieceExchange {
    mutating func beginWant(
        _ blob: Digest,
        _ layout: PieceLayout,
        held: [ExchangeEvent.HeldPiece],
        originAllowed: Bool
    ) {
        if let id = wantIDs[blob] { return originAllowed ? allowOrigin(id) : () }
        if holdings[blob] != nil { return act(.completed(blob: blob)) }
        guard wantIDs.count < limits.wantsMax else { return act(.failed(blob: blob, .sourcesExhausted)) }
        lastWantSerial += 1
        var want = Want(
            blob: blob,
            layout: layout,
            serial: lastWantSerial,
            originAllowed: originAllowed,
            limits: limits,
            now: now
        )
        for piece in held where piece.piece.value < want.pieceCount {
            // The store hashed it again; who told the digest then is not remembered.
            let told = Blame.Statement(
                digest: piece.digest,
                author: piece.author,
                teller: name,
                isFirsthand: piece.author == name
            )
            want.table.set(piece.piece.value, told)
            _ = want.hold(piece.piece.value)
        }
        let id = wants.firstIndex { !$0.isLive } ?? wants.count
        if id == wants.count { wants.append(want) } else { wants[id] = want }
        wantIDs[blob] = id
        askWhoHolds(id)
        declareIntent(id)
        seekHolders(id)
        dealImports(of: blob)
        if !wants[id].held.isEmpty { retell(blob) }
        touch(want: id)
    }

    private mutating func allowOrigin(_ id: WantID) {
        guard wants[id].origin.access == .forbidden else { return }
        wants[id].origin.access = .allowed
        // What it did without the registry was no failure of those who keep its grants, nor of its zone.
        wants[id].progressAt = now
        wants[id].permit.grantedAt = now
        wants[id].importsAll = false
        wants[id].blame.mismatches = 0
        dealImports(of: wants[id].blob)
        touch(want: id)
    }

    /// Shows interest to every peer and gives them time to answer.
    mutating func askWhoHolds(_ id: WantID) {
        chooseNeighbours(id)
        wants[id].probeUntil = now.adding(milliseconds: limits.probeMillis)
        wants[id].progressAt = now
    }

    mutating func readerMoved(_ blob: Digest, to piece: PieceIndex) {
        guard let id = wantIDs[blob], piece.value < wants[id].pieceCount else { return }
        if wants[id].reader != piece.value { wants[id].readerAt = now }
        wants[id].reader = piece.value
        // The registry reads somewhere else than where the reader waits for it.
        if let remaining = wants[id].origin.remaining, wants[id].permit.reading == nil,
            wants[id].needsOrigin(piece.value),
            !(remaining.lowerBound..<remaining.lowerBound + 2 * wants[id].originLead).contains(piece.value)
        {
            stopOrigin(id)
        }
        touch(want: id)
    }

    mutating func unwant(_ blob: Digest) {
        guard let id = wantIDs[blob] else { return }
        end(id)
        retell(blob)
    }

    mutating func fail(_ id: WantID, _ reason: ExchangeAction.WantFailure) {
        let blob = wants[id].blob
        end(id)
        act(.failed(blob: blob, reason))
        retell(blob)
    }

    mutating func complete(_ id: WantID, chain: [Digest] = []) {
        let blob = wants[id].blob
        let layout = wants[id].layout
        let digests = (0..<wants[id].pieceCount).compactMap { wants[id].table.digest(of: $0) }
        let areProven = wants[id].unproven.isEmpty
        flush(blob)
        convict(id)
        end(id)
        holdings[blob] = Holding(layout: layout)
        if areProven, digests.count == layout.pieceCount { keep(digests, chain, of: blob) }
        act(.completed(blob: blob))
        if areProven { sayComplete(blob) } else { retell(blob) }
    }

    /// Frees everything that belongs to the want.
    mutating func end(_ id: WantID) {
        let blob = wants[id].blob
        stopOrigin(id)
        giveBackGrants(id)
        for flight in wants[id].flights.sorted(by: { $0.key < $1.key }) {
            for request in flight.value.requests { cancel(request) }
        }
        for request in requests.sorted(by: { $0.key < $1.key })
        where request.value.want == id && request.value.stage == .late { cancel(request.key) }
        for peer in peers.indices where wants[id].hasClaim(of: peer) || wants[id].declaredTo.contains(peer) {
            send(.uninterest(blob: blob), to: peer)
        }
        wantIDs[blob] = nil
        wants[id].phase = .ended
        wants[id].claims = []
        wants[id].declaredTo = []
        wants[id].claimCount = 0
        wants[id].unansweredCount = 0
        wants[id].deferringCount = 0
        wants[id].flights = [:]
        wants[id].armed = nil
        touchedWants.removeAll { $0 == id }
    }

    mutating func blobChecked(_ blob: Digest, matches: Bool, chain: [Digest]) {
        guard let id = wantIDs[blob], wants[id].phase == .verifying else { return }
        if matches { return complete(id, chain: chain) }
        guard wants[id].unproven.isEmpty else {
            wants[id].isToBlame = true
            return prove(id)
        }
        blame(id)
    }

    /// The whole did not match although every piece has the digest it was said to have.
    mutating func blame(_ id: WantID) {
        let blob = wants[id].blob
        wants[id].phase = .fetching
        wants[id].blame.mismatches += 1
        let pieces = dropSuspects(id)
        act(.dropPieces(blob: blob, pieces: pieces.map { wants[id].index($0) }))
        if wants[id].blame.mismatches > 1 { return fail(id, .wrongContent) }
        convictAlone(id, pieces)
        // What peers said before is not gone by any more.
        resume(id)
    }

    /// Drops the pieces whose digests others authored, or all of them when there are none or it is the second time.
    private mutating func dropSuspects(_ id: WantID) -> [Int] {
        var dropped: [Int] = []
        for piece in 0..<wants[id].pieceCount {
            guard let told = wants[id].table.statement(of: piece), told.author != name else { continue }
            wants[id].blame.suspect(piece, told, isDropped: true)
            dropped.append(piece)
        }
        if dropped.isEmpty || wants[id].blame.mismatches > 1 { dropped = Array(0..<wants[id].pieceCount) }
        for piece in dropped { wants[id].lose(piece) }
        return dropped
    }

    /// One author alone, who told the digests itself: nobody else can be guilty.
    private mutating func convictAlone(_ id: WantID, _ pieces: [Int]) {
        let suspects = pieces.compactMap { wants[id].blame.suspects[$0] }
        guard let first = suspects.first,
            suspects.allSatisfy({ $0.isFirsthand && $0.teller == first.teller })
        else { return }
        ban(first.teller, .wrongDigests)
    }

    /// The whole matched, so the digests held now are true: who authored others is banned.
    ///
    /// Who only passed them on may have been fooled; that is believed twice.
    private mutating func convict(_ id: WantID) {
        let (table, unproven) = (wants[id].table, Set(wants[id].unproven.keys))
        var judged: Set<PeerName> = []
        // Of a piece that is only known as a link the true digest is not known.
        for suspect in wants[id].blame.guilty({ table.digest(of: $0) }, except: unproven)
        where suspect.teller != name && judged.insert(suspect.teller).inserted {
            if suspect.isFirsthand || standing.relayedLie(suspect.teller, now: now) {
                ban(suspect.teller, .wrongDigests)
            }
        }
    }
}
