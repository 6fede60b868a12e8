import EventLoop
import Glibc
import Testing

@Suite("Timers, signals and pollers", .timeLimit(.minutes(1)))
@LoopActor
struct TimerAndWatcherTests {
    @Test("timers fire in the order of their times, and a restarted one only once")
    func timers() async {
        let fired = Box<Int>()
        let late = LoopTimer()
        let early = LoopTimer()
        late.start(after: 1) { fired.put(-1) }
        late.start(after: 40) { fired.put(2) }
        early.start(after: 10) { fired.put(1) }
        #expect(await fired.take() == 1)
        #expect(await fired.take() == 2)
    }

    @Test("a repeating timer repeats until it is stopped from its own handler")
    func repeating() async {
        let done = Box<Int>()
        let timer = LoopTimer()
        let after = LoopTimer()
        var count = 0
        timer.start(after: 1, every: 1) {
            count += 1
            guard count == 3 else { return }
            timer.stop()
            after.start(after: 20) { done.put(count) }
        }
        #expect(await done.take() == 3)
    }

    @Test("a one-shot timer may be started again, and dropped, by its handler")
    func restart() async {
        let done = Box<Int>()
        var timer: LoopTimer? = LoopTimer()
        timer?.start(after: 1) {
            timer?.start(after: 1) {
                timer = nil
                done.put(1)
            }
        }
        #expect(await done.take() == 1)
    }

    @Test("a dropped timer never fires")
    func dropped() async {
        let fired = Box<String>()
        do {
            let timer = LoopTimer()
            timer.start(after: 1) { fired.put("dropped") }
        }
        let other = LoopTimer()
        other.start(after: 20) { fired.put("kept") }
        #expect(await fired.take() == "kept")
    }

    @Test("a deadline that is moved is missed once, when the last that was set has passed")
    func deadline() async throws {
        let missed = Box<UInt64>()
        let deadline = Deadline { missed.put(Loop.nowNanoseconds) }
        let began = Loop.nowNanoseconds
        deadline.set(after: 5_000)
        for _ in 0..<10 {
            deadline.set(after: 20)
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(await missed.take() - began >= 60_000_000)
        // Cleared, and set anew to what is earlier than the timer.
        deadline.set(after: 5_000)
        deadline.clear()
        deadline.set(after: 1)
        _ = await missed.take()
    }

    @Test("a cleared deadline, and a dropped one, are never missed")
    func noDeadline() async {
        let missed = Box<String>()
        let cleared = Deadline { missed.put("cleared") }
        cleared.set(after: 1)
        cleared.clear()
        do {
            let dropped = Deadline { missed.put("dropped") }
            dropped.set(after: 1)
        }
        let other = Deadline { missed.put("kept") }
        other.set(after: 20)
        #expect(await missed.take() == "kept")
    }

    @Test("a change of a folder reaches its watcher, and a closed one no more")
    func folder() async throws {
        let folder = TemporaryFolder()
        let path = folder.path
        let changed = Box<Int>()
        let watcher = try FolderWatcher(path) { changed.put(1) }
        close(open("\(path)/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0o600))
        #expect(await changed.take() == 1)
        watcher.close()
        #expect(throws: LoopError.self) { try FolderWatcher("\(path)/none") {} }
        let after = Box<String>()
        let closed = try FolderWatcher(path) { after.put("closed") }
        closed.close()
        unlink("\(path)/file")
        let timer = LoopTimer()
        timer.start(after: 50) { after.put("kept") }
        #expect(await after.take() == "kept")
    }

    @Test("a signal reaches its watcher on the loop, and a closed watcher no more")
    func signal() async {
        let seen = Box<String>()
        let first = SignalWatcher(SIGUSR1) { seen.put("first") }
        kill(getpid(), SIGUSR1)
        #expect(await seen.take() == "first")
        first.close()
        let second = SignalWatcher(SIGUSR1) { seen.put("second") }
        kill(getpid(), SIGUSR1)
        #expect(await seen.take() == "second")
        second.close()
    }

    @Test("a poller reports a pipe's two ends, level-triggered")
    func pipe() async throws {
        var ends: [Int32] = [-1, -1]
        try #require(Glibc.pipe(&ends) == 0)
        defer { ends.forEach { _ = Glibc.close($0) } }
        let seen = Box<String>()
        let reader = try Poller(file: ends[0])
        let writer = try Poller(file: ends[1])
        writer.watch(readable: false, writable: true) { _, writable, error in
            writer.stop()
            seen.put("writable \(writable) \(error)")
        }
        #expect(await seen.take() == "writable true false")
        var count = 0
        reader.watch(readable: true, writable: false) { readable, _, _ in
            count += 1
            guard count == 3 else { return }
            reader.stop()
            seen.put("readable \(readable)")
        }
        #expect(write(ends[1], "x", 1) == 1)
        #expect(await seen.take() == "readable true")
        reader.close()
        writer.close()
        // Closed pollers leave the descriptor free for another one.
        let again = try Poller(file: ends[0])
        again.watch(readable: true, writable: false) { _, _, _ in
            again.close()
            seen.put("again")
        }
        #expect(await seen.take() == "again")
    }

    @Test("a regular file cannot be polled, and the error says so")
    func regularFile() {
        let file = TemporaryFile(bytes: 1)
        #expect(throws: LoopError(.permissionDenied, "poll")) { try Poller(file: file.descriptor) }
    }
}
