import Glibc
package import OCIModel
package import PieceModel

extension ContentStore {
    /// Makes room and files for a blob to be fetched, or takes up what an earlier attempt left of it.
    ///
    /// What was left counts only when its layout is the same and each piece still hashes to its digest, which
    /// takes time for a large blob. The space for the whole blob is taken at once: evicted, reserved,
    /// allocated. Throws `alreadyWhole`, `alreadyOpen`, `quotaExceeded`, `freeFloorReached`, and what the
    /// disk says.
    package func beginPartial(_ digest: Digest, layout: PieceLayout) throws(StoreError) -> PartialBlob {
        try noting { () throws(StoreError) in
            let (partial, isOld) = try admission.withLock { () throws(StoreError) in
                let (isWhole, isOpen, idleBytes, isClosed) = ledger.withLock {
                    ($0.committed[digest] != nil, $0.open[digest] != nil, $0.idle[digest]?.bytes, $0.isClosed)
                }
                guard !isClosed else { throw .closed }
                guard !isWhole else { throw .alreadyWhole(digest) }
                guard !isOpen else { throw .alreadyOpen(digest) }
                if idleBytes == layout.blobBytes, let old = try reopen(digest, layout) { return (old, true) }
                try removeIdle(digest)
                return (try create(digest, layout), false)
            }
            if isOld { try partial.resume() }
            return partial
        }
    }

    /// Removes what is left of a partial blob that nobody has open.
    ///
    /// Call with `admission` held.
    func removeIdle(_ digest: Digest) throws(StoreError) {
        guard ledger.withLock({ $0.idle[digest] }) != nil else { return }
        try removePartialFiles(digest)
        ledger.withLock { $0.forget(digest) }
    }

    func removePartialFiles(_ digest: Digest) throws(StoreError) {
        try disk.removeFile(PartialBlob.dataName(digest), in: folder.partials.number)
        try disk.removeFile(PartialBlob.journalName(digest), in: folder.partials.number)
    }

    private func reopen(_ digest: Digest, _ layout: PieceLayout) throws(StoreError) -> PartialBlob? {
        let partials = folder.partials.number
        guard let data = try Descriptor.open(PartialBlob.dataName(digest), in: partials, O_RDWR),
            let journal = try Descriptor.open(PartialBlob.journalName(digest), in: partials, O_RDWR),
            try data.status().st_size == layout.blobBytes
        else { return nil }
        let header = try Disk.read(journal.number, count: Journal.headerBytes, at: 0)
        guard Journal.layout(ofHeader: header, digest: digest) == layout else { return nil }
        ledger.withLock { $0.resume(digest) }
        return PartialBlob(digest, layout, self, data: data, journal: journal)
    }

    private func create(_ digest: Digest, _ layout: PieceLayout) throws(StoreError) -> PartialBlob {
        let names = [PartialBlob.dataName(digest), PartialBlob.journalName(digest)]
        try reserve(layout.blobBytes, for: digest)
        do {
            // Left by a commit that could not remove them.
            try removePartialFiles(digest)
            let data = try Descriptor.create(names[0], in: folder.partials.number)
            try disk.allocateFile(data.number, bytes: layout.blobBytes)
            let journal = try Descriptor.create(names[1], in: folder.partials.number)
            try disk.writeAll(journal.number, Journal.header(digest, layout), at: 0)
            ledger.withLock { $0.opened(digest, bytes: layout.blobBytes) }
            return PartialBlob(digest, layout, self, data: data, journal: journal)
        } catch {
            discard(names, in: folder.partials)
            ledger.withLock { $0.release(layout.blobBytes) }
            throw error
        }
    }
}
