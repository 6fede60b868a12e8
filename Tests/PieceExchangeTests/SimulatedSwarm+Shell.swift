import OCIModel
import PieceModel

@testable import PieceExchange

/// What a node's virtual shell does with the exchange's actions, and how those that misbehave do it instead.
extension SimulatedSwarm {
    mutating func perform(_ action: ExchangeAction, by node: Int) {
        note(fingerprint(action))
        switch action {
        case .send(let message, let to): send(message, from: node, to: to)
        case .upload(let blob, let piece, let request, let to):
            upload(blob, piece.value, request, from: node, to: to)
        case .checkPiece(let blob, let piece, let digest, let author, let request, let from):
            check(blob, piece.value, digest, request, from, at: node)
            nodes[node].authors[blob, default: [:]][piece.value] = author
        case .discardPayload: nodes[node].payload = nil
        case .fetchFromOrigin(let blob, let pieces):
            serial += 1
            if let running = nodes[node].fetches[blob] {
                if nodes[node].tails[blob] != nil { problems.append("three registry fetches of one blob") }
                // All blobs here have pieces of 64 KiB.
                if running.rest.count > 4 { problems.append("more than 256 KiB are read beside the next fetch") }
                nodes[node].tails[blob] = running
            }
            nodes[node].fetches[blob] = SimulatedNode.Fetch(rest: pieces, serial: serial)
            queue.push(after(30), .originReads(node: node, blob: blob, serial: serial))
        case .stopOrigin(let blob):
            let running = nodes[node].fetches.removeValue(forKey: blob)
            let tail = nodes[node].tails.removeValue(forKey: blob)
            if running == nil, tail == nil { problems.append("no fetch to stop") }
        case .loadDigests(let blob): queue.push(after(5), .digestsLoaded(node: node, blob: blob))
        case .provePieces(let blob, let pieces):
            queue.push(after(5), .proven(node: node, blob: blob, pieces: pieces))
        case .checkBlob(let blob): queue.push(after(10), .blobChecked(node: node, blob: blob))
        case .completed(let blob): complete(blob, at: node)
        case .failed(let blob, let reason): nodes[node].ended[blob] = .some(reason)
        case .dropPieces(let blob, let pieces):
            for piece in pieces { nodes[node].disk[blob]?[piece.value] = nil }
        case .seekHolders(let blob): seek(blob, by: node)
        case .askRegister(let request): ask(request, by: node)
        case .tellRegister(let progress): note(progress, of: node)
        case .tellRegisterLost(let blob, let bytes, let holder): lose(holder, of: blob, bytes, by: node)
        case .connect(let member): connect(member, for: node)
        case .ban(let peer, let reason, let retry): ban(peer, reason, retry, by: node)
        }
    }

    mutating func after(_ milliseconds: Int) -> UInt64 {
        now + UInt64(1 + dice.roll(milliseconds * 1000)) * 1000
    }

    private mutating func connect(_ member: PeerName, for node: Int) {
        guard let other = numbers[member] else { return problems.append("a member that nobody named") }
        if dice.chance(percent: 70) {
            latencies[Pair(node, other), default: 1_000_000] += 0
            queue.push(after(200), .connect(node, other))
        } else {
            queue.push(after(2_000), .unreachable(node: node, member))
        }
    }

    private mutating func complete(_ digest: Digest, at node: Int) {
        nodes[node].ended[digest] = .some(nil)
        nodes[node].whole.insert(digest)
        guard let blob = blob(digest) else { return }
        for piece in 0..<blob.layout.pieceCount
        where nodes[node].disk[digest]?[piece] != SimulatedContent.truth(blob, piece) {
            return problems.append("node \(node) completed a blob with wrong bytes in piece \(piece)")
        }
    }

    private mutating func ban(
        _ peer: PeerName,
        _ reason: ExchangeAction.BanReason,
        _ retry: Instant,
        by node: Int
    ) {
        guard let other = numbers[peer] else { return }
        if nodes[other].behaviour == .honest, nodes[node].behaviour == .honest {
            problems.append("node \(node) banned honest \(peer) for \(reason)")
        }
        guard connected.remove(Pair(node, other)) != nil else { return }
        tell(other, .peerDisconnected(nodes[node].name))
        queue.push(retry.nanoseconds, .connect(node, other))
    }

    /// Delivers in order on each direction of a connection.
    mutating func deliver(_ happening: Happening, from: Int, to: Int, leavesAt: UInt64) {
        let direction = Direction(from: from, to: to)
        let latency = latencies[Pair(from, to)] ?? 1_000_000
        let arrival = max(leavesAt + latency, (lastArrival[direction] ?? 0) + 1)
        lastArrival[direction] = arrival
        queue.push(arrival, happening)
    }

    private mutating func send(_ message: PeerMessage, from: Int, to name: PeerName) {
        guard let to = numbers[name], connected.contains(Pair(from, to)) else { return }
        let epoch = epochs[Pair(from, to)] ?? 0
        let said = twisted(message, by: from)
        deliver(.message(said, to: to, from: from, epoch: epoch), from: from, to: to, leavesAt: now)
    }

    private func twisted(_ message: PeerMessage, by node: Int) -> PeerMessage {
        guard case .pieceDigests(var digests) = message, let blob = blob(digests.blob) else { return message }
        switch nodes[node].behaviour {
        case .forger, .framer:
            if nodes[node].behaviour == .framer { digests.author = nodes[(node + 1) % nodes.count].name }
            for offset in digests.digests.indices where isForged(Int(digests.first) + offset) {
                let lie = SimulatedContent.lie(blob, Int(digests.first) + offset)
                digests.digests[offset] = SimulatedContent.digest(of: lie)
            }
            return .pieceDigests(digests)
        default: return message
        }
    }

    private func isForged(_ piece: Int) -> Bool { piece % 3 == 0 }

    private mutating func upload(
        _ digest: Digest,
        _ piece: Int,
        _ request: UInt32,
        from: Int,
        to name: PeerName
    ) {
        guard let to = numbers[name], let blob = blob(digest) else { return }
        guard var content = nodes[from].disk[digest]?[piece] else {
            return problems.append("node \(from) is told to upload piece \(piece), which it does not hold")
        }
        let epoch = epochs[Pair(from, to)] ?? 0
        let bytes = blob.layout.piece(piece).map { blob.layout.byteCount(of: $0) } ?? 0
        switch nodes[from].behaviour {
        case .staller: return
        case .wrongBytes: content ^= 1
        case .forger, .framer: if isForged(piece) { content = SimulatedContent.lie(blob, piece) }
        case .busy:
            let refusal = PeerMessage.refuse(request: request, reason: .busy, retryAfterMillis: 100)
            send(refusal, from: from, to: name)
            queue.push(after(1), .uploaded(node: from, request: request, to: name))
            return
        default: break
        }
        // 100 Mbit/s.
        let leaves = max(now, nodes[from].uplinkFreeAt) + UInt64(bytes) * 80
        nodes[from].uplinkFreeAt = leaves
        queue.push(leaves, .uploaded(node: from, request: request, to: name))
        let header = PeerMessage.PieceHeader(request: request, encoding: .identity, payloadBytes: bytes)
        deliver(
            .piece(header, content: content, to: to, from: from, epoch: epoch),
            from: from,
            to: to,
            leavesAt: leaves
        )
    }

    private mutating func check(
        _ blob: Digest,
        _ piece: Int,
        _ digest: Digest,
        _ request: UInt32,
        _ from: PeerName,
        at node: Int
    ) {
        guard let content = nodes[node].payload else { return problems.append("a check without payload") }
        nodes[node].payload = nil
        var isRight = SimulatedContent.digest(of: content) == digest
        var outcome = ExchangeEvent.PieceOutcome.stored
        if nodes[node].exchange.mayGoByChain(blob), dice.chance(percent: 50), let known = self.blob(blob) {
            // Who has the true blob, or forged both digests and chain, told what the bytes fit.
            isRight = isRight || content == SimulatedContent.truth(known, piece)
            outcome = .linked
        }
        if isRight { nodes[node].disk[blob, default: [:]][piece] = content }
        queue.push(after(3), .checked(node: node, request: request, from: from, isRight ? outcome : .wrongBytes))
    }

    mutating func prove(_ pieces: [PieceIndex], _ node: Int, _ digest: Digest) {
        let proven = pieces.compactMap { piece in
            nodes[node].disk[digest]?[piece.value].map { (piece: piece, digest: SimulatedContent.digest(of: $0)) }
        }
        tell(node, .piecesProven(blob: digest, proven))
    }

    mutating func originReads(_ node: Int, _ digest: Digest, _ serial: Int) {
        let reads = nodes[node].fetches[digest].map { [$0] } ?? []
        let all = reads + (nodes[node].tails[digest].map { [$0] } ?? [])
        guard let fetch = all.first(where: { $0.serial == serial }), let blob = blob(digest) else { return }
        let isTail = nodes[node].fetches[digest]?.serial != serial
        func end(_ failure: ExchangeEvent.OriginFailure?) {
            if isTail { nodes[node].tails[digest] = nil } else { nodes[node].fetches[digest] = nil }
            tell(node, .originEnded(blob: digest, failure: failure, isTail: isTail))
        }
        if nodes[node].originIsGone { return end(.permanent) }
        if now < Self.faultsEnd, dice.chance(percent: nodes[node].originFailsPercent) { return end(.transient) }
        guard let piece = fetch.rest.first, let index = blob.layout.piece(piece) else { return end(nil) }
        let rest = (piece + 1)..<fetch.rest.upperBound
        if isTail { nodes[node].tails[digest]?.rest = rest } else { nodes[node].fetches[digest]?.rest = rest }
        nodes[node].originBytes += blob.layout.byteCount(of: index)
        let content = SimulatedContent.truth(blob, piece)
        nodes[node].disk[digest, default: [:]][piece] = content
        nodes[node].authors[digest]?[piece] = nil
        queue.push(after(8), .originReads(node: node, blob: digest, serial: serial))
        let read = SimulatedContent.digest(of: content)
        tell(node, .originPiece(blob: digest, piece: index, digest: read))
    }

    mutating func checkBlob(_ node: Int, _ digest: Digest) {
        guard let blob = blob(digest) else { return }
        let matches = (0..<blob.layout.pieceCount).allSatisfy {
            nodes[node].disk[digest]?[$0] == SimulatedContent.truth(blob, $0)
        }
        tell(node, .blobChecked(blob: digest, matches: matches))
    }

    mutating func loadDigests(_ node: Int, _ digest: Digest) {
        guard let blob = blob(digest) else { return }
        let digests = (0..<blob.layout.pieceCount).compactMap {
            nodes[node].disk[digest]?[$0].map(SimulatedContent.digest(of:))
        }
        let isWhole = digests.count == blob.layout.pieceCount
        tell(node, .digestsLoaded(blob: digest, digests: isWhole ? digests : nil))
    }

    /// What arrives at a node; those that misbehave by talking do it here.
    mutating func hear(_ message: PeerMessage, at node: Int, from: Int) {
        let peer = nodes[from].name
        if nodes[node].behaviour == .braggart { brag(message, node, peer) }
        if nodes[node].behaviour == .babbler, case .interest(let blob) = message { babble(blob, node, peer) }
        tell(node, .message(message, from: peer))
    }

    private mutating func brag(_ message: PeerMessage, _ node: Int, _ peer: PeerName) {
        guard case .interest(let digest) = message, let blob = blob(digest) else { return }
        let invented = (0..<min(blob.layout.pieceCount, 1024)).map {
            SimulatedContent.digest(of: UInt64($0) ^ seed)
        }
        send(
            .pieceDigests(.init(blob: digest, author: nodes[node].name, first: 0, digests: invented)),
            from: node,
            to: peer
        )
        send(
            .holdings(blob: digest, held: .init(blobBytes: blob.layout.blobBytes, complete: true, bits: [])),
            from: node,
            to: peer
        )
    }

    private mutating func babble(_ blob: Digest, _ node: Int, _ peer: PeerName) {
        let nonsense: [PeerMessage] = [
            .have(.init(blob: blob, pieces: [], held: 1)), .have(.init(blob: blob, pieces: [.max], held: 1)),
            .holdings(blob: blob, held: .init(blobBytes: -1, complete: true, bits: [])),
            .holdings(blob: blob, held: .init(blobBytes: 1 << 62, complete: false, bits: [1])),
            .request(request: 1, blob: blob, piece: .max),
            .refuse(request: 77, reason: .busy, retryAfterMillis: .max),
            .pieceDigests(.init(blob: blob, author: peer, first: .max, digests: [blob])),
            .pieceDigests(.init(blob: blob, author: peer, first: 0, digests: [])), .cancel(request: .max),
        ]
        send(nonsense[dice.roll(nonsense.count)], from: node, to: peer)
    }
}
