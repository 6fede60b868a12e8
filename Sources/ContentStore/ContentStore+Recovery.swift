import Glibc
import OCIModel
import PieceModel

/// What is done with the files of an earlier process, however it ended.
///
/// A file under its final name was complete and synced before it got the name, so its name and size are
/// checked, not its bytes. Partial blobs are taken up as idle; their pieces are hashed when somebody wants
/// them.
extension ContentStore {
    func recover() throws(StoreError) {
        let rows = quietly { () throws(StoreError) in try catalogue.blobs() } ?? []
        var known: [Digest: Ledger.Entry] = [:]
        for row in rows { known[row.digest] = row.entry }
        let files = try committedFiles(known)
        let lost = Array(Set(known.keys).subtracting(files.map(\.digest)))
        quietly { () throws(StoreError) in try catalogue.remove(lost) }

        // Files without a row were committed last, or the catalogue is lost and their times are all that is
        // known.
        var order = rows.map(\.entry.order).max() ?? 0
        var added: [Catalogue.BlobRow] = []
        for file in files.sorted(by: { $0.modified < $1.modified }) {
            var entry = known[file.digest]
            if entry == nil {
                order &+= 1
                entry = Ledger.Entry(bytes: file.bytes, order: order, lastUsed: file.modified)
            }
            entry?.isShared = file.isShared
            guard let entry else { continue }
            ledger.withLock { $0.found(file.digest, entry) }
            if known[file.digest] == nil {
                added.append(Catalogue.BlobRow(digest: file.digest, entry: entry))
            }
        }
        quietly { () throws(StoreError) in
            try catalogue.save(added)
            try catalogue.removeOrphanedPieces()
        }
        try recoverPartials(order: order &+ 1)
    }

    private struct FoundFile {
        var digest: Digest
        var bytes: Int64
        var modified: Int64
        /// Somebody else has a name for the same file.
        var isShared: Bool
    }

    /// Complete blobs by name.
    ///
    /// What has a blob's name and cannot be that blob is removed: it is empty, has another size than the one
    /// committed, or is no plain file. Other names are left alone.
    private func committedFiles(_ known: [Digest: Ledger.Entry]) throws(StoreError) -> [FoundFile] {
        var files: [FoundFile] = []
        for shardName in try ContentFolder.entries(of: folder.blobs) where shardName.utf8.count == 2 {
            guard let shard = try folder.existingShard(named: shardName) else { continue }
            for name in try ContentFolder.entries(of: shard) where name.hasPrefix(shardName) {
                guard let digest = Digest(hex: name) else { continue }
                var status = stat()
                guard fstatat(shard.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
                let bytes = Int64(status.st_size)
                let isEmpty = bytes == 0 && digest != Self.emptyDigest
                guard status.isRegularFile, !isEmpty, known[digest]?.bytes ?? bytes == bytes else {
                    discard([name], in: shard)
                    continue
                }
                files.append(
                    FoundFile(
                        digest: digest, bytes: bytes, modified: Int64(status.st_mtim.tv_sec),
                        isShared: status.st_nlink > 1))
            }
        }
        return files
    }

    private func recoverPartials(order: UInt64) throws(StoreError) {
        let suffix = ".data"
        let names = Set(try ContentFolder.entries(of: folder.partials))
        var kept: Set<String> = []
        var order = order
        for name in names.sorted() where name.hasSuffix(suffix) {
            guard let digest = Digest(hex: name.dropLast(suffix.count)), !isCommitted(digest),
                let layout = try idleLayout(digest)
            else { continue }
            kept.formUnion([PartialBlob.dataName(digest), PartialBlob.journalName(digest)])
            let entry = Ledger.Entry(bytes: layout.blobBytes, order: order, lastUsed: Self.now())
            order &+= 1
            ledger.withLock { $0.foundIdle(digest, entry) }
        }
        discard(names.subtracting(kept).sorted(), in: folder.partials)
    }

    /// The layout of a partial blob on disk; `nil` when its two files do not belong together.
    private func idleLayout(_ digest: Digest) throws(StoreError) -> PieceLayout? {
        guard
            let journal = try Descriptor.open(
                PartialBlob.journalName(digest),
                in: folder.partials.number,
                O_RDONLY
            ),
            let data = try Descriptor.open(PartialBlob.dataName(digest), in: folder.partials.number, O_RDONLY)
        else { return nil }
        let header = try Disk.read(journal.number, count: Journal.headerBytes, at: 0)
        guard let layout = Journal.layout(ofHeader: header, digest: digest), try data.status().isRegularFile,
            try data.status().st_size == layout.blobBytes
        else { return nil }
        return layout
    }

    private static let emptyDigest = Digest(
        hex: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
}
