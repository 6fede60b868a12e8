import CLibuv

/// One libuv handle: its memory, and what to do when it reports.
///
///     open --close()--> closing --(libuv's close callback)--> gone
///
/// libuv holds the only retain that matters (`data`), from `init` to the close callback, which is also the
/// only place where the memory is freed. The public wrappers hold a `Handle` and close it in their `deinit`;
/// what they store in its callbacks refers to them weakly or not at all, so a late event finds nobody instead
/// of a dying object.
@LoopActor
final class Handle {
    /// A `uv_…_t` of the kind given to `init`; valid until the close callback.
    let memory: UnsafeMutableRawPointer
    private(set) var isOpen = true

    /// Hears (0, 0) from a timer, (number, 0) from a signal and (status, events) from a poll.
    private(set) var onEvent: EventHandler?
    private(set) var onRead: ReadHandler?
    private var onClosed: (@LoopActor () -> Void)?

    typealias EventHandler = @LoopActor (_ status: Int32, _ events: Int32) -> Void
    typealias ReadHandler = @LoopActor (Stream.ReadEvent) -> Void

    /// `initialise` is the `uv_…_init` call; when it fails nothing is left behind.
    init(
        _ kind: uv_handle_type,
        _ operation: String,
        initialise: (UnsafeMutablePointer<uv_loop_t>, UnsafeMutableRawPointer) -> Int32
    ) throws(LoopError) {
        let bytes = uv_handle_size(kind)
        memory = .allocate(byteCount: bytes, alignment: MemoryLayout<UInt>.alignment)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        let status = initialise(LoopThread.shared.loop, memory)
        if status < 0 {
            memory.deallocate()
            throw LoopError(status: status, operation)
        }
        base.pointee.data = Unmanaged.passRetained(self).toOpaque()
    }

    private var base: UnsafeMutablePointer<uv_handle_t> {
        memory.assumingMemoryBound(to: uv_handle_t.self)
    }

    func `as`<T>(_ type: T.Type) -> UnsafeMutablePointer<T> {
        memory.assumingMemoryBound(to: type)
    }

    // A handler may hold the last reference to something whose `deinit` comes back to this handle. So the old
    // one is let go of after the assignment, not within it, which would be an access conflict.

    func setOnEvent(_ handler: EventHandler?) {
        let old = onEvent
        onEvent = handler
        withExtendedLifetime(old) {}
    }

    func setOnRead(_ handler: ReadHandler?) {
        let old = onRead
        onRead = handler
        withExtendedLifetime(old) {}
    }

    /// Stops every event at once; pending requests end with `.canceled`, then `onClosed` is called.
    func close(onClosed: (@LoopActor () -> Void)? = nil) {
        guard isOpen else { return }
        isOpen = false
        setOnEvent(nil)
        setOnRead(nil)
        self.onClosed = onClosed
        uv_close(base, uvCloseCallback)
    }

    fileprivate func closed() {
        memory.deallocate()
        let onClosed = onClosed
        self.onClosed = nil
        onClosed?()
    }

    /// The handle behind a C callback's `data`.
    nonisolated static func from(_ data: UnsafeMutableRawPointer?) -> Handle? {
        guard let data else { return nil }
        return Unmanaged<Handle>.fromOpaque(data).takeUnretainedValue()
    }
}

private func uvCloseCallback(_ handle: UnsafeMutablePointer<uv_handle_t>?) {
    guard let data = handle?.pointee.data else { return }
    let owner = Unmanaged<Handle>.fromOpaque(data).takeRetainedValue()
    Loop.assumeIsolated { owner.closed() }
}

/// One libuv request: its memory, and who hears how it ended.
///
/// It keeps itself alive until then.
@LoopActor
final class Request {
    private let memory: UnsafeMutableRawPointer
    private let done: Done

    /// The status, and the request's memory, which is freed right after.
    typealias Done = @LoopActor (_ status: Int32, _ memory: UnsafeMutableRawPointer) -> Void

    private init(_ kind: uv_req_type, done: @escaping Done) {
        let bytes = uv_req_size(kind)
        memory = .allocate(byteCount: bytes, alignment: MemoryLayout<UInt>.alignment)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        self.done = done
    }

    /// Gives the request's memory to `submit`, a call such as `uv_write` whose callback is `Request.end`.
    ///
    /// When that call refuses, `done` hears so once the caller has returned.
    static func start<T>(
        _ kind: uv_req_type,
        as type: T.Type,
        submit: (UnsafeMutablePointer<T>) -> Int32,
        done: @escaping Done
    ) {
        let request = Request(kind, done: done)
        // A pointer is not Sendable; this one is handed over, not shared.
        nonisolated(unsafe) let data = Unmanaged.passRetained(request).toOpaque()
        request.memory.assumingMemoryBound(to: uv_req_t.self).pointee.data = data
        let status = submit(request.memory.assumingMemoryBound(to: type))
        if status < 0 {
            Loop.enqueue { Request.end(data, status) }
        }
    }

    /// Ends the request behind a C callback's `data`.
    nonisolated static func end(_ data: UnsafeMutableRawPointer?, _ status: Int32) {
        guard let data else { return }
        let request = Unmanaged<Request>.fromOpaque(data).takeRetainedValue()
        Loop.assumeIsolated {
            request.done(status, request.memory)
            request.memory.deallocate()
        }
    }
}
