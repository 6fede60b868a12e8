import OCIModel
import PieceExchange
import PieceModel

/// The swarm under a virtual clock. Every node runs the exchange that the daemon runs; links, registry, disk and
/// hashing are virtual. The same settings are the same run, event by event, as the trace shows.
struct Simulation {
    enum Happening {
        case start(Int)
        case kill(Int)
        case tick(Int)
        case joined(Int, Int)
        case sent(uplink: Int, generation: Int)
        case arrives(Cargo)
        case uploaded(node: Int, request: UInt32, to: Int)
        case checked(node: Int, piece: Int, request: UInt32, from: PeerName)
        case originBegins(node: Int, fetch: Int)
        case originSends(node: Int, fetch: Int)
        case originStored(node: Int, piece: Int, fetch: Int)
        case blobChecked(Int)
        case digestsLoaded(Int)
    }

    let settings: Settings
    let blob = Digest(words: (0x6861_776B, 1, 2, 3))
    let layout: PieceLayout
    var dice: Dice
    var now: UInt64 = 0
    var heap = EventHeap<Happening>()
    var nodes: [Node] = []
    var numbers: [PeerName: Int] = [:]
    var neighbours: [Set<Int>]
    var registry: Uplink
    var lastArrival: [UInt64: UInt64] = [:]
    var lastFetch = 0
    var originBytes = 0.0
    var originRequests = 0
    /// Bytes of pieces that entered each zone.
    var zoneBytes: [Double]
    var zoneLinks: [Downlink]
    var events = 0
    var trace: UInt64 = 0xCBF2_9CE4_8422_2325

    init?(_ settings: Settings) {
        guard let layout = PieceLayout(blobBytes: Int64(settings.blobBytes)) else { return nil }
        self.settings = settings
        self.layout = layout
        dice = Dice(seed: settings.seed)
        registry = Uplink(bitsPerSecond: settings.origin * 1e6)
        zoneBytes = Array(repeating: 0, count: settings.zones)
        let link = Downlink(bitsPerSecond: max(1, settings.zoneLink) * 1e6)
        zoneLinks = Array(repeating: link, count: settings.zones)
        neighbours = Array(repeating: [], count: settings.nodes)
        for number in 0..<settings.nodes {
            guard let name = PeerName("node-\(number)") else { return nil }
            numbers[name] = number
            nodes.append(
                Node(
                    name: name,
                    exchange: PieceExchange(
                        name: name,
                        zone: zone(of: number).flatMap { Zone("zone-\($0)") },
                        limits: ExchangeLimits(),
                        seed: dice.next()
                    ),
                    uplink: Uplink(bitsPerSecond: settings.up * 1e6),
                    downlink: Downlink(bitsPerSecond: settings.down * 1e6)
                )
            )
        }
        connectNeighbours()
        begin()
    }

    private mutating func connectNeighbours() {
        let count = settings.nodes
        let members = Membership(nodes.map(\.name))
        for node in nodes.indices { tell(node, .members(members)) }
        for one in 0..<count {
            if count - 1 <= settings.degree {
                for other in (one + 1)..<max(one + 1, count) { join(one, other) }
            } else {
                // Each looks for as many as it wants, and takes in half as many more that look for it.
                while neighbours[one].count < settings.degree {
                    let other = dice.below(count)
                    if other != one, neighbours[other].count < settings.degree * 3 / 2 { join(one, other) }
                }
            }
        }
    }

    private mutating func join(_ one: Int, _ other: Int) {
        guard neighbours[one].insert(other).inserted else { return }
        neighbours[other].insert(one)
        tell(one, .peerConnected(nodes[other].name, zone: nodes[other].exchange.zone))
        tell(other, .peerConnected(nodes[one].name, zone: nodes[one].exchange.zone))
    }

    func zone(of node: Int) -> Int? { settings.zones > 0 ? node % settings.zones : nil }

    /// When bytes that leave their sender for a node of another zone, or come from the registry, have passed the link
    /// of that zone.
    mutating func enterZone(of node: Int, from sender: Int?, bytes: Double, arrival: UInt64) -> UInt64 {
        guard let zone = zone(of: node), sender.flatMap({ self.zone(of: $0) }) != zone else { return arrival }
        zoneBytes[zone] += bytes
        guard settings.zoneLink > 0 else { return arrival }
        return zoneLinks[zone].receive(bytes, arrival: arrival)
    }

    private mutating func begin() {
        for node in nodes.indices {
            if node < settings.seeds {
                tell(node, .blobAvailable(blob: blob, layout: layout))
            } else {
                heap.push(1_000_000_000 + UInt64(dice.fraction() * settings.spread * 1e6), .start(node))
            }
        }
        for number in 0..<settings.kills {
            let share = Double(number + 1) / Double(settings.kills + 1)
            let victim = settings.nodes - 1 - number
            heap.push(1_000_000_000 + UInt64(share * settings.fluidBound * 1e9), .kill(victim))
        }
    }

    /// Runs until every living node has the blob or failed, or `virtualSeconds` have passed.
    mutating func run(virtualSeconds: Double) {
        var waiting = nodes.count - settings.seeds
        while waiting > 0, let (time, happening) = heap.pop(), Double(time) / 1e9 < virtualSeconds {
            now = max(now, time)
            events += 1
            apply(happening)
            if case .blobChecked = happening {
                waiting = nodes.filter { $0.isAlive && $0.finishedAt == nil && $0.failure == nil }.count
                    - settings.seeds
            }
        }
    }

    mutating func note(_ value: UInt64) { trace = (trace ^ value) &* 0x100_0000_01B3 }

    func digest(_ piece: Int) -> Digest {
        let value = UInt64(piece)
        return Digest(words: (Dice.scramble(value), Dice.scramble(value ^ 1 << 40), value, 5))
    }

    /// Hands the event to the node's exchange and does what it says.
    mutating func tell(_ node: Int, _ event: ExchangeEvent) {
        guard nodes[node].isAlive else { return }
        let actions = nodes[node].exchange.handle(event, now: Instant(nanoseconds: now))
        note(now ^ UInt64(node) << 48 ^ UInt64(actions.count) << 40)
        for action in actions { perform(action, by: node) }
        if let next = nodes[node].exchange.nextDeadline?.nanoseconds,
            nodes[node].tickAt.map({ next < $0 }) ?? true
        {
            nodes[node].tickAt = next
            heap.push(max(next, now), .tick(node))
        }
    }

    private mutating func apply(_ happening: Happening) {
        switch happening {
        case .start(let node):
            nodes[node].startedAt = now
            tell(node, .want(blob: blob, layout: layout, held: [], originAllowed: true))
        case .kill(let node): kill(node)
        case .joined(let one, let other):
            if nodes[one].isAlive, nodes[other].isAlive {
                join(one, other)
            } else {
                tell(one, .unreachable(nodes[other].name))
            }
        case .tick(let node):
            guard nodes[node].tickAt.map({ $0 <= now }) ?? false else { return }
            nodes[node].tickAt = nil
            tell(node, .tick)
        case .sent(let uplink, let generation): sent(uplink, generation)
        case .arrives(let cargo): arrives(cargo)
        case .uploaded(let node, let request, let to):
            tell(node, .uploadEnded(request: request, to: nodes[to].name))
        case .checked(let node, let piece, let request, let from):
            note(UInt64(piece))
            tell(node, .pieceChecked(request: request, from: from, outcome: .stored))
        case .originBegins(let node, let fetch), .originSends(let node, let fetch): originSends(node, fetch)
        case .originStored(let node, let piece, let fetch): originStored(node, piece, fetch)
        case .blobChecked(let node): tell(node, .blobChecked(blob: blob, matches: true))
        case .digestsLoaded(let node):
            tell(node, .digestsLoaded(blob: blob, digests: (0..<layout.pieceCount).map(digest)))
        }
    }

    /// The others notice at once, as they do when a process dies.
    private mutating func kill(_ node: Int) {
        stopFetch(node)
        nodes[node].isAlive = false
        for other in neighbours[node].sorted() {
            neighbours[other].remove(node)
            tell(other, .peerDisconnected(nodes[node].name))
        }
        neighbours[node] = []
    }
}
