import PieceExchange
import PieceModel

/// Who is connected with whom: as the daemon's transport does it, in large.
extension Simulation {
    /// As in `SwarmOptions`: a silent peer is given up after this, and a connection that cannot be made after that.
    static let silentMillis: UInt64 = 30_000
    private static let connectMillis: UInt64 = 5_000
    private static let redialMillis: UInt64 = 500

    mutating func connectNeighbours() {
        let count = settings.nodes
        tellMembers()
        for one in 0..<count {
            if count - 1 <= settings.degree {
                for other in (one + 1)..<max(one + 1, count) { join(one, other) }
            } else {
                // Each looks for as many as it wants, and takes in half as many more that look for it.
                while nodes[one].connections.count < settings.degree {
                    let other = dice.below(count)
                    if other != one, nodes[other].connections.count < settings.degree * 3 / 2 { join(one, other) }
                }
            }
        }
    }

    mutating func tellMembers() {
        let members = Membership(nodes.lazy.filter(\.isAlive).map(\.name))
        for node in nodes.indices { tell(node, .members(members)) }
    }

    func canReach(_ one: Int, _ other: Int) -> Bool {
        nodes[one].isAlive && nodes[other].isAlive && nodes[one].island == nodes[other].island
    }

    private func isOpen(_ one: Int, _ other: Int) -> Bool { nodes[one].connections[other]?.isDead == false }

    /// Connects two nodes; what either end still took for a connection of the two is replaced.
    mutating func join(_ one: Int, _ other: Int) {
        guard one != other, !isOpen(one, other) || !isOpen(other, one) else { return }
        lastEpoch += 1
        enter(one, other)
        enter(other, one)
        tell(one, .peerConnected(nodes[other].name, zone: nodes[other].exchange.zone))
        tell(other, .peerConnected(nodes[one].name, zone: nodes[one].exchange.zone))
    }

    private mutating func enter(_ one: Int, _ other: Int) {
        forget(other, at: one)
        nodes[one].connections = nodes[one].connections.filter { nodes[$0.key].name != nodes[other].name }
        nodes[one].connections[other] = Connection(epoch: lastEpoch)
        nodes[one].connectionsMost = max(nodes[one].connectionsMost, nodes[one].connections.count)
    }

    private mutating func forget(_ other: Int, at one: Int) {
        guard nodes[one].connections.removeValue(forKey: other) != nil else { return }
        _ = nodes[one].uplink.clear(other, now: now)
        schedule(one)
    }

    /// The exchange asked for it.
    mutating func connect(_ node: Int, _ member: PeerName) {
        guard let other = slot(of: member) else { return }
        let roundTrip = UInt64(3e6 * latency(node, other))
        if canReach(node, other) {
            heap.push(now + roundTrip, .joined(node, other))
        } else {
            let wait = nodes[other].isAlive ? Self.connectMillis * 1_000_000 : roundTrip
            heap.push(now + wait, .unreachable(node, member))
        }
    }

    mutating func joined(_ one: Int, _ other: Int) {
        if canReach(one, other) { join(one, other) } else { tell(one, .unreachable(nodes[other].name)) }
    }

    mutating func dial(_ one: Int, _ other: Int, failures: Int) {
        guard nodes[one].isAlive, !isOpen(one, other) || !isOpen(other, one) else { return }
        guard nodes[other].isAlive, !isBanned(one, other), !isBanned(other, one) else { return lookForPeer(one) }
        guard canReach(one, other) else {
            let pause = Self.redialMillis << UInt64(min(failures, 4)) + UInt64(dice.below(500))
            return heap.push(now + pause * 1_000_000, .dial(one, other, failures: failures + 1))
        }
        join(one, other)
    }

    /// Dials a node chosen at random, if there is room.
    mutating func lookForPeer(_ node: Int) {
        guard nodes[node].isAlive, nodes[node].connections.count < settings.degree else { return }
        let strangers = nodes.indices.filter {
            $0 != node && canReach(node, $0) && nodes[node].connections[$0] == nil
                && !isBanned(node, $0) && !isBanned($0, node)
        }
        guard !strangers.isEmpty else { return }
        let other = strangers[dice.below(strangers.count)]
        let pause = UInt64(dice.below(1_000)) * 1_000_000
        heap.push(now + pause, .dial(node, other, failures: 0))
    }

    /// Breaks the connection; either end notices when it does.
    mutating func cut(_ one: Int, _ other: Int, noticedWithin millis: UInt64) {
        lose(other, at: one, noticedWithin: millis)
        lose(one, at: other, noticedWithin: millis)
    }

    private mutating func lose(_ other: Int, at one: Int, noticedWithin millis: UInt64) {
        guard let connection = nodes[one].connections[other], !connection.isDead else { return }
        nodes[one].connections[other]?.isDead = true
        let wait = UInt64(Double(millis) * 1e6 * dice.fraction())
        heap.push(now + wait, .noticed(one, other, epoch: connection.epoch))
    }

    mutating func notice(_ node: Int, _ other: Int, _ epoch: UInt32) {
        guard nodes[node].connections[other]?.epoch == epoch else { return }
        forget(other, at: node)
        tell(node, .peerDisconnected(nodes[other].name))
        guard nodes[node].isAlive, nodes[node].connections.count < settings.degree else { return }
        let pause = Self.redialMillis + UInt64(dice.below(500))
        heap.push(now + pause * 1_000_000, .dial(node, other, failures: 0))
    }

    /// The node is gone: its process alone, which the others see at once, or its machine, of which they hear nothing.
    mutating func kill(_ node: Int, isSilent: Bool) {
        guard nodes[node].isAlive else { return }
        stopFetch(node)
        nodes[node].isAlive = false
        if nodes[node].isTaker, !nodes[node].isDone, nodes[node].lie == nil { unfinished -= 1 }
        for other in nodes[node].connections.keys.sorted() {
            guard let connection = nodes[other].connections[node] else { continue }
            if isSilent {
                lose(node, at: other, noticedWithin: Self.silentMillis)
            } else {
                notice(other, node, connection.epoch)
            }
        }
        nodes[node].connections = [:]
    }

    // MARK: Bans

    private func pair(_ one: Int, _ other: Int) -> UInt64 { UInt64(one) << 32 | UInt64(other) }

    private func isBanned(_ other: Int, _ node: Int) -> Bool { bans[pair(node, other)].map { $0 > now } ?? false }

    mutating func ban(_ name: PeerName, until retry: Instant, by node: Int) {
        guard let other = slot(of: name) else { return }
        if nodes[node].lie == nil, nodes[other].lie == nil { counts.wrongBans += 1 }
        bans[pair(node, other)] = retry.nanoseconds
        // The exchange knows already.
        if let connection = nodes[other].connections[node], connection.epoch == nodes[node].connections[other]?.epoch {
            lose(node, at: other, noticedWithin: 10)
        }
        forget(other, at: node)
        lookForPeer(node)
    }
}
