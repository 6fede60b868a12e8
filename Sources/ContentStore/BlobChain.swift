import Hashing
package import OCIModel
package import PieceModel

/// What the SHA-256 of a blob is behind each of its pieces: its states (`SHA256Chain`), and behind the last piece the
/// blob's digest itself.
///
/// A piece that leads from one to the next is a *link*. When all pieces are links the blob is what its digest says,
/// whoever told the states: nobody has to hash the whole, and the pieces may come in any order. States that were told
/// falsely are found where bytes that are right otherwise do not lead on.
package struct BlobChain: Sendable {
    package let states: [Digest]
    private let layout: PieceLayout

    /// `nil` unless there is one for each piece and they lead to the blob's digest.
    package init?(_ states: [Digest], of digest: Digest, _ layout: PieceLayout) {
        guard states.count == layout.pieceCount, states.last == digest else { return nil }
        self.states = states
        self.layout = layout
    }

    package func isLink(_ piece: PieceIndex, _ bytes: [UInt8]) -> Bool {
        var hash = hash(before: piece)
        bytes.withUnsafeBytes { hash.update($0) }
        return leads(hash, behind: piece)
    }

    /// Takes the bytes of the piece, then `leads`.
    func hash(before piece: PieceIndex) -> SHA256Chain {
        guard piece.value > 0 else { return SHA256Chain() }
        return SHA256Chain(after: states[piece.value - 1], byteCount: layout.start(of: piece))
    }

    func leads(_ hash: SHA256Chain, behind piece: PieceIndex) -> Bool {
        states[piece.value] == Self.state(hash, behind: piece, of: layout)
    }

    static func state(_ hash: SHA256Chain, behind piece: PieceIndex, of layout: PieceLayout) -> Digest {
        piece.value == layout.pieceCount - 1 ? hash.digest : hash.state
    }
}
