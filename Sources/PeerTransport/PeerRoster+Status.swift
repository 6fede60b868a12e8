import EventLoop
import PieceExchange
import PieceModel
import Wire

/// What the roster tells of its peers, those included that are gone.
extension PeerRoster {
    struct Past {
        var address: String
        var zone: Zone?
        var received = PieceTraffic()
        var sent = PieceTraffic()
    }

    func status(now: UInt64) -> [SwarmStatus.Peer] {
        var states: [PeerName: SwarmStatus.Peer] = [:]
        for (name, before) in past {
            states[name] = SwarmStatus.Peer(
                name: name,
                address: before.address,
                zone: before.zone,
                received: before.received,
                sent: before.sent
            )
        }
        for (name, connection) in peers {
            var state = states[name] ?? SwarmStatus.Peer(name: name)
            state.address = connection.address
            state.zone = connection.hello?.zone
            state.state = .connected(outbound: connection.outbound)
            state.certificate = connection.channel.certificate
            state.received.add(connection.received)
            state.sent.add(connection.sent)
            states[name] = state
        }
        for (name, ban) in bans.current(now: now) {
            let left = Int((ban.until - now) / 1_000_000_000)
            states[name]?.state = .banned(ban.cause, secondsLeft: left)
        }
        for dialer in dialers { if let name = dialer.name { states[name]?.endpoints.append(dialer.endpoint) } }
        return states.values.sorted { $0.name < $1.name }
    }

    var unreached: [SwarmStatus.Unreached] {
        dialers.filter { $0.name == nil && !$0.isSelf }.sorted { $0.endpoint < $1.endpoint }.map {
            SwarmStatus.Unreached(endpoint: $0.endpoint, reason: $0.lastFailure)
        }
    }

    func remember(_ connection: PeerConnection, of peer: PeerName) {
        if past[peer] == nil, past.count >= Self.pastMax,
            let other = past.keys.first(where: { peers[$0] == nil })
        {
            past[other] = nil
        }
        var record = past[peer] ?? Past(address: connection.address)
        record.address = connection.address
        record.zone = connection.hello?.zone
        record.received.add(connection.received)
        record.sent.add(connection.sent)
        past[peer] = record
    }
}

extension PieceTraffic {
    mutating func add(_ other: PieceTraffic) {
        pieces += other.pieces
        rawBytes += other.rawBytes
        wireBytes += other.wireBytes
        compressedBytes += other.compressedBytes
    }
}
