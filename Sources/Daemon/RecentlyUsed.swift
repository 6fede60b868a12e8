/// What was used most recently, up to a bound on its cost.
///
/// Two halves: what is put or found is in the younger one; once that has half the bound, it becomes the older one, and
/// what was the older is forgotten. So everything stays until half the bound was used after it, and no use costs more
/// than another.
/// Invariant: each half costs at most `costMax / 2`.
struct RecentlyUsed<Key: Hashable, Value> {
    private struct Entry {
        var value: Value
        let cost: Int
    }

    private let halfMax: Int
    private var young: [Key: Entry] = [:]
    private var old: [Key: Entry] = [:]
    private var youngCost = 0

    init(costMax: Int) { halfMax = costMax / 2 }

    var count: Int { young.count + old.count }

    /// Counts as a use.
    mutating func value(_ key: Key) -> Value? {
        if let entry = young[key] { return entry.value }
        guard let entry = old.removeValue(forKey: key) else { return nil }
        add(key, entry)
        return entry.value
    }

    /// Takes the place of what the key had. What costs more than half the bound is not kept.
    mutating func put(_ key: Key, _ value: Value, cost: Int = 1) {
        remove(key)
        guard cost <= halfMax else { return }
        add(key, Entry(value: value, cost: cost))
    }

    mutating func remove(_ key: Key) {
        old[key] = nil
        if let entry = young.removeValue(forKey: key) { youngCost -= entry.cost }
    }

    private mutating func add(_ key: Key, _ entry: Entry) {
        if youngCost + entry.cost > halfMax {
            old = young
            young = [:]
            youngCost = 0
        }
        young[key] = entry
        youngCost += entry.cost
    }
}
