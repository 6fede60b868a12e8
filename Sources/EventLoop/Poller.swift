import CLibuv

/// Watches a descriptor that someone else owns, level-triggered.
///
/// The descriptor becomes non-blocking and must stay open until `close()` or the drop of the poller (which
/// may be on any thread, and then takes effect a moment later). A descriptor can have one poller at a time.
@LoopActor
package final class Poller {
    private let handle: Handle

    /// Fails with `permissionDenied` for what cannot be polled, such as a regular file.
    package init(file: Int32) throws(LoopError) {
        handle = try Handle(UV_POLL, "poll") {
            uv_poll_init($0, $1.assumingMemoryBound(to: uv_poll_t.self), file)
        }
    }

    /// Replaces what was watched before.
    ///
    /// After `error` (the kernel reported POLLERR, or the descriptor is bad) nothing is watched any more; the
    /// cause is in the next operation on the descriptor.
    package func watch(
        readable: Bool,
        writable: Bool,
        _ handler: @escaping @LoopActor (_ readable: Bool, _ writable: Bool, _ error: Bool) -> Void
    ) {
        guard handle.isOpen else { return }
        guard readable || writable else { return stop() }
        let readableBit = Int32(UV_READABLE.rawValue)
        let writableBit = Int32(UV_WRITABLE.rawValue)
        handle.setOnEvent { status, events in
            handler(events & readableBit != 0, events & writableBit != 0, status < 0)
        }
        let events = (readable ? readableBit : 0) | (writable ? writableBit : 0)
        uv_poll_start(handle.as(uv_poll_t.self), events, uvPollCallback)
    }

    /// Watches nothing, and forgets the handler, until the next `watch`.
    package func stop() {
        guard handle.isOpen else { return }
        uv_poll_stop(handle.as(uv_poll_t.self))
        handle.setOnEvent(nil)
    }

    /// The descriptor may be closed, or given to another poller, as soon as this has returned.
    package func close() {
        handle.close()
    }

    isolated deinit {
        handle.close()
    }
}

private func uvPollCallback(_ poll: UnsafeMutablePointer<uv_poll_t>?, _ status: Int32, _ events: Int32) {
    guard let handle = Handle.from(poll?.pointee.data) else { return }
    Loop.assumeIsolated { handle.onEvent?(status, events) }
}
