import CLibuv

/// Calls its handler on the loop for every arrival of a signal (several may be merged, as with any signal);
/// the signal's default action does not happen while a watcher for it exists.
///
/// Dropping it ends it.
@LoopActor
package final class SignalWatcher {
    private let handle: Handle

    /// Traps for a signal that cannot be caught.
    package init(_ signal: Int32, _ handler: @escaping @LoopActor () -> Void) {
        do {
            handle = try Handle(UV_SIGNAL, "signal") {
                uv_signal_init($0, $1.assumingMemoryBound(to: uv_signal_t.self))
            }
        } catch {
            preconditionFailure("uv_signal_init fails only when the loop could not be set up")
        }
        handle.setOnEvent { _, _ in handler() }
        let status = uv_signal_start(handle.as(uv_signal_t.self), uvSignalCallback, signal)
        precondition(status == 0, "signal \(signal) cannot be caught")
    }

    /// Gives the signal its former action back when this was its last watcher.
    package func close() {
        handle.close()
    }

    isolated deinit {
        handle.close()
    }
}

private func uvSignalCallback(_ watcher: UnsafeMutablePointer<uv_signal_t>?, _ number: Int32) {
    guard let handle = Handle.from(watcher?.pointee.data) else { return }
    Loop.assumeIsolated { handle.onEvent?(number, 0) }
}
