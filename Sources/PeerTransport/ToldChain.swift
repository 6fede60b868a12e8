import ContentStore
import OCIModel
import PieceExchange
import PieceModel

/// What one peer says of a blob's chain, run by run: gone by only when it is whole and leads to the blob's digest.
struct ToldChain {
    private let digest: Digest
    private let layout: PieceLayout
    private var teller: PeerName?
    private var states: [Digest] = []
    private(set) var whole: BlobChain?

    init(_ digest: Digest, _ layout: PieceLayout) {
        self.digest = digest
        self.layout = layout
    }

    /// A run that does not follow the last one is passed over; who begins at the first piece is listened to instead of
    /// one who did not finish.
    mutating func note(_ run: PeerMessage.PieceDigests, from peer: PeerName) {
        guard whole == nil, !run.chain.isEmpty else { return }
        if run.first == 0 {
            teller = peer
            states = []
        }
        guard teller == peer, Int(run.first) == states.count, run.chain.count <= layout.pieceCount - states.count
        else { return }
        states += run.chain
        guard states.count == layout.pieceCount else { return }
        whole = BlobChain(states, of: digest, layout)
        states = []
        teller = nil
    }
}
