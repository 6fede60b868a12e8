import OCIModel
import PieceModel

/// A blob that the store has whole and verified.
struct Holding: Sendable {
    let layout: PieceLayout
    /// All piece digests, or `nil` when they are not in memory.
    var digests: [Digest]?
    /// The states of its chain; empty when they are not known.
    var chain: [Digest] = []
    var isLoading = false

    /// Digests in memory.
    var loaded: Int { (digests?.count ?? 0) + chain.count }

    init(layout: PieceLayout) { self.layout = layout }
}

extension PieceExchange {
    mutating func becomeAvailable(_ blob: Digest, _ layout: PieceLayout) {
        guard holdings[blob] == nil else { return }
        if let id = wantIDs[blob] {
            end(id)
            act(.completed(blob: blob))
            // The store's pieces need not be those that were announced: nothing is promised until its digests
            // are here.
            retell(blob)
        }
        holdings[blob] = Holding(layout: layout)
        announce(blob)
    }

    mutating func removeHolding(_ blob: Digest) {
        guard let holding = holdings.removeValue(forKey: blob) else { return }
        if holding.digests != nil {
            loadedDigests -= holding.loaded
            loadedHoldings.removeAll { $0 == blob }
        }
        retell(blob)
        // Orders for it are refused when their turn comes.
    }

    mutating func digestsLoaded(_ blob: Digest, _ digests: [Digest]?, _ chain: [Digest]) {
        guard let holding = holdings[blob], holding.isLoading else { return }
        holdings[blob]?.isLoading = false
        guard let digests, digests.count == holding.layout.pieceCount else { return removeHolding(blob) }
        keep(digests, chain, of: blob)
        announce(blob)
    }

    /// Keeps the digests in memory, and lets go of those least recently asked for that nobody listens to.
    mutating func keep(_ digests: [Digest], _ chain: [Digest], of blob: Digest) {
        holdings[blob]?.digests = digests
        if chain.count == digests.count { holdings[blob]?.chain = chain }
        loadedDigests += holdings[blob]?.loaded ?? 0
        loadedHoldings.append(blob)
        for old in loadedHoldings where loadedDigests > limits.loadedDigestsMax {
            guard old != blob, audiences[old] == nil else { continue }
            loadedDigests -= holdings[old]?.loaded ?? 0
            holdings[old]?.digests = nil
            holdings[old]?.chain = []
            loadedHoldings.removeAll { $0 == old }
        }
    }

    /// The digests are asked for: loads them, or marks them as recently used.
    mutating func useDigests(of blob: Digest) -> Bool {
        guard let holding = holdings[blob] else { return false }
        if holding.digests != nil {
            if loadedHoldings.last != blob {
                loadedHoldings.removeAll { $0 == blob }
                loadedHoldings.append(blob)
            }
            return true
        }
        if !holding.isLoading {
            holdings[blob]?.isLoading = true
            act(.loadDigests(blob: blob))
        }
        return false
    }
}
