import EventLoop

/// Questions under way, each asked once for all who ask it meanwhile.
///
///     first join --> under way --answer--> gone
///                        +--everybody left--> cancelled, gone
///
/// What tells callers apart has to be in the question: whoever joins gets the same answer. An answer may have been on
/// its way already when somebody joined, so it may be older than that one's question by as long as an answer takes.
@LoopActor
final class Flights<Question: Hashable & Sendable, Answer: Sendable> {
    private final class Flight {
        let task: Task<Answer, Never>
        var passengers = 0

        init(_ task: Task<Answer, Never>) { self.task = task }
    }

    /// One asker's part in a question.
    @LoopActor
    final class Seat {
        let task: Task<Answer, Never>
        private var onLeave: (@LoopActor () -> Void)?

        fileprivate init(_ task: Task<Answer, Never>, onLeave: @escaping @LoopActor () -> Void) {
            self.task = task
            self.onLeave = onLeave
        }

        /// The answer, or what it becomes when everybody has left.
        var value: Answer { get async { await task.value } }

        /// No longer interested; once.
        func leave() {
            onLeave?()
            onLeave = nil
        }
    }

    private var underWay: [Question: Flight] = [:]

    /// Whether the question is under way: `join` would not ask it.
    func isUnderWay(_ question: Question) -> Bool { underWay[question] != nil }

    /// Takes part in the question; `ask` runs, as a task of its own, only if nobody asks it already. Whoever joins has
    /// to leave.
    func join(_ question: Question, _ ask: @escaping @LoopActor () async -> Answer) -> Seat {
        let flight: Flight
        if let known = underWay[question] {
            flight = known
        } else {
            flight = Flight(Loop.task { await ask() })
            underWay[question] = flight
            Loop.task { [weak self] in
                _ = await flight.task.value
                self?.forget(question, flight)
            }
        }
        flight.passengers += 1
        return Seat(flight.task) { [weak self] in
            flight.passengers -= 1
            guard flight.passengers == 0 else { return }
            flight.task.cancel()
            self?.forget(question, flight)
        }
    }

    private func forget(_ question: Question, _ flight: Flight) {
        if underWay[question] === flight { underWay[question] = nil }
    }
}
