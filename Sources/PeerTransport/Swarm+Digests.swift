import ContentStore
import OCIModel
import PieceExchange
import PieceModel

/// The digests by which this node vouches for the pieces of a blob, made from its bytes off the loop.
extension Swarm {
    func loadDigests(_ blob: Digest) {
        let store = store
        work.run {
            // A blob that cannot be read is one that this node does not offer.
            let digests = try? store.pieceDigests(blob) ?? store.computePieceDigests(blob)
            return (digests, store.chainStates(blob) ?? [])
        } then: { digests, chain in
            self.deliver(.digestsLoaded(blob: blob, digests: digests, chain: chain))
        }
    }

    func prove(_ pieces: [PieceIndex], of blob: Digest) {
        guard let transfer = transfers[blob], let partial = transfer.partial else {
            return deliver(.piecesProven(blob: blob, []))
        }
        transfer.beginWork()
        work.run {
            Result { () throws(StoreError) in try partial.prove(pieces) }
        } then: { result in
            defer { transfer.endWork() }
            // The blob may be whole by now, gone, and wanted anew.
            guard self.transfers[blob] === transfer else { return }
            switch result {
            case .success(let proven):
                self.deliver(.piecesProven(blob: blob, proven))
            case .failure(let error):
                transfer.storeFailure = error.description
                self.deliver(.storeFailed(blob: blob))
            }
        }
    }
}
