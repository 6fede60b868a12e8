import PieceExchange
import PieceModel

/// Something that goes wrong, or is mended.
enum Fault {
    case someConnectionBreaks
    case somePartIsCutOff(seconds: Double)
    case partIsBack(island: Int)
    case someNodeDies
    case keeperDies
    case nodeComes(after: Int?)
    case registryFails(seconds: Double)
    case registryIsSlow(seconds: Double)
    case registryIsWell
    case someLinkSlows
    case someLinkFreezes
    case linkThaws(Int)
}

/// Faults: when they happen, and what they do.
extension Simulation {
    var faultsEnd: UInt64 {
        settings.faults.happen ? Self.startsAt + UInt64(settings.faults.seconds * 1e9) : 0
    }

    mutating func scheduleFaults() {
        let faults = settings.faults
        for _ in 0..<faults.breaks { schedule(.someConnectionBreaks, within: faults.seconds) }
        for _ in 0..<faults.churn { schedule(.someNodeDies, within: faults.seconds - 2) }
        for _ in 0..<faults.keeperLosses { schedule(.keeperDies, within: faults.seconds - 2) }
        for _ in 0..<faults.partitions { scheduleSpell { .somePartIsCutOff(seconds: $0) } }
        for _ in 0..<faults.outages { scheduleSpell { .registryFails(seconds: $0) } }
        for _ in 0..<faults.slowdowns { scheduleSpell { .registryIsSlow(seconds: $0) } }
    }

    private mutating func schedule(_ fault: Fault, within seconds: Double) {
        heap.push(Self.startsAt + UInt64(dice.fraction() * max(0, seconds) * 1e9), .fault(fault))
    }

    private mutating func scheduleSpell(_ fault: (Double) -> Fault) {
        let seconds = dice.fraction() * min(Faults.spellMax, settings.faults.seconds)
        schedule(fault(seconds), within: settings.faults.seconds - seconds)
    }

    mutating func later(_ seconds: Double, _ fault: Fault) {
        heap.push(now + UInt64(seconds * 1e9), .fault(fault))
    }

    mutating func happen(_ fault: Fault) {
        switch fault {
        case .someConnectionBreaks: breakSomeConnection()
        case .somePartIsCutOff(let seconds): cutOffSomePart(seconds)
        case .partIsBack(let island): bringBack(island)
        case .someNodeDies:
            let living = nodes.indices.filter { nodes[$0].isAlive && nodes[$0].lie == nil }
            if living.count > 1 { die(living[dice.below(living.count)]) }
        case .keeperDies:
            let keeper = nodes.indices.filter { nodes[$0].isAlive && nodes[$0].lie == nil }
                .max { rank($0) < rank($1) }
            if let keeper { die(keeper) }
        case .nodeComes(let slot): come(after: slot)
        case .registryFails(let seconds):
            registryState = dice.chance(0.5) ? .refuses : .hangs
            for node in nodes.indices where !nodes[node].fetches.isEmpty { breakFetches(node) }
            later(seconds, .registryIsWell)
        case .registryIsSlow(let seconds):
            registry.slow(by: 5 + 45 * dice.fraction(), now: now)
            scheduleRegistry()
            later(seconds, .registryIsWell)
        case .someLinkSlows: slowSomeLink()
        case .someLinkFreezes: freezeSomeLink()
        case .linkThaws(let node): thaw(node)
        case .registryIsWell:
            registryState = .well
            registry.slow(by: 1, now: now)
            scheduleRegistry()
        }
    }

    private func rank(_ node: Int) -> Int {
        let state = nodes[node].exchange.directoryState
        return state.grants + state.takers
    }

    private mutating func breakSomeConnection() {
        let living = nodes.indices.filter { nodes[$0].isAlive && !nodes[$0].connections.isEmpty }
        guard !living.isEmpty else { return }
        let one = living[dice.below(living.count)]
        let others = nodes[one].connections.keys.sorted()
        cut(one, others[dice.below(others.count)], noticedWithin: dice.chance(0.8) ? 50 : 5_000)
    }

    private mutating func cutOffSomePart(_ seconds: Double) {
        lastIsland += 1
        let share = 0.05 + 0.55 * dice.fraction()
        let isCutFromRegistry = dice.chance(0.5)
        for node in nodes.indices where nodes[node].isAlive && dice.chance(share) {
            nodes[node].island = lastIsland
            nodes[node].isCutFromRegistry = isCutFromRegistry
            if isCutFromRegistry { breakFetches(node) }
        }
        // What is under way is lost; when the part is back before it is noticed, that is soon.
        let notice = min(Self.silentMillis, UInt64(seconds * 1000) + 3_000)
        for node in nodes.indices where nodes[node].island == lastIsland {
            for other in nodes[node].connections.keys.sorted() where nodes[other].island != lastIsland {
                cut(node, other, noticedWithin: notice)
            }
        }
        later(seconds, .partIsBack(island: lastIsland))
    }

    private mutating func bringBack(_ island: Int) {
        for node in nodes.indices where nodes[node].island == island {
            nodes[node].island = 0
            nodes[node].isCutFromRegistry = false
        }
    }

    private mutating func die(_ node: Int) {
        kill(node, isSilent: dice.chance(0.5))
        later(2 * dice.fraction(), .nodeComes(after: dice.chance(0.5) ? node : nil))
    }

    /// A node that was there before, with its name and disk, or a new one.
    private mutating func come(after old: Int?) {
        let node = nodes.count
        guard let name = old.map({ nodes[$0].name }) ?? PeerName("node-\(slots.count)") else { return }
        addNode(name)
        if let old, let number = slots.firstIndex(of: old) {
            slots.removeLast()
            slots[number] = node
            nodes[node].disk = nodes[old].disk
        }
        nodes[node].isTaker = true
        unfinished += 1
        tellMembers()
        let living = nodes.indices.filter { $0 != node && canReach(node, $0) }
        for _ in 0..<min(settings.degree, living.count) { join(node, living[dice.below(living.count)]) }
        heap.push(now + 100_000_000, .start(node))
    }
}

/// What a run is measured by.
extension Simulation {
    /// Seconds below which no schedule can bring the blob to all nodes: the registry (or the nodes that have
    /// it) must send every byte once, each node must take all of it, and all together must send all that is
    /// taken.
    var fluidBound: Double {
        let gigabytes = settings.blobBytes / 1e9
        let registry = settings.origin / 8e3
        let honest = nodes.lazy.filter { $0.lie == nil }
        let source = nodes.lazy.filter { !$0.isTaker }.reduce(registry) { $0 + $1.uplink.rate }
        let slowest = honest.map(\.downlink.rate).min() ?? 1
        let all = honest.reduce(registry) { $0 + $1.uplink.rate }
        let takers = Double(honest.filter(\.isTaker).count)
        return max(gigabytes / source, gigabytes / slowest, takers * gigabytes / all)
    }

    /// Seconds after the last fault, or after its beginning, within which a want has to be done.
    ///
    /// One and a half times the bound, for all bytes may have to be sent anew; then once each delay that may still
    /// run when the last fault is over, as if they came one after the other. Where digests are forged, every node may
    /// have to read all of the blob from the registry.
    var endsWithin: Double {
        let limits = ExchangeLimits()
        let delays =
            Self.silentMillis  // A dead peer is noticed.
            + 8_500  // It is dialled again.
            + 2 * limits.pieceDeadlineMillis  // A piece is late, then given up.
            + limits.grantSilenceMillis + 3 * limits.grantPatienceMillis  // Two members that keep grants badly.
            + 10_000 + 6_400  // The registry does not answer, and is asked again.
            + limits.patienceMillis + Self.retryMillis  // The want fails and is begun again.
        let isForged = nodes.contains { $0.lie == .digests || $0.lie == .blame }
        let again = isForged ? Double(nodes.count) * settings.blobBytes * 8 / 1e6 / settings.origin : 0
        return 1.5 * (bound + again) + Double(delays) / 1000
    }

    /// Seconds that the node's want took, from the last fault or its beginning, whichever came later.
    func delay(of node: Node) -> Double? {
        node.finishedAt.map { Double($0) / 1e9 - Double(max(faultsEnd, node.startedAt)) / 1e9 }
    }
}
