import OCIModel
import PieceExchange
import PieceModel

/// What a shell does: messages, pieces, the registry, the disk.
extension Simulation {
    /// Bytes hashed and stored in a nanosecond.
    private static let storeRate = 1.0

    mutating func perform(_ action: ExchangeAction, by node: Int) {
        switch action {
        case .send(let message, let to): send(message, from: node, to: to)
        case .upload(_, let piece, let request, let to): upload(piece, request, from: node, to: to)
        case .checkPiece(_, let piece, _, _, let request, let from):
            nodes[node].arrived = nil
            let wait = Double(layout.byteCount(of: piece)) / Self.storeRate
            heap.push(
                now + UInt64(wait),
                .checked(node: node, piece: piece.value, request: request, from: from)
            )
        case .discardPayload:
            nodes[node].arrived = nil
            nodes[node].duplicates += 1
        case .fetchFromOrigin(_, let pieces):
            note(UInt64(pieces.lowerBound) << 32 | UInt64(pieces.upperBound))
            lastFetch += 1
            originRequests += 1
            nodes[node].fetch = (pieces, pieces.upperBound - 1, lastFetch)
            let roundTrip = UInt64(settings.originLatency * 1e6)
            heap.push(now + roundTrip, .originBegins(node: node, fetch: lastFetch))
        case .stopOrigin: stopFetch(node)
        case .loadDigests: heap.push(now + 1_000_000, .digestsLoaded(node))
        case .checkBlob: heap.push(now + 1_000_000, .blobChecked(node))
        case .completed: nodes[node].finishedAt = now
        case .failed(_, let reason): nodes[node].failure = reason
        case .connect(let member):
            guard let other = numbers[member] else { return }
            heap.push(now + UInt64(3e6 * settings.latency), .joined(node, other))
        case .dropPieces, .ban: break
        }
    }

    // MARK: Messages and pieces

    private func pair(_ from: Int, _ to: Int) -> UInt64 { UInt64(from) << 32 | UInt64(to) }

    private mutating func send(_ message: PeerMessage, from: Int, to name: PeerName) {
        guard let to = numbers[name], neighbours[from].contains(to) else { return }
        let bytes = MessageSize.bytes(of: message)
        nodes[from].controlBytes += bytes
        nodes[from].controlMessages += 1
        let cargo = Cargo.message(message, to: to, from: from)
        // Behind the pieces that this connection is sending; else it takes no time worth counting.
        guard nodes[from].uplink.isBusy(to) else { return deliver(cargo, from: from, to: to, at: now) }
        nodes[from].uplink.enqueue(.init(bytes: Double(bytes), cargo: cargo), on: to, now: now)
        schedule(from)
    }

    private mutating func deliver(_ cargo: Cargo, from: Int, to: Int, at time: UInt64) {
        let arrival = max(time + UInt64(settings.latency * 1e6), (lastArrival[pair(from, to)] ?? 0) + 1)
        lastArrival[pair(from, to)] = arrival
        heap.push(arrival, .arrives(cargo))
    }

    private mutating func upload(_ piece: PieceIndex, _ request: UInt32, from: Int, to name: PeerName) {
        guard let to = numbers[name], neighbours[from].contains(to) else { return }
        let bytes = layout.byteCount(of: piece)
        let header = PeerMessage.PieceHeader(request: request, encoding: .identity, payloadBytes: bytes)
        let cargo = Cargo.piece(header, piece: piece.value, to: to, from: from)
        nodes[from].uplink.enqueue(.init(bytes: Double(bytes + 18), cargo: cargo), on: to, now: now)
        schedule(from)
    }

    private mutating func schedule(_ node: Int) {
        guard let (time, generation) = nodes[node].uplink.nextEnd(now: now) else { return }
        heap.push(time, .sent(uplink: node, generation: generation))
    }

    private mutating func scheduleRegistry() {
        guard let (time, generation) = registry.nextEnd(now: now) else { return }
        heap.push(time, .sent(uplink: nodes.count, generation: generation))
    }

    mutating func sent(_ uplink: Int, _ generation: Int) {
        if uplink == nodes.count {
            guard generation == registry.generation else { return }
            for (_, cargo) in registry.takeSent(now: now) { originSent(cargo) }
            return scheduleRegistry()
        }
        guard generation == nodes[uplink].uplink.generation, nodes[uplink].isAlive else { return }
        for (_, cargo) in nodes[uplink].uplink.takeSent(now: now) { sent(cargo) }
        schedule(uplink)
    }

    private mutating func sent(_ cargo: Cargo) {
        switch cargo {
        case .message(_, let to, let from): deliver(cargo, from: from, to: to, at: now)
        case .piece(let header, _, let to, let from):
            let latency = UInt64(settings.latency * 1e6)
            let bytes = Double(header.payloadBytes)
            nodes[from].payloadOut += bytes
            let entered = enterZone(of: to, from: from, bytes: bytes, arrival: now + latency)
            let arrival = nodes[to].downlink.receive(bytes, arrival: entered)
            deliver(cargo, from: from, to: to, at: arrival - latency)
            // A full downlink holds the sender back.
            heap.push(arrival - latency, .uploaded(node: from, request: header.request, to: to))
        case .originPiece: preconditionFailure("only the registry sends it")
        }
    }

    mutating func arrives(_ cargo: Cargo) {
        switch cargo {
        case .message(let message, let to, let from):
            guard neighbours[to].contains(from) else { return }
            tell(to, .message(message, from: nodes[from].name))
        case .piece(let header, let piece, let to, let from):
            guard neighbours[to].contains(from) else { return }
            nodes[to].arrived = piece
            nodes[to].payloadIn += Double(header.payloadBytes)
            tell(to, .pieceArrived(header, from: nodes[from].name))
        case .originPiece(let piece, let node, let fetch):
            let bytes = layout.piece(piece).map { layout.byteCount(of: $0) } ?? 0
            let wait = UInt64(Double(bytes) / Self.storeRate)
            heap.push(now + wait, .originStored(node: node, piece: piece, fetch: fetch))
        }
    }

    // MARK: The registry

    mutating func originSends(_ node: Int, _ fetch: Int) {
        guard let running = nodes[node].fetch, running.number == fetch, let piece = running.rest.first,
            let index = layout.piece(piece)
        else { return }
        nodes[node].fetch?.rest = (piece + 1)..<running.rest.upperBound
        let cargo = Cargo.originPiece(piece: piece, node: node, fetch: fetch)
        registry.enqueue(.init(bytes: Double(layout.byteCount(of: index)), cargo: cargo), on: node, now: now)
        scheduleRegistry()
    }

    private mutating func originSent(_ cargo: Cargo) {
        guard case .originPiece(let piece, let node, let fetch) = cargo, let index = layout.piece(piece) else {
            return
        }
        let bytes = Double(layout.byteCount(of: index))
        originBytes += bytes
        nodes[node].originPieces += 1
        let latency = UInt64(settings.originLatency * 1e6)
        let entered = enterZone(of: node, from: nil, bytes: bytes, arrival: now + latency)
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
        tell(node, .originPiece(blob: blob, piece: index, digest: digest(piece)))
        guard let running = nodes[node].fetch, running.number == fetch, piece == running.last else { return }
        nodes[node].fetch = nil
        tell(node, .originEnded(blob: blob, failure: nil))
    }

    mutating func stopFetch(_ node: Int) {
        guard nodes[node].fetch != nil else { return }
        nodes[node].fetch = nil
        originBytes += registry.clear(node, now: now)
        scheduleRegistry()
    }
}
