import CLibuv
import CLinux
import Glibc

/// The process's libuv loop on its own thread, as a serial executor.
///
/// Life: made on first use, runs until the process exits; there is no stop, because `uv_async_send` on a
/// closed handle aborts the process and a late `deinit` may send at any time. `exit` parks the thread for
/// good: libuv's own exit handler destroys the thread pool's lock, and work offered to the pool after that
/// aborts the process.
///
/// Work from other threads goes through `inbox` and wakes the loop once per batch. Work from the loop thread
/// goes straight to `ready`. Both are drained before and after the loop waits for events (prepare and check),
/// so work that a C callback caused runs in the same turn, but never inside that callback.
///
/// Invariants: `ready`, `arriving` and `moreIsReady` belong to the loop thread, `arriving` is empty between
/// drains; `inbox` and `isWoken` belong to the holder of `lock`; `isWoken` is true from a wake-up to the next
/// drain.
final class LoopThread: SerialExecutor, @unchecked Sendable {
    // Unchecked: the isolation above is by thread and lock, which the compiler cannot see.
    static let shared = LoopThread()

    let loop: UnsafeMutablePointer<uv_loop_t>

    private enum Work {
        case job(UnownedJob)
        /// Of a task that prefers the loop's thread (`LoopTasks`).
        case step(UnownedJob)
        case call(@LoopActor () -> Void)
    }

    /// Keeps one burst of work from starving the sockets.
    private static let drainMax = 4096
    private static let parkSecondsMax = 1
    private static let readBufferBytes = 256 << 10

    private let lock = Lock()
    private var inbox: [Work] = []
    private var isWoken = false

    private var ready = Queue<Work>()
    private var arriving: [Work] = []
    private var moreIsReady = false

    private let wake = UnsafeMutablePointer<uv_async_t>.allocate(capacity: 1)
    private let before = UnsafeMutablePointer<uv_prepare_t>.allocate(capacity: 1)
    private let after = UnsafeMutablePointer<uv_check_t>.allocate(capacity: 1)
    private let spin = UnsafeMutablePointer<uv_idle_t>.allocate(capacity: 1)

    private init() {
        loop = .allocate(capacity: 1)
        // A peer that went away is an error of the write, not the end of the process. sendfile has no
        // MSG_NOSIGNAL, so this has to hold for the whole process.
        signal(SIGPIPE, SIG_IGN)
        Self.require(uv_loop_init(loop))
        let buffer = UnsafeMutablePointer<hawker_read_buffer>.allocate(capacity: 1)
        buffer.initialize(
            to: hawker_read_buffer(
                base: .allocate(capacity: Self.readBufferBytes),
                bytes: Self.readBufferBytes
            )
        )
        loop.pointee.data = UnsafeMutableRawPointer(buffer)
        Self.require(uv_async_init(loop, wake) { _ in })
        Self.require(uv_prepare_init(loop, before))
        Self.require(uv_check_init(loop, after))
        Self.require(uv_idle_init(loop, spin))
        Self.require(uv_prepare_start(before) { _ in LoopThread.shared.drain() })
        Self.require(uv_check_start(after) { _ in LoopThread.shared.drain() })

        var thread = pthread_t()
        let argument = Unmanaged.passUnretained(self).toOpaque()
        let status = pthread_create(&thread, nil, { LoopThread.main($0) }, argument)
        precondition(status == 0, "the event loop's thread could not be started")
        pthread_detach(thread)
        atexit { LoopThread.shared.park() }
    }

    private static func main(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let argument else { return nil }
        clinux_mark_loop_thread()
        clinux_set_thread_name("hawker-loop")
        uv_run(Unmanaged<LoopThread>.fromOpaque(argument).takeUnretainedValue().loop, UV_RUN_DEFAULT)
        preconditionFailure("the event loop ended")
    }

    /// For calls that fail only when the process has no memory or descriptors left before it did anything.
    private static func require(_ status: Int32) {
        precondition(status == 0, "the event loop could not be set up")
    }

    /// Waits until the loop's thread does nothing more, but not for one that is stuck.
    private func park() {
        guard !clinux_on_loop_thread() else { return }
        let parked = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        sem_init(parked, 0, 0)
        // A pointer is not Sendable; the semaphore behind it is made for two threads.
        nonisolated(unsafe) let signal = parked
        enqueue {
            sem_post(signal)
            while true { pause() }
        }
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_sec += Self.parkSecondsMax
        while sem_timedwait(parked, &deadline) != 0, errno == EINTR {}
    }

    // MARK: Work

    func enqueue(_ job: consuming ExecutorJob) {
        post(.job(UnownedJob(job)))
    }

    func enqueueStep(_ job: consuming ExecutorJob) {
        post(.step(UnownedJob(job)))
    }

    func enqueue(_ call: @escaping @LoopActor () -> Void) {
        post(.call(call))
    }

    private func post(_ work: Work) {
        if clinux_on_loop_thread() {
            ready.append(work)
            return
        }
        let wakes = lock.withLock {
            inbox.append(work)
            let wakes = !isWoken
            isWoken = true
            return wakes
        }
        if wakes { uv_async_send(wake) }
    }

    private func drain() {
        lock.withLock {
            isWoken = false
            swap(&inbox, &arriving)
        }
        for work in arriving { ready.append(work) }
        arriving.removeAll(keepingCapacity: arriving.capacity <= Self.drainMax)
        // Each piece leaves the queue before it runs: what it held last is destroyed right after it, when
        // nobody is inside the queue, for a `deinit` may add work.
        var left = Self.drainMax
        while left > 0, let work = ready.popFirst() {
            left -= 1
            run(work)
        }
        // An active idle handle makes the loop poll without waiting.
        let isMore = !ready.isEmpty
        guard isMore != moreIsReady else { return }
        moreIsReady = isMore
        if isMore { uv_idle_start(spin) { _ in } } else { uv_idle_stop(spin) }
    }

    private func run(_ work: Work) {
        switch work {
        case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
        case .step(let job):
            job.runSynchronously(
                isolatedTo: asUnownedSerialExecutor(), taskExecutor: LoopTasks.shared.asUnownedTaskExecutor())
        case .call(let call): Loop.assumeIsolated(call)
        }
    }

    // MARK: Executor

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    func isIsolatingCurrentContext() -> Bool? {
        clinux_on_loop_thread()
    }

    func checkIsolated() {
        precondition(clinux_on_loop_thread(), "not on the event loop's thread")
    }
}

/// A mutual exclusion lock that ThreadSanitizer understands, which `Synchronization.Mutex` on Linux is not:
/// its contended path is not instrumented and gives false races.
private final class Lock: Sendable {
    // The address never changes, and what is there is made for all threads.
    private nonisolated(unsafe) let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    func withLock<T>(_ body: () -> T) -> T {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}
