extension ContentStore {
    /// Writes a few bytes to the volume of the cache and removes them again; throws what stands in the way. It is not
    /// waited for until they are on the disk: that is a matter of seconds where much is being written.
    package func tryWriting() throws(StoreError) {
        guard !ledger.withLock({ $0.isClosed }) else { throw .closed }
        let name = "trial.\(UInt64.random(in: .min ... .max))"
        let file = try Descriptor.create(name, in: folder.temporary.number)
        do throws(StoreError) {
            try disk.writeAll(file.number, Array("trial".utf8), at: 0)
        } catch {
            discard([name], in: folder.temporary)
            throw error
        }
        try disk.removeFile(name, in: folder.temporary.number)
    }
}
