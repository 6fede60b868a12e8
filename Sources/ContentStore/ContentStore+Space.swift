import OCIModel

/// How room is made: never beyond the quota, never below the floor, the least recently used first.
extension ContentStore {
    /// Reserves the bytes, evicting what has to go.
    ///
    /// Call with `admission` held.
    func reserve(_ bytes: Int64, for digest: Digest) throws(StoreError) {
        let (excess, quota, isClosed) = ledger.withLock {
            ($0.excess(for: bytes), $0.quotaBytes, $0.isClosed)
        }
        guard !isClosed else { throw .closed }
        guard bytes <= quota else { throw .quotaExceeded(neededBytes: bytes, quotaBytes: quota) }
        let missing = try missingBytes(for: bytes)
        if max(excess, missing) > 0, try !evict(bytes: excess, diskBytes: missing, sparing: digest) {
            throw missing > excess
                ? try floorReached(bytes) : .quotaExceeded(neededBytes: bytes, quotaBytes: quota)
        }
        // What a reader still has open frees nothing when it is evicted, so eviction may not have been
        // enough.
        if missing > 0, try missingBytes(for: bytes) > 0 { throw try floorReached(bytes) }
        guard ledger.withLock({ $0.reserve(bytes) }) else {
            throw .quotaExceeded(neededBytes: bytes, quotaBytes: quota)
        }
    }

    /// Bytes that the volume lacks to take `bytes` more and keep the floor; not positive when it has them.
    private func missingBytes(for bytes: Int64) throws(StoreError) -> Int64 {
        bytes - (try freeBytes() - freeFloorBytes)
    }

    private func freeBytes() throws(StoreError) -> Int64 {
        let free = disk.freeBytes(folder.root.number)
        guard free >= 0 else { throw .io(.examine, code: Int32(-free)) }
        return free
    }

    private func floorReached(_ bytes: Int64) throws(StoreError) -> StoreError {
        .freeFloorReached(neededBytes: bytes, freeBytes: try freeBytes(), floorBytes: freeFloorBytes)
    }

    /// Makes room for `bytes` in the quota and for `diskBytes` on the disk, to which files that are shared with the
    /// runtime give nothing. Returns whether there was enough to evict; when not, nothing is gone.
    ///
    /// Call with `admission` held.
    func evict(bytes: Int64, diskBytes: Int64 = 0, sparing digest: Digest?) throws(StoreError) -> Bool {
        if diskBytes > 0 { refreshShared(ledger.withLock { Array($0.committed.keys) }) }
        let victims = ledger.withLock { ledger in
            ledger.takeVictims(bytes: bytes, diskBytes: diskBytes, sparing: digest)
        }
        guard let victims else { return false }
        try removeFiles(of: victims)
        ledger.withLock { $0.evictions += UInt64(victims.count) }
        return true
    }

    /// Removes the files of what has left the ledger; what cannot be removed goes back into it.
    func removeFiles(of victims: [Ledger.Victim]) throws(StoreError) {
        var failure: StoreError?
        for victim in victims {
            do {
                if victim.isIdle {
                    try removePartialFiles(victim.digest)
                } else if let shard = try folder.existingShard(named: String(victim.digest.hex.prefix(2))) {
                    try disk.removeFile(victim.digest.hex, in: shard.number)
                }
            } catch {
                ledger.withLock { $0.restore(victim) }
                failure = error
            }
        }
        quietly { () throws(StoreError) in try catalogue.remove(victims.filter { !$0.isIdle }.map(\.digest)) }
        if let failure { throw failure }
    }
}
