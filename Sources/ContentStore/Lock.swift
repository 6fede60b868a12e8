import Glibc

/// A pthread mutex.
///
/// `Synchronization.Mutex` would do, but its slow path is invisible to ThreadSanitizer on Linux, which then
/// reports races that are none.
final class Lock: @unchecked Sendable {
    // A mutex must not move, so it lives on the heap. It guards itself, hence `@unchecked`.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    init() {
        mutex = .allocate(capacity: 1)
        let result = pthread_mutex_init(mutex, nil)
        precondition(result == 0, "a default mutex can always be made")
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    func lock() { pthread_mutex_lock(mutex) }

    func lockIfFree() -> Bool { pthread_mutex_trylock(mutex) == 0 }

    func unlock() { pthread_mutex_unlock(mutex) }

    func withLock<Result: ~Copyable, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        lock()
        defer { unlock() }
        return try body()
    }
}

/// A value that can only be reached with its lock held; not recursive.
final class Guarded<Value: ~Copyable>: @unchecked Sendable {
    // Every access to `value` happens inside `withLock`, hence `@unchecked`.
    private let lock = Lock()
    private var value: Value

    init(_ value: consuming sending Value) { self.value = value }

    func withLock<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }

    /// Does nothing when another thread holds the lock, unless it is worth `waiting` for.
    func withLock(waiting: Bool, _ body: (inout Value) -> Void) {
        if waiting { lock.lock() } else if !lock.lockIfFree() { return }
        defer { lock.unlock() }
        body(&value)
    }
}
