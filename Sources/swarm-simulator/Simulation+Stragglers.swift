import Glibc
import PieceExchange
import PieceModel

/// Nodes whose links become bad in the midst of the run, and how long that has the others wait.
extension Simulation {
    static let slowLinkFactor = 20.0
    static let freezeSeconds = 3.0

    mutating func scheduleStragglers() {
        for fault in [Fault](repeating: .someLinkSlows, count: settings.slowLinks)
            + [Fault](repeating: .someLinkFreezes, count: settings.freezes)
        {
            let share = 0.2 + 0.4 * dice.fraction()
            heap.push(Self.startsAt + UInt64(share * bound * 1e9), .fault(fault))
        }
    }

    private mutating func nextStraggler() -> Int? {
        let well = nodes.indices.filter { nodes[$0].isAlive && !nodes[$0].isStraggler && nodes[$0].lie == nil }
        guard !well.isEmpty else { return nil }
        let node = well[dice.below(well.count)]
        nodes[node].isStraggler = true
        return node
    }

    mutating func slowSomeLink() {
        guard let node = nextStraggler() else { return }
        if settings.slowWays != .down { nodes[node].uplink.slow(by: Self.slowLinkFactor, now: now) }
        if settings.slowWays != .up { nodes[node].downlink.slow(by: Self.slowLinkFactor) }
        schedule(node)
    }

    mutating func freezeSomeLink() {
        guard let node = nextStraggler() else { return }
        let until = now + UInt64(Self.freezeSeconds * 1e9)
        nodes[node].frozenUntil = until
        nodes[node].downlink.freeze(until: until)
        // As good as nothing: its rate is never zero.
        nodes[node].uplink.slow(by: 1e6, now: now)
        schedule(node)
        later(Self.freezeSeconds, .linkThaws(node))
    }

    mutating func thaw(_ node: Int) {
        nodes[node].uplink.slow(by: 1, now: now)
        schedule(node)
    }

    // MARK: Pieces

    mutating func noteSent(_ message: PeerMessage, _ node: Int) {
        switch message {
        case .request(let request, _, let piece):
            nodes[node].requested[request] = Int(piece)
            nodes[node].asked[Int(piece), default: (now, 0)].count += 1
        case .cancel(let request): noteOver(request, node)
        default: break
        }
    }

    mutating func noteCame(_ message: PeerMessage, _ node: Int) {
        if case .refuse(let request, _, _) = message { noteOver(request, node) }
    }

    private mutating func noteOver(_ request: UInt32, _ node: Int) {
        guard let piece = nodes[node].requested.removeValue(forKey: request), let asked = nodes[node].asked[piece]
        else { return }
        nodes[node].asked[piece] = asked.count > 1 ? (asked.since, asked.count - 1) : nil
    }

    /// A piece of a peer is on the node's disk.
    mutating func keep(_ stored: Disk.Piece, _ piece: Int, by node: Int) {
        nodes[node].disk.store(piece, lie: stored.lie, author: stored.author, isAsSaid: stored.isAsSaid)
        guard let asked = nodes[node].asked.removeValue(forKey: piece), !nodes[node].isStraggler else { return }
        pieceTimes.add(now - asked.since)
    }

    // MARK: Readers

    mutating func beginReading(_ node: Int) {
        nodes[node].readAt = now
        read(node)
    }

    /// The node's reader takes what comes next, as far as it is there.
    mutating func read(_ node: Int) {
        guard settings.hasReaders, nodes[node].isAlive, nodes[node].reader < layout.pieceCount else { return }
        let before = nodes[node].reader
        while nodes[node].disk.contains(nodes[node].reader) { nodes[node].reader += 1 }
        guard nodes[node].reader > before else { return }
        nodes[node].longestRead = max(nodes[node].longestRead, now - nodes[node].readAt)
        nodes[node].readAt = now
        if let piece = layout.piece(nodes[node].reader) { tell(node, .readerMoved(blob: blob, to: piece)) }
    }
}

/// How long pieces took from the first request that was neither refused nor taken back.
struct PieceTimes {
    /// Of each factor of two, so many steps.
    private static let steps = 16.0
    private var counts = [Int](repeating: 0, count: 64 * 16)
    private(set) var count = 0

    mutating func add(_ nanoseconds: UInt64) {
        counts[Int(log2(Double(max(nanoseconds, 1))) * Self.steps)] += 1
        count += 1
    }

    /// Seconds that this share of the pieces did not take longer than, to 5 %.
    func quantile(_ share: Double) -> Double {
        var left = Int((Double(count) * share).rounded(.up))
        for (step, some) in counts.enumerated() {
            left -= some
            if left <= 0 { return exp2(Double(step + 1) / Self.steps) / 1e9 }
        }
        return 0
    }
}
