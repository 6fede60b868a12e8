/// The sending side of one host: its connections share the rate evenly, each sends its items in order.
///
/// Even sharing is kept by a clock that runs with the bytes each connection in turn gets: an item is sent when
/// that clock reaches its mark.
struct Uplink {
    struct Item {
        var bytes: Double
        var cargo: Cargo
    }

    private struct Connection {
        var number: Int
        var items: [Item]
        /// The clock at which the first item is sent.
        var mark: Double
    }

    /// Bytes in a nanosecond.
    private(set) var rate: Double
    private let fullRate: Double
    private var active: [Connection] = []
    private var clock = 0.0
    private var updatedAt: UInt64 = 0
    /// Tells the next end that was scheduled last from those before it.
    private(set) var generation = 0

    init(bitsPerSecond: Double) {
        fullRate = bitsPerSecond / 8 / 1e9
        rate = fullRate
    }

    /// From now on sends a part of the full rate.
    mutating func slow(by factor: Double, now: UInt64) {
        advance(to: now)
        rate = fullRate / factor
    }

    func isBusy(_ connection: Int) -> Bool { active.contains { $0.number == connection } }

    mutating func enqueue(_ item: Item, on connection: Int, now: UInt64) {
        advance(to: now)
        if let index = active.firstIndex(where: { $0.number == connection }) {
            active[index].items.append(item)
        } else {
            active.append(Connection(number: connection, items: [item], mark: clock + item.bytes))
        }
    }

    /// Takes every item off the connection and returns the bytes of the first that were already sent.
    mutating func clear(_ connection: Int, now: UInt64) -> Double {
        advance(to: now)
        guard let index = active.firstIndex(where: { $0.number == connection }) else { return 0 }
        let gone = active.remove(at: index)
        return max(0, gone.items[0].bytes - (gone.mark - clock))
    }

    /// When the next item is sent, if nothing is put in before.
    mutating func nextEnd(now: UInt64) -> (time: UInt64, generation: Int)? {
        advance(to: now)
        guard let mark = active.lazy.map(\.mark).min() else { return nil }
        generation += 1
        let wait = max(0, mark - clock) * Double(active.count) / rate
        return (now + UInt64(wait.rounded(.up)) + 1, generation)
    }

    /// The items that are sent by now.
    mutating func takeSent(now: UInt64) -> [(connection: Int, cargo: Cargo)] {
        advance(to: now)
        var sent: [(connection: Int, cargo: Cargo)] = []
        var index = 0
        while index < active.count {
            guard active[index].mark <= clock + 1e-3 else {
                index += 1
                continue
            }
            let item = active[index].items.removeFirst()
            sent.append((active[index].number, item.cargo))
            if let next = active[index].items.first {
                active[index].mark += next.bytes
                index += 1
            } else {
                active.remove(at: index)
            }
        }
        return sent
    }

    private mutating func advance(to now: UInt64) {
        guard now > updatedAt else { return }
        if !active.isEmpty { clock += Double(now - updatedAt) * rate / Double(active.count) }
        updatedAt = now
    }
}

/// The receiving side of one host: takes what comes in order of arrival, at its rate.
struct Downlink {
    private(set) var rate: Double
    private var freeAt: Double = 0

    init(bitsPerSecond: Double) { rate = bitsPerSecond / 8 / 1e9 }

    /// From now on takes a part of what it took.
    mutating func slow(by factor: Double) { rate /= factor }

    /// Takes nothing until then.
    mutating func freeze(until: UInt64) { freeAt = max(freeAt, Double(until)) }

    /// When the last of the bytes is in, if their last bit reaches this host's line at `arrival`.
    mutating func receive(_ bytes: Double, arrival: UInt64) -> UInt64 {
        let nanoseconds = bytes / rate
        freeAt = max(freeAt, Double(arrival) - nanoseconds) + nanoseconds
        return max(arrival, UInt64(freeAt))
    }
}
