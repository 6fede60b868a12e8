/// A deadline that is moved with every step of something, and hardly ever missed: moving it to later costs no more than
/// writing down when.
///
/// The timer behind it runs to the earliest moment since it last fired, and then on to what was set last.
/// Dropping the deadline stops it.
@LoopActor
package final class Deadline {
    private static let never = UInt64.max
    private static let nanosecondsAMilli: UInt64 = 1_000_000

    private let timer = LoopTimer()
    private let missed: @LoopActor () -> Void
    private var at = never
    private var firesAt = never

    /// `missed` is called on the loop, each time when what was set has passed. It must not keep the deadline alive.
    package init(_ missed: @escaping @LoopActor () -> Void) {
        self.missed = missed
    }

    /// In so many milliseconds from now, in place of what was set.
    package func set(after milliseconds: UInt64) {
        let now = Loop.nowNanoseconds
        at = now &+ milliseconds &* Self.nanosecondsAMilli
        if at < firesAt { start(now) }
    }

    /// None, until the next is set.
    package func clear() { at = Self.never }

    private func start(_ now: UInt64) {
        firesAt = at
        let rest = at > now ? at - now : 0
        timer.start(after: rest / Self.nanosecondsAMilli + 1) { [weak self] in self?.fired() }
    }

    private func fired() {
        firesAt = Self.never
        guard at != Self.never else { return }
        let now = Loop.nowNanoseconds
        guard at <= now else { return start(now) }
        at = Self.never
        missed()
    }
}
