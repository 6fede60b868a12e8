/// Bytes of a stored piece that are kept until the hash of the whole blob has seen them; then they count no more.
final class FreshBytes: Sendable {
    /// What all blobs may keep together.
    final class Budget: Sendable {
        private static let bytesMax = 16 << 20
        private let used = Guarded(0)

        /// `nil` when too many are kept already: they will be read back.
        func take(_ bytes: [UInt8]) -> FreshBytes? {
            let fits = used.withLock { used in
                guard used + bytes.capacity <= Self.bytesMax else { return false }
                used += bytes.capacity
                return true
            }
            return fits ? FreshBytes(bytes, of: self) : nil
        }

        fileprivate func giveBack(_ count: Int) { used.withLock { $0 -= count } }
    }

    let bytes: [UInt8]
    private let budget: Budget

    private init(_ bytes: [UInt8], of budget: Budget) {
        self.bytes = bytes
        self.budget = budget
    }

    deinit { budget.giveBack(bytes.capacity) }
}
