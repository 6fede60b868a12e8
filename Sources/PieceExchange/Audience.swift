import OCIModel
import PieceModel

/// The peers interested in one blob, and what each was told of it.
struct Audience: Sendable {
    struct Listener: Sendable {
        enum Stage: Equatable, Sendable {
            /// Has to be told what this node holds.
            case unanswered
            /// Was told that this node holds nothing.
            case toldNothing
            /// Is being told digests in turns; the pieces from here on are still to come.
            case hearing(from: Int)
            /// Knows all that was announced.
            case current
        }

        let peer: PeerID
        var stage = Stage.unanswered
        /// Of the pieces waiting to be announced, how many the listener heard of when it was answered.
        var skip = 0
    }

    var listeners: [Listener] = []
    /// Pieces stored since the last batch went out.
    var fresh: [Int] = []
    var batchDue: Instant?
    var armed: Instant?
    /// Made with the first piece that is given.
    var dispersal: Dispersal?
}
