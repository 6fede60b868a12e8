package import OCIModel
import PieceModel

/// Pieces that come in the order of the blob: the shell may check them as part of the whole, by what a peer that has
/// all of it says of its prefixes, and leave out their own digests.
///
/// Nobody is told of a blob that has such pieces before they were *proven* (their digests made from their bytes) or the
/// whole matched: their digests are a peer's word, and whoever passes it on answers for it.
extension PieceExchange {
    /// Whether a piece of the blob may be reported as `storedInOrder`: while nobody else listens, and nothing of the
    /// blob has proven wrong, so that digests need not tell who is to blame.
    package func mayGoByOrder(_ blob: Digest) -> Bool {
        guard audiences[blob] == nil, let id = wantIDs[blob] else { return false }
        return wants[id].blame.mismatches == 0
    }

    /// Somebody listens, who needs digests that are true.
    mutating func proveIfHeard(_ blob: Digest) {
        guard audiences[blob] != nil, let id = wantIDs[blob], !wants[id].unproven.isEmpty, !wants[id].isProving else {
            return
        }
        wants[id].isProving = true
        act(.provePieces(blob: blob))
    }

    mutating func piecesProven(_ blob: Digest, _ pieces: [ExchangeEvent.HeldPiece]) {
        guard let id = wantIDs[blob], wants[id].isProving else { return }
        wants[id].isProving = false
        for proven in pieces {
            let piece = proven.piece.value
            guard wants[id].unproven.remove(piece) != nil, let told = wants[id].table.statement(of: piece),
                told.digest != proven.digest
            else { continue }
            wants[id].blame.suspect(piece, told, isDropped: false)
            wants[id].doubtful.insert(piece)
            wants[id].table.set(
                piece, Blame.Statement(digest: proven.digest, author: name, teller: name, isFirsthand: true))
        }
        // What is proven in vain is not proven again at once.
        if wants[id].unproven.isEmpty { retell(blob) } else if !pieces.isEmpty { proveIfHeard(blob) }
    }
}
