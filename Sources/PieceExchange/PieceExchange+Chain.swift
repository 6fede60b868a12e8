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

    /// Somebody listens, who needs digests that are true. Not while the whole is checked: what comes of that decides.
    mutating func proveIfHeard(_ blob: Digest) {
        guard audiences[blob] != nil, let id = wantIDs[blob], wants[id].phase == .fetching else { return }
        prove(id)
    }

    mutating func prove(_ id: WantID) {
        guard !wants[id].unproven.isEmpty, !wants[id].isProving else { return }
        wants[id].isProving = true
        let pieces = wants[id].unproven.keys.sorted().map { wants[id].index($0) }
        act(.provePieces(blob: wants[id].blob, pieces: pieces))
    }

    mutating func piecesProven(_ blob: Digest, _ pieces: [(piece: PieceIndex, digest: Digest)]) {
        guard let id = wantIDs[blob], wants[id].isProving else { return }
        wants[id].isProving = false
        let isWhole = wants[id].phase == .verifying && !wants[id].isToBlame
        var wrong: [Int] = []
        for (index, digest) in pieces {
            let piece = index.value
            guard wants[id].unproven[piece] != nil else { continue }
            if wants[id].table.digest(of: piece) == digest {
                wants[id].unproven[piece] = nil
            } else if !isWhole {
                wrong.append(piece)
            }
        }
        drop(wrong, of: id)
        if wants[id].isToBlame { return goOnBlaming(id, isSettled: !wrong.isEmpty) }
        // What is proven in vain is not proven again at once.
        if wants[id].unproven.isEmpty { retell(blob) } else if !pieces.isEmpty { proveIfHeard(blob) }
    }

    /// The whole did not match. If pieces were other than they were said to be, that is why, as far as anybody can say
    /// before it is checked again.
    private mutating func goOnBlaming(_ id: WantID, isSettled: Bool) {
        wants[id].isToBlame = false
        guard isSettled else {
            // Those of which nothing was reported were dropped, or came meanwhile.
            wants[id].unproven = [:]
            return blame(id)
        }
        wants[id].phase = .fetching
        retell(wants[id].blob)
        touch(want: id)
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
