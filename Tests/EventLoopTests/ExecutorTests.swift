import EventLoop
import Glibc
import Testing

private struct Refusal: Error, Equatable { let number: Int }

private actor Elsewhere {
    func isOnLoop() -> Bool { Loop.isCurrent }
}

@Suite("The loop as an executor", .timeLimit(.minutes(1)))
struct ExecutorTests {
    @Test("code of the loop's actor runs on the loop's thread, other code does not")
    func isolation() async {
        #expect(!Loop.isCurrent)
        let isOnLoop = await LoopActor.run { Loop.isCurrent }
        #expect(isOnLoop)
        #expect(!Loop.isCurrent)
        let elsewhere = Elsewhere()
        #expect(await elsewhere.isOnLoop() == false)
    }

    @Test("offloaded work leaves the loop and its value comes back to it")
    @LoopActor
    func offload() async {
        let wasOnLoop = await Loop.offload { Loop.isCurrent }
        #expect(!wasOnLoop)
        #expect(Loop.isCurrent)
        let value: Int = await withCheckedContinuation { waiter in
            Loop.offload({ 42 }, then: { waiter.resume(returning: Loop.isCurrent ? $0 : -1) })
        }
        #expect(value == 42)
    }

    @Test("offloaded work keeps the type of its error")
    func typedError() async {
        do throws(Refusal) {
            _ = try await Loop.offload { () throws(Refusal) -> Int in throw Refusal(number: 7) }
            Issue.record("nothing was thrown")
        } catch {
            #expect(error.number == 7)
        }
    }

    @Test("hops between the loop, the pool and another actor lose nothing")
    func hops() async {
        let total = await withTaskGroup(of: Int.self) { group in
            for number in 0..<500 {
                group.addTask {
                    let doubled = await LoopActor.run { number * 2 }
                    let onPool = await Loop.offload { doubled + 1 }
                    return await LoopActor.run { onPool }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(total == (0..<500).reduce(0) { $0 + $1 * 2 + 1 })
    }

    @Test("enqueued work runs in order and never inside the call")
    @LoopActor
    func order() async {
        let seen = Box<[Int]>()
        var order: [Int] = []
        for number in 0..<10_000 { Loop.enqueue { order.append(number) } }
        Loop.enqueue { seen.put(order) }
        #expect(order.isEmpty)
        #expect(await seen.take() == Array(0..<10_000))
    }

    @Test("what work leaves behind may add work while it is destroyed")
    @LoopActor
    func workFromDeinit() async {
        let isDone = Box<Bool>()
        for _ in 0..<100 {
            let last = LastWord(isDone)
            Loop.enqueue { _ = last }
        }
        for _ in 0..<100 { #expect(await isDone.take()) }
    }

    @LoopActor
    private final class LastWord {
        let isDone: Box<Bool>
        init(_ isDone: Box<Bool>) { self.isDone = isDone }
        isolated deinit { Loop.enqueue { [isDone] in isDone.put(true) } }
    }

    @Test("work that keeps adding work does not starve timers")
    @LoopActor
    func fairness() async {
        var isRunning = true
        @LoopActor func again() { if isRunning { Loop.enqueue { again() } } }
        again()
        let timer = LoopTimer()
        await withCheckedContinuation { waiter in timer.start(after: 1) { waiter.resume() } }
        isRunning = false
    }

    @LoopActor
    private static func callsAreNoSuspensions() async -> Bool {
        var hasSomethingRun = false
        Loop.enqueue { hasSomethingRun = true }
        for _ in 0..<3 { await nothing() }
        return !hasSomethingRun
    }

    @LoopActor
    private static func nothing() async {}

    @Test("a task of the loop is suspended only where it waits, and goes on there without leaving the loop")
    @LoopActor
    func loopTask() async {
        func check() async {
            #expect(Loop.isCurrent)
            #expect(await Self.callsAreNoSuspensions())
        }
        let box = Box<Int>()
        await Loop.task {
            await check()
            Loop.enqueue { box.put(1) }
            #expect(await box.take() == 1)
            await check()
            #expect(await Loop.offload { Loop.isCurrent } == false)
            await check()
            #expect(await Loop.task { await Loop.nextTurn() }.value == ())
            await check()
            async let three = Loop.offload { 3 }
            #expect(await three == 3)
            await check()
        }.value
        await check()
    }

    @Test("assumeIsolated traps off the loop")
    func trap() async {
        await #expect(processExitsWith: .failure) { Loop.assumeIsolated {} }
    }

    @Test("the process can exit while the loop is busy")
    func exitWhileBusy() async {
        for _ in 0..<10 {
            await #expect(processExitsWith: .success) {
                for _ in 0..<8 {
                    await LoopActor.run {
                        @LoopActor func again() { Loop.offload({}, then: { again() }) }
                        again()
                    }
                }
                exit(EXIT_SUCCESS)
            }
        }
    }

    @Test("an object dropped off the loop is destroyed on it")
    func deinitialise() async {
        for _ in 0..<100 {
            let dropped = await LoopActor.run { Dropped() }
            let isDestroyed = dropped.isDestroyed
            await Task { [dropped] in _ = dropped }.value
            _ = consume dropped
            #expect(await isDestroyed.take())
        }
    }

    @LoopActor
    private final class Dropped {
        let isDestroyed = Box<Bool>()
        let timer = LoopTimer()
        init() { timer.start(after: 3_600_000) {} }
        isolated deinit { isDestroyed.put(Loop.isCurrent) }
    }
}

extension LoopActor {
    static func run<T: Sendable>(_ body: @LoopActor () throws -> T) async rethrows -> T {
        try await body()
    }
}
