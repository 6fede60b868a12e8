import OCIModel
import PieceModel

/// What one peer says about one wanted blob.
///
/// A piece may be asked for when the peer said both that it holds it and the digest this node goes by, in any
/// order.
///
/// A peer that made none has `none` in its place: an optional would be copied, and its sets be retained, at each look.
struct Claim: Sendable {
    static let none = Claim(isThere: false, held: Bits(capacity: 0), told: Bits(capacity: 0), isCounted: false)

    let isThere: Bool
    /// Of this node's zone, or of none.
    var isNear = true
    /// A `holdings` came.
    var hasAnswered = false
    /// The peer said it holds nothing, or something of another size; either way it is no source.
    var isEmpty = true
    var disagrees = false
    var held: Bits
    /// How many pieces the peer says it holds: more than `held` counts, for it does not name those held here.
    var heldCount = 0
    var told: Bits
    /// Whether what it offers is part of the want's supply: not while the peer is benched.
    var isCounted: Bool
    /// It told another digest than this node goes by for some piece.
    var contradicts = false
    /// It told digests while it was benched, which were not taken: to be asked again.
    var wasPassedOver = false
    /// Pieces that the peer left to others to hand on; asked of it again from `deferredUntil` on.
    var deferred: Bits?
    var deferredUntil = Instant(nanoseconds: 0)
    /// A scan found nothing to ask this peer for; cleared when that may have changed.
    var isDry = false

    func offers(_ piece: Int) -> Bool { held.contains(piece) && told.contains(piece) }

    func isDeferred(_ piece: Int) -> Bool { deferred?.contains(piece) ?? false }
}

extension Want {
    func hasClaim(of peer: PeerID) -> Bool { peer < claims.count && claims[peer].isThere }

    /// Whether the peer may be asked for the piece, as far as what it said goes.
    func offers(_ piece: Int, by peer: PeerID) -> Bool { hasClaim(of: peer) && claims[peer].offers(piece) }

    func isKnownToHold(_ piece: Int, _ peer: PeerID) -> Bool {
        hasClaim(of: peer) && claims[peer].held.contains(piece)
    }

    mutating func addClaim(of peer: PeerID, isNear: Bool = true, isCounted: Bool) {
        while claims.count <= peer { claims.append(Claim.none) }
        if claims[peer].isThere { removeClaim(of: peer) }
        claims[peer] = Claim(
            isThere: true,
            isNear: isNear,
            held: Bits(capacity: pieceCount),
            told: Bits(capacity: pieceCount),
            isCounted: isCounted
        )
        claimCount += 1
        unansweredCount += 1
    }

    mutating func noteAnswer(of peer: PeerID) {
        guard !claims[peer].hasAnswered else { return }
        claims[peer].hasAnswered = true
        unansweredCount -= 1
    }

    mutating func removeClaim(of peer: PeerID) {
        guard hasClaim(of: peer) else { return }
        setCounted(false, peer: peer)
        claimCount -= 1
        if !claims[peer].hasAnswered { unansweredCount -= 1 }
        if claims[peer].deferred != nil { deferringCount -= 1 }
        claims[peer] = Claim.none
    }

    mutating func wakeClaims() {
        for peer in claims.indices { claims[peer].isDry = false }
    }

    /// Takes the peer's offers into the supply, or out of it.
    mutating func setCounted(_ counted: Bool, peer: PeerID) {
        guard hasClaim(of: peer), claims[peer].isCounted != counted else { return }
        claims[peer].isCounted = counted
        for index in claims[peer].held.words.indices {
            let offered = claims[peer].held.words[index] & claims[peer].told.words[index] & openTo(peer, word: index)
            Bits.forEachBit(offered) { bit in
                shiftSupply(of: index << 6 + bit, up: counted)
            }
        }
        claims[peer].isDry = false
        if !counted, claims[peer].isNear { wakeFarClaims() }
    }

    /// The peer holds this piece too.
    mutating func noteHeld(_ piece: Int, by peer: PeerID) {
        guard hasClaim(of: peer), claims[peer].held.insert(piece) else { return }
        claims[peer].isDry = false
        if claims[peer].told.contains(piece) { noteOffer(piece, by: peer) }
    }

    /// The peer does not hold this piece after all.
    mutating func noteNotHeld(_ piece: Int, by peer: PeerID) {
        guard hasClaim(of: peer), claims[peer].held.remove(piece) else { return }
        if claims[peer].told.contains(piece) { withdrawOffer(piece, by: peer) }
    }

    /// The peer leaves the piece to others for now.
    mutating func noteElsewhere(_ piece: Int, by peer: PeerID, until: Instant) {
        guard hasClaim(of: peer) else { return }
        if claims[peer].deferred == nil {
            deferringCount += 1
            claims[peer].deferred = Bits(capacity: pieceCount)
            claims[peer].deferredUntil = until
        }
        claims[peer].deferred?.insert(piece)
    }

    /// Returns when the first of the peers that left pieces to others is to be asked for them again.
    mutating func releaseDeferred(_ now: Instant) -> Instant? {
        guard deferringCount > 0 else { return nil }
        var next: Instant?
        for peer in claims.indices where claims[peer].deferred != nil {
            let until = claims[peer].deferredUntil
            if until <= now {
                deferringCount -= 1
                claims[peer].deferred = nil
                claims[peer].isDry = false
            } else {
                next = min(until, next ?? until)
            }
        }
        return next
    }

    /// Replaces what the peer said it holds.
    mutating func replaceHeld(_ set: Bits, by peer: PeerID) {
        guard hasClaim(of: peer) else { return }
        let wasCounted = claims[peer].isCounted
        setCounted(false, peer: peer)
        claims[peer].held = set
        setCounted(wasCounted, peer: peer)
        claims[peer].isDry = false
        if !claims[peer].told.isEmpty, !set.isEmpty { everOffered = true }
    }

    /// The peer told the digest of a piece.
    ///
    /// The first teller's digest is the one this node goes by; a peer that says otherwise is no source of
    /// that piece. Nor is one that is benched the first: what it invented would keep the others out, and again after
    /// each release.
    mutating func noteDigest(of piece: Int, _ told: Blame.Statement, peer: PeerID) {
        guard hasClaim(of: peer) else { return }
        let isBarred = blame.bars(told, of: piece)
        if table.digest(of: piece) == nil, !isBarred {
            guard claims[peer].isCounted else { return claims[peer].wasPassedOver = true }
            table.set(piece, told)
        }
        let isHeld = claims[peer].held.contains(piece)
        if table.digest(of: piece) == told.digest {
            guard !isBarred, claims[peer].told.insert(piece) else { return }
            claims[peer].isDry = false
            if isHeld { noteOffer(piece, by: peer) }
            return
        }
        if !isBarred {
            claims[peer].contradicts = true
            hasOrphans = true
        }
        // Barred or not, the peer no longer stands to what it said before: its bytes would be others.
        if claims[peer].told.remove(piece), isHeld { withdrawOffer(piece, by: peer) }
    }

    /// Gives up digests that nobody brings bytes for while others say otherwise: whoever tells first must not
    /// be able to keep a piece from coming.
    ///
    /// Returns the peers to ask anew.
    mutating func releaseOrphans(_ now: Instant) -> [PeerID] {
        guard hasOrphans, orphansDue <= now else { return [] }
        let doubters = claims.indices.filter { claims[$0].contradicts && claims[$0].isCounted }
        guard !doubters.isEmpty else { return [] }
        hasOrphans = false
        var isReleased = false
        for index in open.words.indices {
            Bits.forEachBit(open.words[index] & ~covered.words[index]) { bit in
                let piece = index << 6 + bit
                guard table.digest(of: piece) != nil else { return }
                isReleased = true
                table.remove(piece)
                for peer in claims.indices where claims[peer].told.remove(piece) {
                    claims[peer].contradicts = true
                }
            }
        }
        guard isReleased else { return [] }
        for peer in doubters { claims[peer].contradicts = false }
        orphansDue = now.adding(milliseconds: 500 << UInt64(min(orphanReleases, 5)))
        orphanReleases += 1
        return doubters
    }

    private mutating func noteOffer(_ piece: Int, by peer: PeerID) {
        everOffered = true
        if claims[peer].isCounted, isOpenTo(peer, piece) { shiftSupply(of: piece, up: true) }
    }

    private mutating func withdrawOffer(_ piece: Int, by peer: PeerID) {
        if claims[peer].isNear { wakeFarClaims() }
        if claims[peer].isCounted, isOpenTo(peer, piece) { shiftSupply(of: piece, up: false) }
    }

    private mutating func shiftSupply(of piece: Int, up: Bool) {
        if up {
            supply[piece] = supply[piece] == .max ? .max : supply[piece] + 1
            if covered.insert(piece) { coveredSinceRead += 1 }
        } else if supply[piece] > 0 {
            supply[piece] -= 1
            if supply[piece] == 0 {
                covered.remove(piece)
                needsNoOrigin = false
                hasOrphans = true
            }
        }
    }
}
