import CLibuv
import CLinux
import Glibc

/// A run of a file on its way into a stream.
///
/// The file belongs to the caller until `then`.
@LoopActor
final class FileTransfer {
    let file: Int32
    let count: Int64
    private(set) var offset: Int64
    private(set) var remaining: Int64
    let progress: (@LoopActor (Int64) -> Void)?
    let then: @LoopActor (Result<Int64, LoopError>) -> Void

    init(
        file: Int32,
        offset: Int64,
        count: Int64,
        progress: (@LoopActor (Int64) -> Void)?,
        then: @escaping @LoopActor (Result<Int64, LoopError>) -> Void
    ) {
        self.file = file
        self.offset = offset
        self.count = count
        self.progress = progress
        self.then = then
        remaining = count
    }

    func advance(by sent: Int64) {
        offset += sent
        remaining -= sent
    }
}

/// Sends file transfers of one stream, one at a time, with sendfile(2): at once what is short and in memory, the rest
/// on the thread pool.
///
///     idle --start()--> sending a slice <--> waiting for room in the socket
///                            |                       |
///                            +-------> idle <--------+     finished, failed or canceled
///
/// A slow link takes a piece in many slices, and a visit to the pool costs more than such a slice.
/// The pool gets its own duplicate of the socket: the stream may close its descriptor, and the kernel give
/// the number to someone else, while a slice is under way. For the same reason a canceled transfer ends, and
/// gives the caller's file back, only once the pool has returned. Watching the duplicate for room leaves the
/// stream's own watch for bytes to read alone.
@LoopActor
final class FileSender {
    /// Ends a slice even when the socket takes all: the pool has other customers.
    private static let sliceBytesMax: Int64 = 4 << 20
    /// What the loop itself sends in one go, if no disk has to be waited for: a fraction of a millisecond.
    private static let briefBytesMax: Int64 = 1 << 20

    private let handle: Handle
    private var socket: OwnedDescriptor?
    private var poller: Poller?

    private var current: (transfer: FileTransfer, end: @LoopActor (Result<Int64, LoopError>) -> Void)?
    private var isSending = false
    private var isCanceled = false

    init(_ handle: Handle) {
        self.handle = handle
    }

    var remaining: Int64 { current?.transfer.remaining ?? 0 }

    var isIdle: Bool { current == nil }

    /// `end` is to call the transfer's own `then`; it is never called inside this call or inside `cancel`.
    func start(_ transfer: FileTransfer, end: @escaping @LoopActor (Result<Int64, LoopError>) -> Void) {
        precondition(current == nil, "one transfer at a time")
        current = (transfer, end)
        guard transfer.count > 0 else { return finishLater(.success(0)) }
        guard socket == nil else { return sendSlice() }
        var file: Int32 = -1
        let status = uv_fileno(handle.as(uv_handle_t.self), &file)
        let copy = status < 0 ? status : clinux_duplicate(file)
        guard copy >= 0 else { return finishLater(.failure(LoopError(status: copy, "sendfile"))) }
        socket = OwnedDescriptor(copy)
        sendSlice()
    }

    /// Ends the running transfer with `.canceled`; no other may be started.
    func cancel() {
        guard !isCanceled else { return }
        isCanceled = true
        poller?.close()
        poller = nil
        // The last reference may be the running slice's.
        socket = nil
        if current != nil, !isSending {
            finishLater(.failure(LoopError(.canceled, "sendfile")))
        }
    }

    private func sendSlice() {
        guard let transfer = current?.transfer, let socket else { return }
        guard transfer.remaining > 0 else { return finish(.success(transfer.count)) }
        let file = transfer.file
        let offset = transfer.offset
        let count = min(transfer.remaining, Self.sliceBytesMax)
        isSending = true
        // The last byte speaks for all: whatever brought it into memory brought those before it.
        if count <= Self.briefBytesMax, clinux_is_cached(file, offset + count - 1) {
            let slice = FileSlice.send(socket: socket, file: file, offset: offset, count: count)
            return Loop.enqueue { self.sliceEnded(slice) }
        }
        Loop.offload(
            { FileSlice.send(socket: socket, file: file, offset: offset, count: count) },
            then: { self.sliceEnded($0) }
        )
    }

    private func sliceEnded(_ slice: FileSlice) {
        isSending = false
        guard let transfer = current?.transfer else { return }
        transfer.advance(by: slice.sent)
        if isCanceled { return finish(.failure(LoopError(.canceled, "sendfile"))) }
        if slice.sent > 0, let progress = transfer.progress {
            progress(transfer.count - transfer.remaining)
            // The caller may have closed the stream; then the end is on its way.
            if isCanceled { return }
        }
        switch slice.end {
        case .done: sendSlice()
        case .socketFull: waitForRoom()
        case .failed(let error): finish(.failure(error))
        }
    }

    private func waitForRoom() {
        guard let socket else { return }
        if poller == nil {
            do throws(LoopError) {
                poller = try Poller(file: socket.number)
            } catch {
                return finish(.failure(error))
            }
        }
        // Any event will do: after an error the next slice says which one.
        poller?.watch(readable: false, writable: true) { _, _, _ in
            self.poller?.stop()
            self.sendSlice()
        }
    }

    /// The first end counts, should a close come in between.
    private func finishLater(_ result: Result<Int64, LoopError>) {
        Loop.enqueue { self.finish(result) }
    }

    private func finish(_ result: Result<Int64, LoopError>) {
        guard let end = current?.end else { return }
        current = nil
        end(result)
    }
}

/// What one call for a slice did.
private struct FileSlice: Sendable {
    enum End {
        case done
        case socketFull
        case failed(LoopError)
    }

    let sent: Int64
    let end: End

    static func send(socket: OwnedDescriptor, file: Int32, offset: Int64, count: Int64) -> FileSlice {
        var sent: Int64 = 0
        while sent < count {
            let status = clinux_sendfile(socket.number, file, offset + sent, count - sent)
            if status > 0 {
                sent += status
            } else if status == 0 {
                return FileSlice(sent: sent, end: .failed(LoopError(.endOfFile, "sendfile")))
            } else if status == Int64(-EAGAIN) {
                return FileSlice(sent: sent, end: .socketFull)
            } else {
                let error = LoopError(status: Int32(truncatingIfNeeded: status), "sendfile")
                return FileSlice(sent: sent, end: .failed(error))
            }
        }
        return FileSlice(sent: sent, end: .done)
    }
}

/// A descriptor that closes with its last reference, on whatever thread that is.
private final class OwnedDescriptor: Sendable {
    let number: Int32

    init(_ number: Int32) {
        self.number = number
    }

    deinit {
        close(number)
    }
}
