import PieceExchange
import PieceModel

/// The registry, and the nodes' reads from it.
extension Simulation {
    /// As in `OriginTimeouts`: a registry that says nothing is given up after this.
    private static let answerMillis: UInt64 = 10_000

    mutating func fetch(_ pieces: Range<Int>, by node: Int) {
        note(UInt64(pieces.lowerBound) << 32 | UInt64(pieces.upperBound))
        lastFetch += 1
        counts.originRequests += 1
        for index in nodes[node].fetches.indices { nodes[node].fetches[index].isTail = true }
        nodes[node].fetches.append(.init(rest: pieces, last: pieces.upperBound - 1, number: lastFetch))
        let roundTrip = UInt64(settings.originLatency * nodes[node].distance * 1e6)
        heap.push(now + roundTrip, .originBegins(node: node, fetch: lastFetch))
        noteDirectory(node)
    }

    mutating func originBegins(_ node: Int, _ fetch: Int) {
        guard place(of: fetch, node) != nil else { return }
        if registryState == .well, !nodes[node].isCutFromRegistry { return originSends(node, fetch) }
        breakFetches(node)
    }

    private func place(of fetch: Int, _ node: Int) -> Int? {
        nodes[node].fetches.firstIndex { $0.number == fetch }
    }

    /// What the node reads comes no further; it hears of it at once, or finds out.
    mutating func breakFetches(_ node: Int) {
        guard !nodes[node].fetches.isEmpty else { return }
        counts.originBytes += registry.clear(node, now: now)
        scheduleRegistry()
        let hears = registryState == .refuses && !nodes[node].isCutFromRegistry
        for index in nodes[node].fetches.indices {
            nodes[node].fetches[index].rest = 0..<0
            let number = nodes[node].fetches[index].number
            heap.push(now + (hears ? 0 : Self.answerMillis * 1_000_000), .originFails(node: node, fetch: number))
        }
    }

    mutating func originFails(_ node: Int, _ fetch: Int) {
        endFetch(node, fetch, .transient)
    }

    private mutating func endFetch(_ node: Int, _ fetch: Int, _ failure: ExchangeEvent.OriginFailure?) {
        guard let index = place(of: fetch, node) else { return }
        let ended = nodes[node].fetches.remove(at: index)
        tell(node, .originEnded(blob: blob, failure: failure, isTail: ended.isTail))
    }

    mutating func originSends(_ node: Int, _ fetch: Int) {
        guard let place = place(of: fetch, node), let piece = nodes[node].fetches[place].rest.first,
            let index = layout.piece(piece)
        else { return }
        nodes[node].fetches[place].rest = (piece + 1)..<nodes[node].fetches[place].rest.upperBound
        let cargo = Cargo.originPiece(piece: piece, node: node, fetch: fetch)
        registry.enqueue(.init(bytes: Double(layout.byteCount(of: index)), cargo: cargo), on: node, now: now)
        scheduleRegistry()
    }

    mutating func scheduleRegistry() {
        guard let (time, generation) = registry.nextEnd(now: now) else { return }
        heap.push(time, .sent(uplink: Self.registryNumber, generation: generation))
    }

    mutating func registrySent(_ generation: Int) {
        guard generation == registry.generation else { return }
        for (_, cargo) in registry.takeSent(now: now) { originSent(cargo) }
        scheduleRegistry()
    }

    private mutating func originSent(_ cargo: Cargo) {
        guard case .originPiece(let piece, let node, let fetch) = cargo, let index = layout.piece(piece) else {
            return
        }
        let bytes = Double(layout.byteCount(of: index))
        counts.originBytes += bytes
        nodes[node].originPieces += 1
        let latency = UInt64(settings.originLatency * nodes[node].distance * 1e6)
        let entered = borders.enter(zone(of: node), from: nil, bytes: bytes, arrival: now + latency)
        let arrival = nodes[node].downlink.receive(bytes, arrival: entered)
        heap.push(arrival, .arrives(cargo))
        // The sender is never more than 50 ms ahead of a full downlink.
        let backlog = arrival - latency - now
        if backlog < 50_000_000 {
            originSends(node, fetch)
        } else {
            heap.push(now + backlog - 50_000_000, .originSends(node: node, fetch: fetch))
        }
    }

    mutating func originStored(_ node: Int, _ piece: Int, _ fetch: Int) {
        guard nodes[node].isAlive, let index = layout.piece(piece) else { return }
        let author = settings.faults.isAny ? nodes[node].name : nil
        nodes[node].disk.store(piece, lie: 0, author: author)
        tell(node, .originPiece(blob: blob, piece: index, digest: digest(piece)))
        read(node)
        guard let place = place(of: fetch, node), piece == nodes[node].fetches[place].last else { return }
        endFetch(node, fetch, nil)
    }

    mutating func stopFetch(_ node: Int) {
        guard !nodes[node].fetches.isEmpty else { return }
        nodes[node].fetches = []
        counts.originBytes += registry.clear(node, now: now)
        scheduleRegistry()
    }
}
