/// A fixed-size set of small integers, one bit each, that can be scanned a word at a time.
///
/// `PieceSet` is the form pieces have on the wire and on disk; this one is for scanning several sets at once.
struct Bits: Sendable, Equatable {
    let capacity: Int
    private(set) var count = 0
    private(set) var words: [UInt64]

    init(capacity: Int) {
        self.capacity = capacity
        words = [UInt64](repeating: 0, count: (capacity + 63) / 64)
    }

    static func full(capacity: Int) -> Bits {
        var bits = Bits(capacity: capacity)
        bits.count = capacity
        for index in bits.words.indices { bits.words[index] = bits.mask(ofWord: index) }
        return bits
    }

    var isEmpty: Bool { count == 0 }
    var isFull: Bool { count == capacity }

    func contains(_ value: Int) -> Bool {
        value >= 0 && value < capacity && words[value >> 6] & (1 << UInt64(value & 63)) != 0
    }

    @discardableResult
    mutating func insert(_ value: Int) -> Bool {
        guard !contains(value) else { return false }
        words[value >> 6] |= 1 << UInt64(value & 63)
        count += 1
        return true
    }

    @discardableResult
    mutating func remove(_ value: Int) -> Bool {
        guard contains(value) else { return false }
        words[value >> 6] &= ~(1 << UInt64(value & 63))
        count -= 1
        return true
    }

    /// Calls `body` with every member in ascending order.
    func forEach(_ body: (Int) -> Void) {
        for index in words.indices {
            Self.forEachBit(words[index]) { body(index << 6 + $0) }
        }
    }

    /// The word's bits that stand for members below `capacity`.
    func mask(ofWord index: Int) -> UInt64 {
        let used = capacity - index << 6
        return used >= 64 ? .max : (1 << UInt64(used)) - 1
    }

    static func forEachBit(_ word: UInt64, _ body: (Int) -> Void) {
        var rest = word
        while rest != 0 {
            body(rest.trailingZeroBitCount)
            rest &= rest - 1
        }
    }
}
