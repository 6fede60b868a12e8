import OCIModel
import PieceExchange
import PieceModel

/// How nodes deceive: what they say and send instead of what their exchange told them to.
extension Simulation {
    mutating func chooseLiars() {
        var rest = Array(nodes.indices.dropFirst(settings.seeders))
        for _ in 0..<settings.faults.liars where !rest.isEmpty {
            let liar = rest.remove(at: dice.below(rest.count))
            nodes[liar].lie = Lie.allCases[dice.below(Lie.allCases.count)]
        }
        unfinished -= nodes.count { $0.lie != nil }
    }

    /// Forged are some pieces only: the rest makes the liar worth listening to.
    private func isForged(_ piece: Int) -> Bool { piece % 3 == 0 }

    private func forgery(of piece: Int, by node: Int) -> UInt64 { UInt64(node + 1) << 20 | UInt64(piece + 1) }

    /// What lies on the node's disk, or is sent in its place; `nil` for nothing at all.
    func content(of piece: Int, by node: Int) -> UInt64? {
        let truth = nodes[node].disk.lies[piece] ?? 0
        switch nodes[node].lie {
        case .silence, .haves: return nil
        case .bytes: return truth ^ 1
        case .digests, .blame, .chain: return isForged(piece) ? forgery(of: piece, by: node) : truth
        default: return truth
        }
    }

    mutating func twisted(_ message: PeerMessage, by node: Int) -> PeerMessage {
        switch (nodes[node].lie, message) {
        case (.digests, _), (.blame, _): forged(message, by: node)
        case (.haves, .holdings(let blob, _)):
            .holdings(blob: blob, held: .init(blobBytes: layout.blobBytes, complete: true, bits: []))
        case (.count, .have(let have)): miscounted(have)
        default: message
        }
    }

    private mutating func miscounted(_ honest: PeerMessage.Have) -> PeerMessage {
        var have = honest
        have.held = UInt32(dice.below(layout.pieceCount + 1))
        return .have(have)
    }

    /// Before the node says that it has all pieces: digests that no bytes fit.
    mutating func inventDigests(for peer: Int, by node: Int) {
        let invented = (0..<min(layout.pieceCount, PeerMessage.PieceDigests.countMax)).map { digest($0, lie: 7) }
        let told = PeerMessage.PieceDigests(blob: blob, author: nodes[node].name, first: 0, digests: invented)
        send(.pieceDigests(told), from: node, to: nodes[peer].name)
    }

    private func forged(_ message: PeerMessage, by node: Int) -> PeerMessage {
        let author = nodes[node].lie == .blame ? nodes[(node + 1) % nodes.count].name : nodes[node].name
        switch message {
        case .pieceDigests(var told):
            told.author = author
            for offset in told.digests.indices where isForged(Int(told.first) + offset) {
                let piece = Int(told.first) + offset
                told.digests[offset] = digest(piece, lie: forgery(of: piece, by: node))
            }
            return .pieceDigests(told)
        case .have(var have) where !have.digests.isEmpty:
            let index = have.authors.firstIndex(of: author) ?? have.authors.count
            if index == have.authors.count { have.authors.append(author) }
            for (place, piece) in have.pieces.enumerated() where isForged(Int(piece)) {
                have.digests[place] = digest(Int(piece), lie: forgery(of: Int(piece), by: node))
                have.authorOf[place] = UInt32(index)
            }
            return have.isWellFormed ? .have(have) : message
        default: return message
        }
    }

    /// Whether the node keeps a message about grants from its exchange and does something else.
    mutating func abuses(_ message: PeerMessage, at node: Int, from peer: Int) -> Bool {
        switch (nodes[node].lie, message) {
        case (.refusals, .grantRequest(let request)):
            send(.grantRefused(blob: request.blob, retryAfterMillis: 500), from: node, to: nodes[peer].name)
            return true
        case (.refusals, .grantProgress): return true
        case (.grants, .grant(_, let run)):
            hog(run, of: peer, by: node)
            return true
        default: return false
        }
    }

    mutating func hog(_ run: PeerMessage.PieceRun, of keeper: Int, by node: Int) {
        guard nodes[node].isAlive else { return }
        let progress = PeerMessage.GrantProgress(
            blob: blob,
            blobBytes: layout.blobBytes,
            pieces: run,
            read: 0,
            isOver: false
        )
        send(.grantProgress(progress), from: node, to: nodes[keeper].name)
        heap.push(now + 1_000_000_000, .grantsAreHogged(keeper, by: node, run))
    }
}
