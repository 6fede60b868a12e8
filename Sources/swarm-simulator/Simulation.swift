import OCIModel
import PieceExchange
import PieceModel

/// The swarm under a virtual clock. Every node runs the exchange that the daemon runs; links, registry, disk and
/// hashing are virtual. The same settings are the same run, event by event, as the trace shows.
///
/// A node has a slot for its life: one that dies and comes back has the same name in another slot.
struct Simulation {
    enum Happening {
        case start(Int)
        case kill(Int)
        case tick(Int)
        case dial(Int, Int, failures: Int)
        case joined(Int, Int)
        case unreachable(Int, PeerName)
        case noticed(Int, Int, epoch: UInt32)
        case sent(uplink: Int, generation: Int)
        case arrives(Cargo)
        case uploaded(node: Int, request: UInt32, to: Int, epoch: UInt32)
        case checked(node: Int, piece: Int, request: UInt32, from: PeerName, stored: Disk.Piece?)
        case originBegins(node: Int, fetch: Int)
        case originSends(node: Int, fetch: Int)
        case originFails(node: Int, fetch: Int)
        case originStored(node: Int, piece: Int, fetch: Int)
        case blobChecked(Int)
        case digestsLoaded(Int)
        case proven(Int, [(piece: PieceIndex, digest: Digest)])
        case fault(Fault)
        case grantsAreHogged(Int, by: Int, PeerMessage.PieceRun)
        case sample
    }

    /// When the first nodes begin: until then they find each other.
    static let startsAt: UInt64 = 1_000_000_000

    let settings: Settings
    let blob = Digest(words: (0x6861_776B, 1, 2, 3))
    let layout: PieceLayout
    var dice: Dice
    var now: UInt64 = 0
    var heap = EventHeap<Happening>()
    /// The registry's uplink has the number behind the last slot that can be.
    static let registryNumber = Int.max
    var nodes: [Node] = []
    /// By the number in the name.
    var slots: [Int] = []
    var borders: ZoneBorders
    var registry: Uplink
    var registryState = RegistryState.well
    /// Node and node, where the first has banned the second until then.
    var bans: [UInt64: UInt64] = [:]
    var lastEpoch: UInt32 = 0
    var lastFetch = 0
    var lastIsland = 0
    /// Takers that are alive and not done.
    var unfinished = 0
    var counts = Counts()
    var samples: [Sample] = []
    var pieceTimes = PieceTimes()
    /// Of the nodes that the run begins with.
    private(set) var bound = 0.0
    var events = 0
    var trace: UInt64 = 0xCBF2_9CE4_8422_2325

    enum RegistryState {
        case well
        case refuses
        case hangs
    }

    struct Counts {
        var originBytes = 0.0
        var originRequests = 0
        /// Honest nodes that completed the blob with a byte that is not the blob's.
        var wrongBlobs = 0
        /// Wants that ended without the blob and were begun again by their reader, and those that ended so although
        /// all faults were over when they began.
        var failures = 0
        var groundlessFailures = 0
        /// Honest nodes that honest nodes banned.
        var wrongBans = 0
        var mismatches = 0
    }

    /// The share of the blob that takers have, at a moment.
    struct Sample {
        var seconds: Double
        var least, tenth, median, ninetieth, most: Double
    }

    init?(_ settings: Settings) {
        guard let layout = PieceLayout(blobBytes: Int64(settings.blobBytes)) else { return nil }
        self.settings = settings
        self.layout = layout
        dice = Dice(seed: settings.seed)
        borders = ZoneBorders(count: settings.zones, mbit: settings.zoneLink)
        registry = Uplink(bitsPerSecond: settings.origin * 1e6)
        nodes.reserveCapacity(settings.nodes)
        for number in 0..<settings.nodes {
            guard let name = PeerName("node-\(number)") else { return nil }
            addNode(name)
        }
        connectNeighbours()
        begin()
    }

    mutating func addNode(_ name: PeerName) {
        let zone = zone(of: nodes.count).flatMap { Zone("zone-\($0)") }
        let exchange = PieceExchange(name: name, zone: zone, limits: ExchangeLimits(), seed: dice.next())
        let slowness = draw(settings.faults.rateSpread)
        var node = Node(
            name: name,
            exchange: exchange,
            uplink: Uplink(bitsPerSecond: settings.up * 1e6 / slowness),
            downlink: Downlink(bitsPerSecond: settings.down * 1e6 / slowness)
        )
        node.distance = draw(settings.faults.latencySpread)
        slots.append(nodes.count)
        nodes.append(node)
    }

    private mutating func draw(_ most: Double) -> Double { most > 1 ? 1 + (most - 1) * dice.fraction() : 1 }

    private mutating func begin() {
        for node in nodes.indices {
            if node < settings.seeders {
                for piece in 0..<layout.pieceCount { nodes[node].disk.store(piece, lie: 0, author: nil) }
                tell(node, .blobAvailable(blob: blob, layout: layout))
            } else {
                nodes[node].isTaker = true
                unfinished += 1
                heap.push(Self.startsAt + UInt64(dice.fraction() * settings.spread * 1e6), .start(node))
            }
        }
        chooseLiars()
        bound = fluidBound
        for number in 0..<settings.kills {
            let share = Double(number + 1) / Double(settings.kills + 1)
            let victim = settings.nodes - 1 - number
            heap.push(Self.startsAt + UInt64(share * bound * 1e9), .kill(victim))
        }
        scheduleFaults()
        scheduleStragglers()
        if settings.output == .json { heap.push(Self.startsAt, .sample) }
    }

    /// Runs until every living node has the blob and all faults are over, or far more time has passed than that takes.
    mutating func run() {
        let last = Double(faultsEnd) + settings.spread * 1e6 + 40e9 * bound + 2e9 * endsWithin
        let faultsEnd = self.faultsEnd
        var eventsAtOnce = 0
        while unfinished > 0 || now < faultsEnd, let (time, happening) = heap.pop(), Double(time) < last {
            eventsAtOnce = time > now ? 0 : eventsAtOnce + 1
            // A node that is told that time passed, and has nothing to say but that, goes round for ever.
            precondition(eventsAtOnce < 100 * nodes.count + 100_000, "seed \(settings.seed): the clock stands still")
            now = max(now, time)
            events += 1
            apply(happening)
        }
    }

    mutating func note(_ value: UInt64) { trace = (trace ^ value) &* 0x100_0000_01B3 }

    func digest(_ piece: Int, lie: UInt64 = 0) -> Digest {
        let value = UInt64(piece)
        return Digest(words: (Dice.scramble(value), Dice.scramble(value ^ 1 << 40), value, 5 ^ lie))
    }

    func slot(of name: PeerName) -> Int? {
        var number = 0
        for byte in name.text.utf8.dropFirst(5) { number = 10 * number + Int(byte) - 48 }
        return slots.indices.contains(number) ? slots[number] : nil
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
        case .start(let node): start(node)
        case .kill(let node): kill(node, isSilent: false)
        case .dial(let one, let other, let failures): dial(one, other, failures: failures)
        case .joined(let one, let other): joined(one, other)
        case .unreachable(let node, let member): tell(node, .unreachable(member))
        case .noticed(let node, let other, let epoch): notice(node, other, epoch)
        case .tick(let node):
            guard nodes[node].tickAt.map({ $0 <= now }) ?? false else { return }
            nodes[node].tickAt = nil
            tell(node, .tick)
        case .sent(let uplink, let generation): sent(uplink, generation)
        case .arrives(let cargo): arrives(cargo)
        case .uploaded(let node, let request, let to, let epoch):
            guard nodes[node].connections[to]?.epoch == epoch else { return }
            tell(node, .uploadEnded(request: request, to: nodes[to].name))
        case .checked(let node, let piece, let request, let from, let stored):
            note(UInt64(piece))
            if let stored { keep(stored, piece, by: node) }
            let outcome = stored.map { $0.isLinked ? ExchangeEvent.PieceOutcome.linked : .stored }
            tell(node, .pieceChecked(request: request, from: from, outcome: outcome ?? .wrongBytes))
            read(node)
        case .originBegins(let node, let fetch): originBegins(node, fetch)
        case .originSends(let node, let fetch): originSends(node, fetch)
        case .originFails(let node, let fetch): originFails(node, fetch)
        case .originStored(let node, let piece, let fetch): originStored(node, piece, fetch)
        case .blobChecked(let node): checkBlob(node)
        case .digestsLoaded(let node): loadDigests(node)
        case .proven(let node, let pieces): tell(node, .piecesProven(blob: blob, pieces))
        case .fault(let fault): happen(fault)
        case .grantsAreHogged(let keeper, let node, let run): hog(run, of: keeper, by: node)
        case .sample: sample()
        }
    }

    private mutating func sample() {
        let seconds = Double(now - Self.startsAt) / 1e9
        let pieces = Double(layout.pieceCount)
        var shares: [Double] = []
        // By index: a node is large, and would be copied.
        for node in nodes.indices where nodes[node].isTaker && nodes[node].isAlive && nodes[node].lie == nil {
            shares.append(Double(nodes[node].disk.count) / pieces)
        }
        shares.sort()
        if !shares.isEmpty {
            func share(_ rank: Double) -> Double { shares[Int(Double(shares.count - 1) * rank)] }
            samples.append(
                Sample(
                    seconds: seconds,
                    least: share(0),
                    tenth: share(0.1),
                    median: share(0.5),
                    ninetieth: share(0.9),
                    most: share(1)
                )
            )
        }
        heap.push(now + UInt64(bound / 40 * 1e9) + 1, .sample)
    }
}
