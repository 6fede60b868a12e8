package import EventLoop
package import Pacing

/// The bounds on what is exchanged with peers, all of them together.
///
/// A peer that has to wait for its piece, or that this node reads from no more, sees a slow link: the exchange on
/// either side measures it and asks elsewhere if that is faster.
@LoopActor
package final class SwarmPacers {
    /// Pieces to peers, counted as they travel, when their turn has come.
    package let uploads: Pacer
    /// Everything that peers send, counted as it is read; beyond the rate it is left in the kernel.
    package let arrivals: Pacer

    package init(uploads: Pacer = Pacer(), arrivals: Pacer = Pacer()) {
        self.uploads = uploads
        self.arrivals = arrivals
    }
}
