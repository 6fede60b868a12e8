import OCIModel
import PieceModel

@testable import PieceExchange

/// A cluster under a virtual clock: the same seed is the same run, event by event.
///
/// The seed also draws the cluster: how many nodes and blobs, who misbehaves and how, latencies, rates,
/// failing registries, connections that break. After `faultsEnd` everything that fails by chance works; liars
/// go on lying.
struct SimulatedSwarm {
    enum Happening {
        case want(node: Int, blob: Int)
        case tick(node: Int)
        case message(PeerMessage, to: Int, from: Int, epoch: Int)
        case piece(PeerMessage.PieceHeader, content: UInt64, to: Int, from: Int, epoch: Int)
        case checked(node: Int, request: UInt32, from: PeerName, ExchangeEvent.PieceOutcome)
        case uploaded(node: Int, request: UInt32, to: PeerName)
        case originReads(node: Int, blob: Digest, serial: Int)
        case blobChecked(node: Int, blob: Digest)
        case digestsLoaded(node: Int, blob: Digest)
        case proven(node: Int, blob: Digest, pieces: [PieceIndex])
        case connect(Int, Int)
        case disconnect(Int, Int)
        case unreachable(node: Int, PeerName)
        case readerMoves(node: Int, blob: Int, piece: Int)
        case unwant(node: Int, blob: Int)
        case evict(node: Int, blob: Int)
        case register(node: Int, isThere: Bool)
        case registerAnswers(node: Int, blob: Digest, GrantAnswer?)
        case holdersFound(node: Int, blob: Digest, [PeerName])
        case registerForgets
    }

    static let faultsEnd: UInt64 = 20_000_000_000
    static let eventsMax = 400_000

    let seed: UInt64
    var dice: Dice
    var now: UInt64 = 0
    var queue = EventQueue<Happening>()
    var nodes: [SimulatedNode] = []
    var numbers: [PeerName: Int] = [:]
    var blobs: [SimulatedContent.Blob] = []
    /// Connections by the pair's smaller number first; the epoch tells a new one from its predecessor.
    var epochs: [Pair: Int] = [:]
    var connected: Set<Pair> = []
    var latencies: [Pair: UInt64] = [:]
    var lastArrival: [Direction: UInt64] = [:]
    var serial = 0
    /// Grants kept outside of the nodes.
    var register: [GrantKey: GrantBook] = [:]
    var holders: [Digest: [PeerName]] = [:]
    /// 0 when nobody has a zone.
    var zoneCount = 0
    var trace: UInt64 = 0xCBF2_9CE4_8422_2325
    var problems: [String] = []
    var eventCount = 0

    struct Pair: Hashable {
        let low: Int
        let high: Int
        init(_ one: Int, _ other: Int) { (low, high) = (min(one, other), max(one, other)) }
    }

    struct Direction: Hashable {
        let from: Int
        let to: Int
    }

    /// Runs until nothing happens any more, or something is wrong.
    mutating func run() {
        while problems.isEmpty, let (time, happening) = queue.pop() {
            now = max(now, time)
            eventCount += 1
            if eventCount > Self.eventsMax { return problems.append("does not come to rest") }
            apply(happening)
        }
        checkEnds()
    }

    mutating func note(_ value: UInt64) { trace = (trace ^ value) &* 0x100_0000_01B3 }

    /// Hands the event to the node's exchange and does what it says.
    mutating func tell(_ node: Int, _ event: ExchangeEvent) {
        let actions = nodes[node].exchange.handle(event, now: Instant(nanoseconds: now))
        note(now)
        note(UInt64(node))
        if let broken = nodes[node].exchange.checkInvariants() { problems.append("node \(node): \(broken)") }
        checkAnswer(to: event, actions)
        for action in actions { perform(action, by: node) }
        let next = nodes[node].exchange.nextDeadline?.nanoseconds
        if let next, nodes[node].tickAt.map({ next < $0 }) ?? true {
            nodes[node].tickAt = next
            queue.push(max(next, now), .tick(node: node))
        }
    }

    /// Exactly one answer for each payload that waits.
    private mutating func checkAnswer(to event: ExchangeEvent, _ actions: [ExchangeAction]) {
        guard case .pieceArrived = event else { return }
        let answers = actions.filter { action in
            switch action {
            case .checkPiece, .discardPayload: true
            default: false
            }
        }
        if answers.count != 1 { problems.append("\(answers.count) answers to a payload") }
    }

    private mutating func apply(_ happening: Happening) {
        switch happening {
        case .want(let node, let blob): begin(blob, at: node)
        case .tick(let node):
            guard nodes[node].tickAt.map({ $0 <= now }) ?? false else { return }
            nodes[node].tickAt = nil
            tell(node, .tick)
            let next = nodes[node].exchange.nextDeadline?.nanoseconds
            if let next, next <= now { problems.append("what was due is due again at once at node \(node)") }
        case .message(let message, let to, let from, let epoch):
            guard isOpen(to, from, epoch) else { return }
            hear(message, at: to, from: from)
        case .piece(let header, let content, let to, let from, let epoch):
            guard isOpen(to, from, epoch) else { return }
            nodes[to].payload = content
            tell(to, .pieceArrived(header, from: nodes[from].name))
        case .checked(let node, let request, let from, let outcome):
            tell(node, .pieceChecked(request: request, from: from, outcome: outcome))
        case .uploaded(let node, let request, let to): tell(node, .uploadEnded(request: request, to: to))
        case .originReads(let node, let blob, let serial): originReads(node, blob, serial)
        case .blobChecked(let node, let blob): checkBlob(node, blob)
        case .digestsLoaded(let node, let blob): loadDigests(node, blob)
        case .proven(let node, let blob, let pieces): prove(pieces, node, blob)
        case .connect(let one, let other): connect(one, other)
        case .disconnect(let one, let other): disconnect(one, other)
        case .unreachable(let node, let member): tell(node, .unreachable(member))
        case .readerMoves(let node, let blob, let piece):
            if let index = blobs[blob].layout.piece(piece) {
                tell(node, .readerMoved(blob: blobs[blob].digest, to: index))
            }
        case .unwant(let node, let blob):
            let digest = blobs[blob].digest
            guard nodes[node].wanted.contains(digest), nodes[node].ended[digest] == nil else { return }
            nodes[node].wanted.remove(digest)
            tell(node, .unwant(blob: digest))
        case .evict(let node, let blob):
            guard nodes[node].whole.remove(blobs[blob].digest) != nil else { return }
            nodes[node].disk[blobs[blob].digest] = nil
            tell(node, .blobRemoved(blob: blobs[blob].digest))
        case .register(let node, let isThere):
            nodes[node].seesRegister = isThere
            tell(node, .registerChanged(isThere: isThere))
        case .registerAnswers(let node, let blob, let answer):
            tell(node, .registerAnswered(blob: blob, answer))
        case .holdersFound(let node, let blob, let names): tell(node, .holdersFound(blob: blob, names))
        case .registerForgets: (register, holders) = ([:], [:])
        }
    }

    private mutating func begin(_ blob: Int, at node: Int) {
        let digest = blobs[blob].digest
        guard !nodes[node].whole.contains(digest) else { return }
        nodes[node].wanted.insert(digest)
        nodes[node].ended[digest] = nil
        let held = (nodes[node].disk[digest] ?? [:]).sorted { $0.key < $1.key }.compactMap { piece, content in
            blobs[blob].layout.piece(piece).map {
                ExchangeEvent.HeldPiece(
                    piece: $0,
                    digest: SimulatedContent.digest(of: content),
                    author: nodes[node].authors[digest]?[piece] ?? nodes[node].name
                )
            }
        }
        tell(
            node,
            .want(
                blob: digest,
                layout: blobs[blob].layout,
                held: held,
                originAllowed: nodes[node].originAllowed
            )
        )
    }

    func isOpen(_ one: Int, _ other: Int, _ epoch: Int) -> Bool {
        connected.contains(Pair(one, other)) && epochs[Pair(one, other)] == epoch
    }

    mutating func connect(_ one: Int, _ other: Int) {
        let pair = Pair(one, other)
        guard connected.insert(pair).inserted else { return }
        epochs[pair, default: 0] += 1
        tell(one, .peerConnected(nodes[other].name, zone: zone(of: other)))
        tell(other, .peerConnected(nodes[one].name, zone: zone(of: one)))
    }

    func zone(of node: Int) -> Zone? { zoneCount > 0 ? Zone("z\(node % zoneCount)") : nil }

    mutating func disconnect(_ one: Int, _ other: Int) {
        guard connected.remove(Pair(one, other)) != nil else { return }
        tell(one, .peerDisconnected(nodes[other].name))
        tell(other, .peerDisconnected(nodes[one].name))
        if now < Self.faultsEnd || dice.chance(percent: 90) {
            queue.push(now + UInt64(dice.roll(3_000)) * 1_000_000, .connect(one, other))
        }
    }

    func blob(_ digest: Digest) -> SimulatedContent.Blob? { blobs.first { $0.digest == digest } }
}

/// Happenings by time; those of one moment in the order they were made.
struct EventQueue<Element> {
    private var heap: [(time: UInt64, sequence: Int, element: Element)] = []
    private var sequence = 0

    mutating func push(_ time: UInt64, _ element: Element) {
        sequence += 1
        heap.append((time, sequence, element))
        var child = heap.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop() -> (UInt64, Element)? {
        guard let top = heap.first else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isBefore(child, least) {
                least = child
            }
            if least == parent { return (top.time, top.element) }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    private func isBefore(_ one: Int, _ other: Int) -> Bool {
        (heap[one].time, heap[one].sequence) < (heap[other].time, heap[other].sequence)
    }
}
