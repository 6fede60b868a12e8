import OCIModel
import PieceModel

@testable import PieceExchange

/// A register of grants that nodes see, lose and see again, each at its own times; now and then it forgets everything.
extension SimulatedSwarm {
    mutating func drawRegister() {
        for node in nodes.indices {
            var time = UInt64(dice.roll(300)) * 1_000_000
            var isThere = true
            for _ in 0..<(1 + dice.roll(6)) {
                queue.push(time, .register(node: node, isThere: isThere))
                time += UInt64(1 + dice.roll(4_000)) * 1_000_000
                isThere.toggle()
            }
        }
        for _ in 0..<dice.roll(3) { queue.push(UInt64(dice.roll(8_000)) * 1_000_000, .registerForgets) }
    }

    mutating func seek(_ blob: Digest, by node: Int) {
        if dice.chance(percent: 3) { return }
        var names: [PeerName] = []
        if nodes[node].seesRegister {
            names = holders[blob] ?? []
            holders[blob] = names + [nodes[node].name]
        }
        queue.push(after(20), .holdersFound(node: node, blob: blob, names))
    }

    mutating func ask(_ request: PeerMessage.GrantRequest, by node: Int) {
        // Now and then an answer is lost, or comes when nobody waits for it any more.
        if dice.chance(percent: 3) { return }
        guard nodes[node].seesRegister, let layout = PieceLayout(blobBytes: request.blobBytes) else {
            return queue.push(after(5), .registerAnswers(node: node, blob: request.blob, nil))
        }
        let wanted = request.wanted.map { Int($0.first)..<Int($0.first + $0.count) }
        let (name, limits) = (nodes[node].name, nodes[node].exchange.limits)
        let answer = withBook(request.blob, layout) { book, now in
            book.request(wanted, isRetry: request.isRetry, by: name, limits: limits, now: now)
        }
        let delay = after(dice.chance(percent: 3) ? 3_000 : 20)
        queue.push(delay, .registerAnswers(node: node, blob: request.blob, answer))
    }

    mutating func note(_ progress: PeerMessage.GrantProgress, of node: Int) {
        guard nodes[node].seesRegister, let layout = PieceLayout(blobBytes: progress.blobBytes) else { return }
        let pieces = Int(progress.pieces.first)..<Int(progress.pieces.first + progress.pieces.count)
        let (name, limits) = (nodes[node].name, nodes[node].exchange.limits)
        withBook(progress.blob, layout) { book, now in
            book.report(
                pieces, read: Int(progress.read), isOver: progress.isOver, by: name, limits: limits, now: now)
        }
    }

    mutating func lose(_ holder: PeerName, of blob: Digest, _ bytes: Int64, by node: Int) {
        guard nodes[node].seesRegister, let layout = PieceLayout(blobBytes: bytes) else { return }
        withBook(blob, layout) { book, _ in book.lose(holder) }
    }

    @discardableResult
    private mutating func withBook<T>(
        _ blob: Digest, _ layout: PieceLayout, _ body: (inout GrantBook, Instant) -> T
    ) -> T {
        let (key, now) = (GrantKey(blob: blob, blobBytes: layout.blobBytes), Instant(nanoseconds: now))
        var book = register[key] ?? GrantBook(layout: layout, now: now)
        defer { register[key] = book }
        return body(&book, now)
    }
}
