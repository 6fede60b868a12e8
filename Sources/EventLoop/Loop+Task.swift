/// Tasks that stay on the loop's thread from beginning to end.
///
/// A plain `Task` that is isolated to the loop leaves it at every resumption: a continuation and another task's end
/// both resume a task on the runtime's own pool, from where it hops back (`swift_continuation_init` names the generic
/// executor). That wakes two threads, a tenth of a millisecond where processors sleep. These tasks prefer the loop's
/// thread to that pool (SE-0417).
///
/// Each of their steps runs as the loop's own, so that a call from one function of the loop to another is no
/// suspension. That holds as long as they do not go to another actor: they would come back as tasks without a
/// preference do, and every call after that would be one.
extension Loop {
    /// Begins a task that runs `work`, soon and never inside this call.
    @discardableResult
    package static func task<Value: Sendable>(_ work: @escaping @LoopActor () async -> Value) -> Task<Value, Never> {
        Task(executorPreference: LoopTasks.shared, operation: work)
    }
}

/// What tasks of the loop resume on. Not the loop's serial executor itself: a task without a preference would then be
/// taken for one with it, and every call would suspend it.
final class LoopTasks: TaskExecutor {
    static let shared = LoopTasks()

    func enqueue(_ job: consuming ExecutorJob) { LoopThread.shared.enqueueStep(job) }
}
