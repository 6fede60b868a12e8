import CLibuv

/// Calls its handler on the loop some time after entries of a folder came, went or changed (inotify(7)).
///
/// Several changes may be one call, and a call may be for nothing. Folders below are not watched. Dropping it ends
/// it.
@LoopActor
package final class FolderWatcher {
    private let handle: Handle

    /// Fails when there is no such folder, or the system watches as many as it may (`fs.inotify.max_user_watches`).
    package init(_ path: String, _ handler: @escaping @LoopActor () -> Void) throws(LoopError) {
        handle = try Handle(UV_FS_EVENT, "fs_event") {
            uv_fs_event_init($0, $1.assumingMemoryBound(to: uv_fs_event_t.self))
        }
        handle.setOnEvent { _, _ in handler() }
        let status = uv_fs_event_start(handle.as(uv_fs_event_t.self), uvFolderCallback, path, 0)
        guard status == 0 else {
            handle.close()
            throw LoopError(status: status, "fs_event")
        }
    }

    package func close() {
        handle.close()
    }

    isolated deinit {
        handle.close()
    }
}

private func uvFolderCallback(
    _ watcher: UnsafeMutablePointer<uv_fs_event_t>?, _ name: UnsafePointer<CChar>?, _ events: Int32, _ status: Int32
) {
    guard let handle = Handle.from(watcher?.pointee.data) else { return }
    Loop.assumeIsolated { handle.onEvent?(status, events) }
}
