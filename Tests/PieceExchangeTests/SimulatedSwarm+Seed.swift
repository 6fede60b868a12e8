import OCIModel
import PieceModel

@testable import PieceExchange

/// The cluster that a seed stands for, what has to be true of it in the end, and the run's fingerprint.
extension SimulatedSwarm {
    /// `liars` false draws only honest nodes.
    init(seed: UInt64, liars: Bool = true) {
        self.seed = seed
        dice = Dice(seed: seed)
        let nodeCount = 2 + dice.roll(7)
        for number in 0..<(1 + dice.roll(2)) {
            if let blob = SimulatedContent.blob(UInt64(number + 1), pieces: 1 + dice.roll(60)) {
                blobs.append(blob)
            }
        }
        var limits = ExchangeLimits()
        if dice.chance(percent: 30) { limits.requestsPerPeerMax = 1 + dice.roll(4) }
        if dice.chance(percent: 30) { limits.uploadsMax = 1 + dice.roll(3) }
        if dice.chance(percent: 30) {
            limits.requestedBytesMax = (1 + dice.roll(4)) * PieceLayout.pieceBytesMin
        }
        if dice.chance(percent: 40) {
            limits.neighboursMax = 1 + dice.roll(4)
            limits.zonedNeighboursMax = limits.neighboursMax
        }
        if dice.chance(percent: 30) { limits.grantAskersMax = 1 + dice.roll(3) }
        zoneCount = dice.chance(percent: 40) ? 2 + dice.roll(2) : 0
        for number in 0..<nodeCount { addNode(number, limits, liars: liars) }
        drawConnections()
        if dice.chance(percent: 40) {
            let members = Membership(nodes.map(\.name))
            for node in nodes.indices { tell(node, .members(members)) }
        }
        drawWants()
        // Last, so that all else is drawn as without it.
        if seed % 2 == 1 { drawRegister() }
    }

    private mutating func addNode(_ number: Int, _ limits: ExchangeLimits, liars: Bool) {
        guard let name = PeerName("n\(number)") else { return }
        let all = Behaviour.allCases
        let behaviour = liars && dice.chance(percent: 30) ? all[dice.roll(all.count)] : .honest
        var node = SimulatedNode(
            name: name,
            behaviour: behaviour,
            exchange: PieceExchange(
                name: name,
                zone: zone(of: number),
                limits: limits,
                seed: seed &* 31 &+ UInt64(number)
            )
        )
        node.originFailsPercent = dice.chance(percent: 30) ? dice.roll(40) : 0
        node.originAllowed = dice.chance(percent: 85)
        node.originIsGone = dice.chance(percent: 5)
        numbers[name] = number
        nodes.append(node)
    }

    private mutating func drawConnections() {
        for one in nodes.indices {
            for other in nodes.indices where one < other && dice.chance(percent: 90) {
                latencies[Pair(one, other)] = UInt64(100 + dice.roll(40_000)) * 1000
                queue.push(UInt64(dice.roll(200)) * 1_000_000, .connect(one, other))
                guard dice.chance(percent: 25) else { continue }
                for _ in 0..<(1 + dice.roll(4)) {
                    queue.push(UInt64(dice.roll(8_000)) * 1_000_000, .disconnect(one, other))
                }
            }
        }
    }

    private mutating func drawWants() {
        let rush = dice.chance(percent: 50)
        for node in nodes.indices {
            for blob in blobs.indices {
                seedDisk(node, blob)
                let start = UInt64(dice.roll(rush ? 50 : 4_000)) * 1_000_000
                queue.push(start, .want(node: node, blob: blob))
                if dice.chance(percent: 20) {
                    let piece = dice.roll(blobs[blob].layout.pieceCount)
                    queue.push(start + 150_000_000, .readerMoves(node: node, blob: blob, piece: piece))
                }
                if dice.chance(percent: 5) {
                    queue.push(start + UInt64(dice.roll(2_000)) * 1_000_000, .unwant(node: node, blob: blob))
                    queue.push(start + 3_000_000_000, .want(node: node, blob: blob))
                }
                if dice.chance(percent: 5) {
                    queue.push(start + 5_000_000_000, .evict(node: node, blob: blob))
                }
            }
        }
    }

    /// Some nodes begin with the blob, some with a few pieces of it from before a restart.
    private mutating func seedDisk(_ node: Int, _ blob: Int) {
        let isWhole = dice.chance(percent: 15)
        guard isWhole || dice.chance(percent: 10) else { return }
        let (digest, layout) = (blobs[blob].digest, blobs[blob].layout)
        for piece in 0..<layout.pieceCount where isWhole || dice.chance(percent: 40) {
            nodes[node].disk[digest, default: [:]][piece] = SimulatedContent.truth(blobs[blob], piece)
        }
        guard isWhole else { return }
        nodes[node].whole.insert(digest)
        tell(node, .blobAvailable(blob: digest, layout: layout))
    }

    /// Every want ended; with a registry that answers, it ended well.
    mutating func checkEnds() {
        guard problems.isEmpty else { return }
        for (number, node) in nodes.enumerated() {
            for digest in node.wanted.sorted() {
                guard let end = node.ended[digest] else {
                    problems.append("node \(number) waits for ever")
                    continue
                }
                let isPlain = node.originAllowed && !node.originIsGone && node.originFailsPercent == 0
                if let failure = end, isPlain { problems.append("node \(number) failed: \(failure)") }
            }
        }
    }

    /// A number that differs when the action does, near enough.
    func fingerprint(_ action: ExchangeAction) -> UInt64 {
        switch action {
        case .send(let message, let to): 1 &+ UInt64(numbers[to] ?? 0) &* 64 &+ fingerprint(message) &* 4096
        case .upload(_, let piece, let request, _): 2 &+ UInt64(piece.value) << 8 &+ UInt64(request) << 24
        case .checkPiece(_, let piece, let digest, _, let request, _):
            3 &+ UInt64(piece.value) << 8 &+ UInt64(request) << 24 ^ digest.words.3
        case .discardPayload(let request, _): 4 &+ UInt64(request) << 8
        case .fetchFromOrigin(let blob, let pieces):
            5 &+ blob.words.0 << 8 &+ UInt64(pieces.lowerBound) << 16 &+ UInt64(pieces.upperBound) << 32
        case .stopOrigin(let blob): 6 &+ blob.words.0 << 8
        case .loadDigests(let blob): 7 &+ blob.words.0 << 8
        case .provePieces(let blob, _): 18 &+ blob.words.0 << 8
        case .checkBlob(let blob): 8 &+ blob.words.0 << 8
        case .completed(let blob): 9 &+ blob.words.0 << 8
        case .dropPieces(let blob, let pieces): 10 &+ blob.words.0 << 8 &+ UInt64(pieces.count) << 16
        case .failed(let blob, _): 11 &+ blob.words.0 << 8
        case .seekHolders(let blob): 17 &+ blob.words.0 << 8
        case .askRegister(let request): request.wanted.reduce(14) { $0 &* 31 &+ fingerprint($1) }
        case .tellRegister(let progress): 15 &+ fingerprint(progress.pieces) << 8 &+ UInt64(progress.read) << 48
        case .tellRegisterLost(_, _, let holder): 16 &+ UInt64(numbers[holder] ?? 0) << 8
        case .connect(let peer): 13 &+ UInt64(numbers[peer] ?? 0) << 8
        case .ban(let peer, _, let retry): 12 &+ UInt64(numbers[peer] ?? 0) << 8 ^ retry.nanoseconds
        }
    }

    private func fingerprint(_ run: PeerMessage.PieceRun) -> UInt64 { UInt64(run.first) << 16 &+ UInt64(run.count) }

    private func fingerprint(_ message: PeerMessage) -> UInt64 {
        switch message {
        case .interest(let blob): 1 &+ blob.words.0 << 8
        case .uninterest(let blob): 2 &+ blob.words.0 << 8
        case .intent(let blob): 14 &+ blob.words.0 << 8
        case .holdings(let blob, let held):
            3 &+ blob.words.0 << 8 &+ (held?.bits.reduce(1) { $0 &* 31 &+ UInt64($1) } ?? 0) << 16
        case .pieceDigests(let digests):
            4 &+ UInt64(digests.first) << 8 &+ UInt64(digests.digests.count) << 24
        case .have(let have): have.pieces.reduce(5 &+ UInt64(have.held)) { $0 &* 31 &+ UInt64($1) }
        case .request(let request, _, let piece): 6 &+ UInt64(request) << 8 &+ UInt64(piece) << 40
        case .piece(let header): 7 &+ UInt64(header.request) << 8
        case .refuse(let request, let reason, let hint):
            8 &+ UInt64(request) << 8 &+ UInt64(reason.rawValue) << 40 &+ UInt64(hint) << 44
        case .cancel(let request): 9 &+ UInt64(request) << 8
        case .grantRequest(let request): request.wanted.reduce(10) { $0 &* 31 &+ fingerprint($1) }
        case .grant(let blob, let pieces): 11 &+ blob.words.0 << 8 &+ fingerprint(pieces) << 16
        case .grantRefused(let blob, let hint): 12 &+ blob.words.0 << 8 &+ UInt64(hint) << 16
        case .grantProgress(let progress): 13 &+ fingerprint(progress.pieces) << 8 &+ UInt64(progress.read) << 48
        }
    }
}
