import Hashing
package import OCIModel
import PieceModel

/// The digests of a blob's pieces, by which a node vouches for them one by one.
extension ContentStore {
    /// The digests of a blob's pieces in order, if they were kept; else `computePieceDigests` makes them.
    package func pieceDigests(_ digest: Digest) -> [Digest]? { digests(digest, in: .pieces) }

    /// What the blob's hash is behind each of its pieces (`BlobChain`), if that was kept.
    package func chainStates(_ digest: Digest) -> [Digest]? { digests(digest, in: .chains) }

    private func digests(_ digest: Digest, in table: Catalogue.PieceTable) -> [Digest]? {
        guard isCommitted(digest) || runtime.isSound(digest),
            let bytes = blob(digest)?.bytes, let layout = PieceLayout(blobBytes: bytes),
            let digests = quietly({ () throws(StoreError) in try catalogue.digests(digest, in: table) }) ?? nil,
            digests.count == layout.pieceCount
        else { return nil }
        return digests
    }

    /// Keeps the digests of a blob's pieces; ignored when there are not as many as it has pieces.
    package func storePieceDigests(_ digest: Digest, _ digests: [Digest]) { keep(digests, of: digest, in: .pieces) }

    /// As `storePieceDigests`, for the states of its chain.
    package func storeChain(_ digest: Digest, _ states: [Digest]) { keep(states, of: digest, in: .chains) }

    private func keep(_ digests: [Digest], of digest: Digest, in table: Catalogue.PieceTable) {
        guard let bytes = blob(digest)?.bytes, PieceLayout(blobBytes: bytes)?.pieceCount == digests.count
        else {
            return
        }
        quietly { () throws(StoreError) in try catalogue.store(digests, of: digest, in: table) }
    }

    /// Reads a blob, makes the digests of its pieces and keeps them.
    ///
    /// The whole is hashed along the way: this node is about to vouch for the pieces. A committed blob that does not
    /// match any more is removed. `nil` then, and when the blob is not there or empty.
    package func computePieceDigests(_ digest: Digest) throws(StoreError) -> [Digest]? {
        guard let file = try openCommitted(digest) else { return computeRuntimePieceDigests(digest) }
        guard let layout = PieceLayout(blobBytes: file.bytes) else { return nil }
        let made = try noting { () throws(StoreError) in try Self.digests(of: file, layout) }
        guard made.whole == digest else {
            _ = try remove(digest)
            return nil
        }
        keep(made, of: digest)
        return made.pieces
    }

    /// The pass over the file that has to be made before anybody may have it makes the pieces' digests, too.
    private func computeRuntimePieceDigests(_ digest: Digest) -> [Digest]? {
        guard let bytes = runtime.bytes(of: digest), let layout = PieceLayout(blobBytes: bytes) else { return nil }
        var made: Made?
        let opened = runtime.open(digest) { file throws(StoreError) in
            let digests = try Self.digests(of: file, layout)
            made = digests
            return digests.whole
        }
        guard let opened else { return nil }
        if made == nil { made = try? Self.digests(of: opened, layout) }  // What cannot be read now is not offered.
        guard let made, made.whole == digest else { return nil }
        keep(made, of: digest)
        return made.pieces
    }

    private struct Made {
        let whole: Digest
        let pieces: [Digest]
        let states: [Digest]
    }

    private func keep(_ made: Made, of digest: Digest) {
        storePieceDigests(digest, made.pieces)
        storeChain(digest, made.states)
    }

    /// A file that ends before the layout does is `EIO`.
    private static func digests(of file: BlobFile, _ layout: PieceLayout) throws(StoreError) -> Made {
        var whole = SHA256Chain()
        var pieces: [Digest] = []
        var states: [Digest] = []
        for piece in layout.pieces {
            var hasher = SHA256Hasher()
            try Disk.scan(file.descriptor, piece, of: layout) { bytes in
                whole.update(bytes)
                hasher.update(bytes)
            }
            pieces.append(hasher.finalize())
            states.append(BlobChain.state(whole, behind: piece, of: layout))
        }
        return Made(whole: whole.digest, pieces: pieces, states: states)
    }
}
