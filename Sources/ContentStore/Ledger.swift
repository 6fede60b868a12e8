import OCIModel

/// Who takes how much of the quota.
///
/// A blob is **committed** (in `blobs`), **idle** (a partial blob nobody has open) or **open** (a partial
/// blob being written). The space of the first two is used, that of the third is reserved, as is that of a
/// small blob on its way. Invariants:
/// - an idle blob is neither committed nor open;
/// - `usedBytes` = sum of committed and idle sizes; `reservedBytes` ≥ sum of open sizes;
/// - `reserve` keeps `usedBytes + reservedBytes ≤ quotaBytes`. Only a quota that was lowered below what is
///   pinned can break that, and then nothing more is reserved.
struct Ledger {
    struct Entry: Equatable {
        var bytes: Int64
        var isPinned = false
        /// Somebody else, the runtime, has a name for the same file: its bytes stay when ours goes.
        var isShared = false
        /// Position in the order of last use: counted, because the wall clock jumps.
        var order: UInt64
        /// Seconds since 1970, to be shown.
        var lastUsed: Int64
    }

    /// Something that eviction may take.
    struct Victim: Equatable {
        var digest: Digest
        var entry: Entry
        var isIdle: Bool
    }

    let quotaBytes: Int64
    private(set) var committed: [Digest: Entry] = [:]
    private(set) var idle: [Digest: Entry] = [:]
    private(set) var open: [Digest: Int64] = [:]
    private(set) var usedBytes: Int64 = 0
    private(set) var reservedBytes: Int64 = 0
    private var nextOrder: UInt64 = 1
    /// Committed blobs whose last use the catalogue does not know.
    private(set) var touched: Set<Digest> = []
    var evictions: UInt64 = 0
    var lastError: StoreError?
    var isClosed = false

    init(quotaBytes: Int64) { self.quotaBytes = max(quotaBytes, 0) }

    // MARK: Committed

    /// Takes up a blob that is on disk, without reservation.
    mutating func found(_ digest: Digest, _ entry: Entry) {
        precondition(committed[digest] == nil, "a file name is found once")
        committed[digest] = entry
        usedBytes += entry.bytes
        nextOrder = max(nextOrder, entry.order &+ 1)
    }

    mutating func touch(_ digest: Digest, now: Int64) {
        guard var entry = committed[digest] else { return }
        entry.order = takeOrder()
        entry.lastUsed = now
        committed[digest] = entry
        touched.insert(digest)
    }

    mutating func setPinned(_ digest: Digest, _ isPinned: Bool) -> Bool {
        committed[digest]?.isPinned = isPinned
        return committed[digest] != nil
    }

    mutating func setShared(_ digest: Digest, _ isShared: Bool) {
        committed[digest]?.isShared = isShared
    }

    var sharedBytes: Int64 { committed.values.reduce(0) { $1.isShared ? $0 + $1.bytes : $0 } }

    /// Removes the blob, committed or idle.
    mutating func forget(_ digest: Digest) {
        touched.remove(digest)
        if let entry = committed.removeValue(forKey: digest) { usedBytes -= entry.bytes }
        if let entry = idle.removeValue(forKey: digest) { usedBytes -= entry.bytes }
    }

    /// Puts back what `takeVictims` took and could not be removed.
    mutating func restore(_ victim: Victim) {
        usedBytes += victim.entry.bytes
        if victim.isIdle {
            idle[victim.digest] = victim.entry
        } else {
            committed[victim.digest] = victim.entry
        }
    }

    mutating func takeTouched() -> [(digest: Digest, entry: Entry)] {
        defer { touched.removeAll() }
        return touched.compactMap { digest in committed[digest].map { (digest, $0) } }
    }

    // MARK: Space

    /// Bytes that must go before `bytes` more fit in the quota; 0 when they fit now.
    func excess(for bytes: Int64) -> Int64 {
        // None of these is negative and the sizes are checked against the quota, so only `bytes` can be
        // large.
        let room = quotaBytes - usedBytes - reservedBytes
        return bytes - min(room, bytes)
    }

    /// Takes the least recently used unpinned blobs and idle partial blobs out of the ledger: together at least
    /// `bytes` of the quota, and at least `diskBytes` that the disk gets back.
    ///
    /// `nil`, and nothing changed, when there is not that much.
    mutating func takeVictims(bytes: Int64, diskBytes: Int64 = 0, sparing spared: Digest?) -> [Victim]? {
        guard max(bytes, diskBytes) > 0 else { return [] }
        var candidates: [Victim] = []
        for (digest, entry) in committed where !entry.isPinned && digest != spared {
            candidates.append(Victim(digest: digest, entry: entry, isIdle: false))
        }
        for (digest, entry) in idle where digest != spared {
            candidates.append(Victim(digest: digest, entry: entry, isIdle: true))
        }
        candidates.sort { $0.entry.order < $1.entry.order }
        var victims: [Victim] = []
        var rest: [Victim] = []
        var freed: Int64 = 0
        for candidate in candidates {
            if freed < diskBytes, !candidate.entry.isShared {
                victims.append(candidate)
                freed += candidate.entry.bytes
            } else {
                rest.append(candidate)
            }
        }
        var sum = freed
        for candidate in rest where sum < bytes {
            victims.append(candidate)
            sum += candidate.entry.bytes
        }
        guard sum >= bytes, freed >= diskBytes else { return nil }
        for victim in victims { forget(victim.digest) }
        return victims
    }

    /// Returns whether the bytes are now reserved.
    mutating func reserve(_ bytes: Int64) -> Bool {
        guard excess(for: bytes) <= 0 else { return false }
        reservedBytes += bytes
        return true
    }

    mutating func release(_ bytes: Int64) {
        precondition(bytes <= reservedBytes, "what is released was reserved")
        reservedBytes -= bytes
    }

    // MARK: Partial blobs

    mutating func foundIdle(_ digest: Digest, _ entry: Entry) {
        precondition(idle[digest] == nil, "a file name is found once")
        idle[digest] = entry
        usedBytes += entry.bytes
        nextOrder = max(nextOrder, entry.order &+ 1)
    }

    /// The bytes are reserved; a partial blob has them from now on.
    mutating func opened(_ digest: Digest, bytes: Int64) {
        precondition(open[digest] == nil, "a blob is open once")
        open[digest] = bytes
    }

    /// Reopens an idle partial blob: its space is reserved instead of used.
    mutating func resume(_ digest: Digest) {
        guard let entry = idle.removeValue(forKey: digest) else { return }
        usedBytes -= entry.bytes
        reservedBytes += entry.bytes
        opened(digest, bytes: entry.bytes)
    }

    /// An open partial blob stays on disk for later.
    mutating func park(_ digest: Digest, now: Int64) {
        guard let bytes = open.removeValue(forKey: digest) else { return }
        release(bytes)
        idle[digest] = Entry(bytes: bytes, order: takeOrder(), lastUsed: now)
        usedBytes += bytes
    }

    /// An open partial blob is gone from the disk.
    mutating func discarded(_ digest: Digest) {
        guard let bytes = open.removeValue(forKey: digest) else { return }
        release(bytes)
    }

    /// A blob of so many reserved bytes is in place.
    mutating func commit(_ digest: Digest, bytes: Int64, now: Int64) {
        release(bytes)
        let old = committed[digest]
        usedBytes += bytes - (old?.bytes ?? 0)
        committed[digest] = Entry(
            bytes: bytes,
            isPinned: old?.isPinned ?? false,
            order: takeOrder(),
            lastUsed: now
        )
    }

    /// An open partial blob is in place.
    mutating func commitOpen(_ digest: Digest, now: Int64) {
        guard let bytes = open.removeValue(forKey: digest) else { return }
        commit(digest, bytes: bytes, now: now)
    }

    private mutating func takeOrder() -> UInt64 {
        defer { nextOrder &+= 1 }
        return nextOrder
    }

    func checkInvariants() {
        let sizes = committed.values.map(\.bytes) + idle.values.map(\.bytes)
        precondition(usedBytes == sizes.reduce(0, +), "used bytes are those of the files")
        precondition(reservedBytes >= open.values.reduce(0, +), "every open blob has its reservation")
        precondition(Set(committed.keys).isDisjoint(with: idle.keys), "a committed blob is not partial")
        precondition(Set(open.keys).isDisjoint(with: idle.keys), "an open blob is not idle")
        precondition(touched.isSubset(of: committed.keys), "only committed blobs are touched")
    }
}
