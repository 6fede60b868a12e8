import Foundation
import Synchronization

/// One thread that lives as long as the process and does what is handed to it, in order.
///
/// Children ask to be killed when their parent *thread* ends (`PR_SET_PDEATHSIG`), and the threads of Swift's
/// pool come and go.
final class LaunchThread: Sendable {
    static let shared = LaunchThread()

    private let work = Mutex<[@Sendable () -> Void]>([])
    private let waiting = DispatchSemaphore(value: 0)

    private init() {
        let thread = Thread { [self] in
            while true {
                waiting.wait()
                let next = work.withLock { $0.isEmpty ? nil : $0.removeFirst() }
                next?()
            }
        }
        thread.name = "launcher"
        thread.start()
    }

    /// Blocks until the thread has done `body`.
    func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) throws -> T {
        let done = DispatchSemaphore(value: 0)
        let box = ResultBox<T>()
        work.withLock { work in
            work.append {
                box.result.withLock { $0 = Result { try body() } }
                done.signal()
            }
        }
        waiting.signal()
        done.wait()
        guard let result = box.result.withLock({ $0 }) else {
            throw TestFailure("the launcher answered nothing")
        }
        return try result.get()
    }
}

private final class ResultBox<T: Sendable>: Sendable {
    let result = Mutex<Result<T, any Error>?>(nil)
}
