import ContentStore
import OCIModel
import PieceExchange

/// The digests by which this node vouches for the pieces of a blob, made from its bytes off the loop.
extension Swarm {
    func loadDigests(_ blob: Digest) {
        let (store, tellsPrefixes) = (store, options.checksByOrder)
        work.run {
            // A blob that cannot be read is one that this node does not offer.
            let digests = try? store.pieceDigests(blob) ?? store.computePieceDigests(blob)
            return (digests, tellsPrefixes ? store.prefixDigests(blob) ?? [] : [])
        } then: { digests, prefixes in
            self.deliver(.digestsLoaded(blob: blob, digests: digests, prefixes: prefixes))
        }
    }

    func provePieces(of blob: Digest) {
        guard let transfer = transfers[blob], let partial = transfer.partial else {
            return deliver(.piecesProven(blob: blob, []))
        }
        let name = options.name
        transfer.beginWork()
        work.run {
            Result { () throws(StoreError) in try partial.prove(as: name) }
        } then: { result in
            switch result {
            case .success(let proven):
                let pieces = proven.map { ExchangeEvent.HeldPiece(piece: $0.piece, digest: $0.digest, author: name) }
                self.deliver(.piecesProven(blob: blob, pieces))
            case .failure(let error):
                transfer.storeFailure = error.description
                self.deliver(.storeFailed(blob: blob))
            }
            transfer.endWork()
        }
    }
}
