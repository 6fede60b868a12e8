import EventLoop

/// What has to be undone when the caller of one operation loses interest.
///
/// Handlers run once, in `cancel()`.
@LoopActor
final class CancelScope {
    private(set) var isCancelled = false
    private var handlers: [Int: @LoopActor () -> Void] = [:]
    private var nextToken = 0

    func cancel() {
        guard !isCancelled else { return }
        isCancelled = true
        let all = handlers
        handlers = [:]
        for (_, handler) in all.sorted(by: { $0.key < $1.key }) { handler() }
    }

    /// Waits for a value, or for the cancellation, which gives `instead`.
    func value<Value: Sendable>(of pending: OneShot<Value>, cancelled instead: Value) async -> Value {
        guard !isCancelled else { return instead }
        let token = nextToken
        nextToken += 1
        handlers[token] = { pending.fulfill(instead) }
        defer { handlers[token] = nil }
        return await pending.wait()
    }

    /// False when it was cut short by the cancellation.
    func sleep(milliseconds: UInt64) async -> Bool {
        let pending = OneShot<Bool>()
        let timer = LoopTimer()
        timer.start(after: milliseconds) { pending.fulfill(true) }
        defer { timer.stop() }
        return await value(of: pending, cancelled: false)
    }
}

/// A value that one waiter takes and that is set once; whatever is set later is dropped.
@LoopActor
final class OneShot<Value: Sendable> {
    private enum State {
        case empty
        case waiting(CheckedContinuation<Value, Never>)
        case set(Value)
        case taken
    }

    private var state = State.empty

    func fulfill(_ value: Value) {
        switch state {
        case .empty: state = .set(value)
        case .waiting(let continuation):
            state = .taken
            continuation.resume(returning: value)
        case .set, .taken: break
        }
    }

    func wait() async -> Value {
        if case .set(let value) = state {
            state = .taken
            return value
        }
        return await withCheckedContinuation { state = .waiting($0) }
    }
}

/// Lets a bounded number of blob transfers of one registry run, in the order they asked.
@LoopActor
final class TransferSlots {
    private let max: Int
    private var used = 0
    private var waiting: [OneShot<Bool>] = []

    init(max: Int) {
        self.max = max
    }

    /// False when cancelled; after true `release()` is owed.
    func acquire(_ scope: CancelScope) async -> Bool {
        guard !scope.isCancelled else { return false }
        guard used >= max else {
            used += 1
            return true
        }
        let turn = OneShot<Bool>()
        waiting.append(turn)
        let isOurs = await scope.value(of: turn, cancelled: false)
        if !isOurs { waiting.removeAll { $0 === turn } }
        return isOurs
    }

    func release() {
        if waiting.isEmpty {
            used -= 1
        } else {
            waiting.removeFirst().fulfill(true)
        }
    }
}
