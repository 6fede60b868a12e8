package import OCIModel
import PieceModel

/// Pieces that the shell checks as links of the blob's chain, by what a peer that has all of it tells, and not by their
/// own digests: so each byte is hashed once.
///
/// Nobody is told of a blob that has such pieces before they are *proven* (compared with their digests) or the whole
/// matched: their digests are a peer's word, and whoever passes it on answers for it. Who sent bytes that have another
/// digest than the one it stood for is banned, as if they had been compared at once.
extension PieceExchange {
    /// Whether a piece of the blob may be reported as `linked`: while nobody else listens, and nothing of the blob has
    /// proven wrong, so that digests need not tell who is to blame.
    package func mayGoByChain(_ blob: Digest) -> Bool {
        guard audiences[blob] == nil, let id = wantIDs[blob] else { return false }
        return wants[id].blame.mismatches == 0
    }

    /// Somebody listens, who needs digests that are true.
    mutating func proveIfHeard(_ blob: Digest) {
        guard audiences[blob] != nil, let id = wantIDs[blob] else { return }
        prove(id)
    }

    mutating func prove(_ id: WantID) {
        guard !wants[id].unproven.isEmpty, wants[id].proving == nil else { return }
        let pieces = wants[id].unproven.keys.sorted()
        wants[id].proving = Set(pieces)
        act(.provePieces(blob: wants[id].blob, pieces: pieces.map { wants[id].index($0) }))
    }

    mutating func piecesProven(_ blob: Digest, _ pieces: [(piece: PieceIndex, digest: Digest)]) {
        guard let id = wantIDs[blob], let proving = wants[id].proving else { return }
        wants[id].proving = nil
        // While the whole is checked nothing is dropped: what comes of that decides.
        let isWhole = wants[id].phase == .verifying && !wants[id].isToBlame
        var wrong: [Int] = []
        for (index, digest) in pieces {
            let piece = index.value
            // One that was dropped meanwhile, and came again, is another.
            guard proving.contains(piece), wants[id].unproven[piece] != nil else { continue }
            if wants[id].table.digest(of: piece) == digest {
                wants[id].unproven[piece] = nil
            } else if !isWhole {
                wrong.append(piece)
            }
        }
        drop(wrong, of: id)
        // What the others told of these pieces is not gone by any more.
        if !wrong.isEmpty, !wants[id].isToBlame { askAgain(id) }
        // Of pieces that are not held any more nothing is reported.
        let reported = Set(pieces.map(\.piece.value))
        for piece in proving where !reported.contains(piece) { wants[id].unproven[piece] = nil }
        if wants[id].isToBlame { return goOnBlaming(id, isSettled: !wrong.isEmpty) }
        if wants[id].unproven.isEmpty { retell(blob) } else if !isWhole { proveIfHeard(blob) }
    }

    /// The whole did not match. If pieces were other than they were said to be, that is why, as far as anybody can say
    /// before it is checked again.
    private mutating func goOnBlaming(_ id: WantID, isSettled: Bool) {
        // The proof may have begun before the last of them came.
        guard isSettled || wants[id].unproven.isEmpty else { return prove(id) }
        wants[id].isToBlame = false
        guard isSettled else { return blame(id) }
        resume(id)
        proveIfHeard(wants[id].blob)
    }

    /// Back to fetching, after a whole that did not match: the honest ones are asked anew.
    mutating func resume(_ id: WantID) {
        let blob = wants[id].blob
        wants[id].phase = .fetching
        for peer in peers.indices where wants[id].hasClaim(of: peer) { wants[id].removeClaim(of: peer) }
        askWhoHolds(id)
        dealImports(of: blob)
        retell(blob)
        touch(want: id)
    }

    private mutating func askAgain(_ id: WantID) {
        for peer in peers.indices where wants[id].hasClaim(of: peer) {
            send(.interest(blob: wants[id].blob), to: peer)
        }
    }

    /// These pieces are not what their senders stood for.
    private mutating func drop(_ wrong: [Int], of id: WantID) {
        guard !wrong.isEmpty else { return }
        let senders = Set(wrong.compactMap { wants[id].unproven[$0] }).sorted()
        act(.dropPieces(blob: wants[id].blob, pieces: wrong.map { wants[id].index($0) }))
        for piece in wrong {
            wants[id].lose(piece)
            wants[id].noteFailure(of: piece)
        }
        for sender in senders where sender != name { ban(sender, .wrongBytes) }
        touch(want: id)
    }
}
