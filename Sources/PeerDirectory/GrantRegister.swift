package import EventLoop
package import OCIModel
package import PieceModel

/// Keeps, for a whole cluster, who reads which pieces of a blob from outside, so that each is read once.
///
/// A grant is *running* until its holder has been silent for `GrantTerms.silenceMillis`; *read* from when the holder
/// says so, for `holdMillis`, in which it hands the pieces on; then it is gone. Two grants never share a piece. All of
/// it is soft: a register that forgets is told again by the holders' reports.
@LoopActor
package protocol GrantRegister: AnyObject, Sendable {
    /// The first of the wanted pieces that nobody reads or has read, as many as are the asker's share.
    func ask(_ question: GrantQuestion) async -> GrantAnswer
    /// A holder says how far it is; what it reads without a grant is taken for one.
    func report(_ report: GrantReport) async
}

/// Which blob: who lies about its size is kept apart.
package struct GrantSubject: Hashable, Sendable {
    package let blob: Digest
    package let layout: PieceLayout

    package init(blob: Digest, layout: PieceLayout) {
        self.blob = blob
        self.layout = layout
    }
}

/// Asks for leave to read.
package struct GrantQuestion: Sendable {
    package let subject: GrantSubject
    /// In order, not overlapping, none empty; at most `runsMax`.
    package let wanted: [Range<Int>]
    /// What others read long enough ago to have handed it on may be read again.
    package let isRetry: Bool

    package static let runsMax = 64

    package init(_ subject: GrantSubject, wanted: [Range<Int>], isRetry: Bool = false) {
        self.subject = subject
        self.wanted = wanted
        self.isRetry = isRetry
    }
}

/// What the register says to a question.
package enum GrantAnswer: Equatable, Sendable {
    /// Within one of the runs that were asked for.
    case granted(Range<Int>)
    /// Others have leave to read all of it, or enough read already.
    case refused(retryAfterMillis: UInt64)
    /// The register cannot be asked: whoever keeps grants without it is next.
    case unheard
}

/// How far a holder is with a run of pieces: the first `read` of them it has.
package struct GrantReport: Sendable {
    package let subject: GrantSubject
    package let pieces: Range<Int>
    package let read: Int
    /// The rest is given back.
    package let isOver: Bool

    package init(_ subject: GrantSubject, pieces: Range<Int>, read: Int, isOver: Bool) {
        self.subject = subject
        self.pieces = pieces
        self.read = read
        self.isOver = isOver
    }
}

/// How long grants last, and how many there are. All nodes of a cluster should have the same.
package struct GrantTerms: Sendable {
    package var silenceMillis: UInt64 = 5_000
    package var holdMillis: UInt64 = 30_000
    /// A piece read longer ago than this, which nobody handed on, may be read again by who says so.
    package var handOnMillis: UInt64 = 5_000
    /// Nodes that may read one blob at once.
    package var fetchersMax = 16

    package init() {}
}
