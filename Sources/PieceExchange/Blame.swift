import OCIModel
import PieceModel

/// Who is answerable for digests when a whole blob does not match its own.
///
/// A forged digest with bytes to fit is only seen at the end. Then every piece whose digest another node
/// authored is suspect; all of them are dropped and fetched again, from the registry if it can be had, else
/// from peers, but neither those digests nor those who authored or told them are gone by. The second time the
/// whole matches, so the true digests are known, and exactly those suspects that differ are guilty: honest
/// nodes that authored other pieces of the same blob are not punished. Nor is anybody for a piece that was only checked
/// as a link of the blob's chain: its true digest is not known then.
struct Blame: Sendable {
    /// A digest and who stands for it.
    struct Statement: Equatable, Sendable {
        let digest: Digest
        let author: PeerName
        let teller: PeerName
        /// The teller said it as its author: if it is wrong, the teller is guilty.
        let isFirsthand: Bool
    }

    /// Times the whole did not match.
    var mismatches = 0
    private(set) var suspects: [Int: Statement] = [:]
    private var distrusted: Set<PeerName> = []

    /// Whether the digest may not be gone by, because of what it is or who says it.
    func bars(_ told: Statement, of piece: Int) -> Bool {
        if distrusted.contains(told.author) || distrusted.contains(told.teller) { return true }
        return suspects[piece]?.digest == told.digest
    }

    /// `isDropped` says that the piece has to come from elsewhere; without it, only a contradiction is
    /// remembered.
    mutating func suspect(_ piece: Int, _ statement: Statement, isDropped: Bool) {
        suspects[piece] = statement
        if isDropped {
            distrusted.insert(statement.author)
            distrusted.insert(statement.teller)
        }
    }

    func distrusts(_ name: PeerName) -> Bool { distrusted.contains(name) }

    /// The suspects that the true digests convict, by piece; `unknown` are pieces of which these are not known.
    func guilty(_ trueDigest: (Int) -> Digest?, except unknown: Set<Int>) -> [Statement] {
        suspects.sorted { $0.key < $1.key }.compactMap { piece, suspect in
            unknown.contains(piece) || trueDigest(piece) == suspect.digest ? nil : suspect
        }
    }
}
