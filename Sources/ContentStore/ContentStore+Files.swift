import Glibc
import OCIModel

/// How files of the store come to their names, and go.
extension ContentStore {
    func openFile(of digest: Digest) throws(StoreError) -> Descriptor? {
        guard let shard = try folder.existingShard(named: String(digest.hex.prefix(2))) else { return nil }
        return try Descriptor.open(digest.hex, in: shard.number, O_RDONLY)
    }

    /// Gives a complete, verified file its final name: data synced, renamed, made read-only, folder synced.
    ///
    /// On any failure the file is gone. A failed fsync above all means that its data are lost, because the
    /// kernel then calls the pages clean, and a second fsync would succeed.
    func publish(
        _ file: Descriptor,
        _ name: String,
        in source: Descriptor,
        as digest: Digest
    ) throws(StoreError) {
        var place: Descriptor?
        do throws(StoreError) {
            try disk.synchronizeFile(file.number)
            let shard = try folder.shard(of: digest)
            try disk.renameFile(name, in: source.number, to: digest.hex, in: shard.number)
            place = shard
            // Not before: a partial blob must stay writable if it all ends between the two.
            guard fchmod(file.number, 0o400) == 0 else { throw StoreError.system(.protect, errno) }
            try disk.synchronizeFile(shard.number)
        } catch {
            if let place { discard([digest.hex], in: place) } else { discard([name], in: source) }
            throw error
        }
    }

    func writeSmall(_ digest: Digest, _ bytes: [UInt8]) throws(StoreError) {
        let name = "\(digest.hex).\(UInt64.random(in: .min ... .max))"
        let file = try Descriptor.create(name, in: folder.temporary.number)
        do throws(StoreError) {
            try disk.writeAll(file.number, bytes, at: 0)
        } catch {
            discard([name], in: folder.temporary)
            throw error
        }
        try publish(file, name, in: folder.temporary, as: digest)
    }

    /// Removes files after a failure that is reported anyway.
    func discard(_ names: [String], in folder: Descriptor) {
        for name in names {
            quietly { () throws(StoreError) in try disk.removeFile(name, in: folder.number) }
        }
    }
}
