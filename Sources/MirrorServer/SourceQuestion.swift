import EventLoop

/// The question of one connection that its source has yet to answer.
///
/// A question is asked once the one before is answered or forgotten. Forgetting cancels the task that the
/// source runs in; what it answers all the same goes to `late`, for answers hold what must be let go.
@LoopActor final class SourceQuestion {
    private var number: UInt64 = 0
    private var task: Task<Void, Never>?

    /// Runs `ask`, soon and never inside this call, and then calls exactly one of `then` and `late`.
    func ask<Answer>(
        _ ask: @escaping @LoopActor () async -> Answer,
        then: @escaping @LoopActor (Answer) -> Void,
        late: @escaping @LoopActor (Answer) -> Void = { _ in }
    ) {
        number &+= 1
        let number = number
        task = Loop.task { [weak self] in
            let answer = await ask()
            if let self, self.number == number { then(answer) } else { late(answer) }
        }
    }

    func forget() {
        number &+= 1
        task?.cancel()
        task = nil
    }
}
