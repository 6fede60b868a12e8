import OCIModel
import PieceExchange
import PieceModel

/// What a shell does: wants, messages, pieces, the disk.
extension Simulation {
    /// Bytes hashed and stored in a nanosecond.
    static let storeRate = 1.0
    /// After a want that failed its reader, as a container runtime does, comes again.
    static let retryMillis: UInt64 = 2_000

    mutating func perform(_ action: ExchangeAction, by node: Int) {
        switch action {
        case .send(let message, let to): send(message, from: node, to: to)
        case .upload(_, let piece, let request, let to): upload(piece, request, from: node, to: to)
        case .checkPiece(_, let piece, let digest, let author, let request, let from):
            check(piece, digest, author, request, from, by: node)
        case .discardPayload:
            nodes[node].arrived = nil
            nodes[node].duplicates += 1
        case .fetchFromOrigin(_, let pieces): fetch(pieces, by: node)
        case .stopOrigin: stopFetch(node)
        case .loadDigests: heap.push(now + 1_000_000, .digestsLoaded(node))
        case .checkBlob: heap.push(now + 1_000_000, .blobChecked(node))
        case .completed: complete(node)
        case .failed(_, let reason): fail(node, reason)
        case .connect(let member): connect(node, member)
        case .provePieces(_, let pieces): heap.push(now + 1_000_000, .proven(node, found(pieces, at: node)))
        case .seekHolders, .askRegister, .tellRegister, .tellRegisterLost:
            preconditionFailure("no node is told of a register")
        case .dropPieces(_, let pieces): for piece in pieces { nodes[node].disk.drop(piece.value) }
        case .ban(let peer, _, let retry): ban(peer, until: retry, by: node)
        }
    }

    // MARK: Wants

    mutating func start(_ node: Int) {
        guard nodes[node].isAlive, nodes[node].finishedAt == nil else { return }
        if nodes[node].startedAt == 0 { nodes[node].startedAt = now }
        tell(node, .want(blob: blob, layout: layout, held: held(by: node), originAllowed: true))
        beginReading(node)
    }

    private func held(by node: Int) -> [ExchangeEvent.HeldPiece] {
        let disk = nodes[node].disk
        guard disk.count > 0 else { return [] }
        return (0..<layout.pieceCount).compactMap { piece in
            guard disk.contains(piece), !disk.others.contains(piece), let index = layout.piece(piece) else {
                return nil
            }
            let author = disk.authors[piece] ?? nodes[node].name
            return .init(piece: index, digest: digest(piece, lie: disk.lies[piece] ?? 0), author: author)
        }
    }

    private mutating func complete(_ node: Int) {
        guard nodes[node].isTaker, nodes[node].finishedAt == nil else { return }
        nodes[node].finishedAt = now
        guard nodes[node].lie == nil else { return }
        unfinished -= 1
        if !isRight(node) { counts.wrongBlobs += 1 }
    }

    private mutating func fail(_ node: Int, _ reason: ExchangeAction.WantFailure) {
        counts.failures += 1
        if nodes[node].startedAt >= faultsEnd { counts.groundlessFailures += 1 }
        if settings.faults.happen || reason == .wrongContent {
            heap.push(now + Self.retryMillis * 1_000_000, .start(node))
        } else {
            nodes[node].failure = reason
            if nodes[node].lie == nil { unfinished -= 1 }
        }
    }

    private func isRight(_ node: Int) -> Bool {
        nodes[node].disk.count == layout.pieceCount && nodes[node].disk.lies.isEmpty
    }

    mutating func checkBlob(_ node: Int) {
        let matches = isRight(node)
        if !matches { counts.mismatches += 1 }
        tell(node, .blobChecked(blob: blob, matches: matches))
    }

    mutating func loadDigests(_ node: Int) {
        tell(node, .digestsLoaded(blob: blob, digests: (0..<layout.pieceCount).map { digest($0) }))
    }

    private mutating func check(
        _ piece: PieceIndex,
        _ promised: Digest,
        _ author: PeerName,
        _ request: UInt32,
        _ from: PeerName,
        by node: Int
    ) {
        guard let arrived = nodes[node].arrived else { preconditionFailure("a check without payload") }
        nodes[node].arrived = nil
        let isAsSaid = promised == digest(arrived.piece, lie: arrived.lie)
        let mayGoByChain = settings.faults.isAny && nodes[node].exchange.mayGoByChain(blob)
        let isLinked = mayGoByChain && (arrived.lie == 0 || slot(of: from).map { nodes[$0].lie == .chain } ?? false)
        // Only a node that may be begun anew needs to remember whose digest it was.
        let author = settings.faults.isAny ? author : nil
        let wait = UInt64(Double(layout.byteCount(of: piece)) / Self.storeRate)
        let kept = Disk.Piece(lie: arrived.lie, author: author, isLinked: isLinked, isAsSaid: isAsSaid)
        heap.push(
            now + wait,
            .checked(
                node: node, piece: arrived.piece, request: request, from: from,
                stored: isAsSaid || isLinked ? kept : nil)
        )
    }

    private func found(_ pieces: [PieceIndex], at node: Int) -> [(piece: PieceIndex, digest: Digest)] {
        let disk = nodes[node].disk
        return pieces.filter { disk.contains($0.value) }.map { piece in
            (piece: piece, digest: digest(piece.value, lie: disk.lies[piece.value] ?? 0))
        }
    }

    // MARK: Messages and pieces

    /// Milliseconds, one way.
    func latency(_ one: Int, _ other: Int) -> Double {
        settings.latency * (nodes[one].distance + nodes[other].distance) / 2
    }

    mutating func send(_ honest: PeerMessage, from: Int, to name: PeerName) {
        guard let to = slot(of: name), let connection = nodes[from].connections[to] else { return }
        noteSent(honest, from)
        let message = nodes[from].lie == nil ? honest : twisted(honest, by: from)
        let bytes = MessageSize.bytes(of: message)
        nodes[from].controlBytes += bytes
        nodes[from].controlMessages += 1
        let cargo = Cargo.message(message, to: to, from: from, epoch: connection.epoch)
        // Behind the pieces that this connection is sending; else it takes no time worth counting.
        guard nodes[from].uplink.isBusy(to) else { return deliver(cargo, from: from, to: to, at: now) }
        nodes[from].uplink.enqueue(.init(bytes: Double(bytes), cargo: cargo), on: to, now: now)
        schedule(from)
    }

    private mutating func deliver(_ cargo: Cargo, from: Int, to: Int, at time: UInt64) {
        guard let last = nodes[from].connections[to]?.lastArrival else { return }
        let start = max(time, nodes[from].frozenUntil, nodes[to].frozenUntil)
        let arrival = max(start + UInt64(latency(from, to) * 1e6), last + 1)
        nodes[from].connections[to]?.lastArrival = arrival
        heap.push(arrival, .arrives(cargo))
    }

    private mutating func upload(_ piece: PieceIndex, _ request: UInt32, from: Int, to name: PeerName) {
        guard let to = slot(of: name), let connection = nodes[from].connections[to] else { return }
        let bytes = layout.byteCount(of: piece)
        guard let lie = content(of: piece.value, by: from) else { return }
        let cargo = Cargo.piece(
            PeerMessage.PieceHeader(request: request, encoding: .identity, payloadBytes: bytes),
            piece: piece.value,
            lie: lie,
            to: to,
            from: from,
            epoch: connection.epoch
        )
        nodes[from].uplink.enqueue(.init(bytes: Double(bytes + 18), cargo: cargo), on: to, now: now)
        schedule(from)
    }

    mutating func schedule(_ node: Int) {
        guard let (time, generation) = nodes[node].uplink.nextEnd(now: now) else { return }
        heap.push(time, .sent(uplink: node, generation: generation))
    }

    mutating func sent(_ uplink: Int, _ generation: Int) {
        if uplink == Self.registryNumber { return registrySent(generation) }
        guard generation == nodes[uplink].uplink.generation, nodes[uplink].isAlive else { return }
        for (_, cargo) in nodes[uplink].uplink.takeSent(now: now) { sent(cargo) }
        schedule(uplink)
    }

    private mutating func sent(_ cargo: Cargo) {
        switch cargo {
        case .message(_, let to, let from, _): deliver(cargo, from: from, to: to, at: now)
        case .piece(let header, _, _, let to, let from, let epoch):
            let latency = UInt64(latency(from, to) * 1e6)
            let bytes = Double(header.payloadBytes)
            nodes[from].payloadOut += bytes
            let (zone, other) = (zone(of: to), zone(of: from))
            let entered = borders.enter(zone, from: other, bytes: bytes, arrival: now + latency)
            let arrival = nodes[to].downlink.receive(bytes, arrival: entered)
            deliver(cargo, from: from, to: to, at: arrival - latency)
            // A full downlink holds the sender back.
            heap.push(
                arrival - latency,
                .uploaded(node: from, request: header.request, to: to, epoch: epoch)
            )
        case .originPiece: preconditionFailure("only the registry sends it")
        }
    }

    private func passes(_ epoch: UInt32, from: Int, to: Int) -> Bool {
        guard let connection = nodes[to].connections[from] else { return false }
        return connection.epoch == epoch && !connection.isDead
    }

    mutating func arrives(_ cargo: Cargo) {
        switch cargo {
        case .message(let message, let to, let from, let epoch):
            guard passes(epoch, from: from, to: to) else { return }
            let isOfGrants = message.isOfGrants
            if case .interest = message, nodes[to].lie == .haves { inventDigests(for: from, by: to) }
            if isOfGrants, nodes[to].lie != nil, abuses(message, at: to, from: from) { return }
            noteCame(message, to)
            tell(to, .message(message, from: nodes[from].name))
            if isOfGrants { noteDirectory(to) }
        case .piece(let header, let piece, let lie, let to, let from, let epoch):
            guard passes(epoch, from: from, to: to) else { return }
            nodes[to].arrived = (piece, lie)
            nodes[to].payloadIn += Double(header.payloadBytes)
            tell(to, .pieceArrived(header, from: nodes[from].name))
        case .originPiece(let piece, let node, let fetch):
            let bytes = layout.piece(piece).map { layout.byteCount(of: $0) } ?? 0
            let wait = UInt64(Double(bytes) / Self.storeRate)
            heap.push(now + wait, .originStored(node: node, piece: piece, fetch: fetch))
        }
    }

    mutating func noteDirectory(_ node: Int) {
        let state = nodes[node].exchange.directoryState
        nodes[node].directoryMost.books = max(nodes[node].directoryMost.books, state.books)
        nodes[node].directoryMost.grants = max(nodes[node].directoryMost.grants, state.grants)
        nodes[node].directoryMost.takers = max(nodes[node].directoryMost.takers, state.takers)
        nodes[node].directoryMost.bytes = max(nodes[node].directoryMost.bytes, state.bytes)
    }
}

extension PeerMessage {
    fileprivate var isOfGrants: Bool {
        switch self {
        case .grantRequest, .grant, .grantRefused, .grantProgress: true
        default: false
        }
    }
}
