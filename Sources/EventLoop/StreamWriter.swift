import CLibuv

/// The sending half of a stream: bytes, file runs and the final FIN, in the order asked for.
///
///     open --shutdown()--> finishing
///       |                      |
///       +--> failed <----------+    first error, or `cancel()`: every item then ends with that error
///
/// libuv orders plain writes itself, so they go to it at once. A file run waits until libuv has sent
/// everything before it, and everything after it waits here. After a failed or short file run nothing more
/// may be sent: the other side would take it for the missing bytes.
///
/// Invariants: while a file run is under way `writesInFlight == 0`; `waiting` is empty unless a file run is
/// under way or its head is a file run that waits for `writesInFlight == 0`; `waitingBytes` is the sum over
/// `waiting`.
@LoopActor
final class StreamWriter {
    typealias Completion = @LoopActor (LoopError?) -> Void

    private enum Item {
        case bytes([UInt8], Completion?)
        case file(FileTransfer)
        case end((@LoopActor () -> Void)?)
    }

    private let handle: Handle
    private let sender: FileSender
    private var waiting = Queue<Item>()
    private var waitingBytes: Int64 = 0
    private var writesInFlight = 0
    private var isFinishing = false
    private var failure: LoopError?

    init(_ handle: Handle) {
        self.handle = handle
        sender = FileSender(handle)
    }

    var queuedBytes: Int {
        guard handle.isOpen else { return 0 }
        let inLibuv = uv_stream_get_write_queue_size(handle.as(uv_stream_t.self))
        return Int(waitingBytes + sender.remaining) + inLibuv
    }

    func write(_ bytes: [UInt8], then: Completion?) {
        if writeAtOnce(bytes, otherwise: then) { report(nil, to: then) }
    }

    /// The same; true when the kernel has taken all of it now, and `then` will not hear of it.
    func writeAtOnce(_ bytes: [UInt8], otherwise then: Completion?) -> Bool {
        if let error = refusal("write") {
            report(error, to: then)
            return false
        }
        guard waiting.isEmpty, sender.isIdle else {
            waitingBytes += Int64(bytes.count)
            waiting.append(.bytes(bytes, then))
            return false
        }
        return transmit(bytes, then: then)
    }

    func send(_ transfer: FileTransfer) {
        if let error = refusal("sendfile") {
            Loop.enqueue { transfer.then(.failure(error)) }
            return
        }
        waitingBytes += transfer.count
        waiting.append(.file(transfer))
        advance()
    }

    func shutdown(then: (@LoopActor () -> Void)?) {
        if refusal("shutdown") != nil {
            if let then { Loop.enqueue(then) }
            return
        }
        isFinishing = true
        waiting.append(.end(then))
        advance()
    }

    /// For the stream's close: what waits ends with `.canceled`.
    func cancel() {
        sender.cancel()
        fail(LoopError(.canceled, "write"))
    }

    private func refusal(_ operation: String) -> LoopError? {
        failure ?? (isFinishing ? LoopError(.brokenPipe, operation) : nil)
    }

    /// Later, because a completion that runs inside the call it belongs to surprises its owner.
    private func report(_ error: LoopError?, to completion: Completion?) {
        if let completion { Loop.enqueue { completion(error) } }
    }

    private func fail(_ error: LoopError) {
        if failure == nil { failure = error }
        waitingBytes = 0
        while let item = waiting.popFirst() {
            switch item {
            case .bytes(_, let then): report(error, to: then)
            case .file(let transfer): Loop.enqueue { transfer.then(.failure(error)) }
            case .end(let then): if let then { Loop.enqueue(then) }
            }
        }
    }

    private func advance() {
        while sender.isIdle, let item = waiting.first {
            if case .file = item, writesInFlight > 0 { return }
            _ = waiting.popFirst()
            switch item {
            case .bytes(let bytes, let then):
                waitingBytes -= Int64(bytes.count)
                if transmit(bytes, then: then) { report(nil, to: then) }
            case .file(let transfer):
                waitingBytes -= transfer.count
                sender.start(transfer) { result in
                    // A failure stands before the caller can write more, and its success is told before the
                    // next.
                    if case .failure(let error) = result { self.fail(error) }
                    transfer.then(result)
                    self.advance()
                }
            case .end(let then):
                finish(then: then)
            }
        }
    }

    /// Writes at once what the socket takes, and leaves a copy of the rest to libuv. True when that was all; `then` is
    /// for what comes later.
    private func transmit(_ bytes: [UInt8], then: Completion?) -> Bool {
        let stream = handle.as(uv_stream_t.self)
        var sent = 0
        if writesInFlight == 0 {
            let status = bytes.withUnsafeBytes { raw -> Int32 in
                var buffer = Self.buffer(UnsafeMutableRawPointer(mutating: raw.baseAddress), raw.count)
                return uv_try_write(stream, &buffer, 1)
            }
            if status >= 0 {
                sent = Int(status)
            } else if status != UV_EAGAIN.rawValue {
                let error = LoopError(status: status, "write")
                fail(error)
                report(error, to: then)
                return false
            }
            if sent == bytes.count { return true }
        }
        let rest = UnsafeMutableRawBufferPointer.allocate(
            byteCount: bytes.count - sent,
            alignment: MemoryLayout<UInt>.alignment
        )
        rest.copyBytes(from: bytes[sent...])
        writesInFlight += 1
        Request.start(UV_WRITE, as: uv_write_t.self) { request in
            var buffer = Self.buffer(rest.baseAddress, rest.count)
            return uv_write(request, stream, &buffer, 1, uvWriteCallback)
        } done: { status, _ in
            rest.deallocate()
            self.writesInFlight -= 1
            let error = status < 0 ? LoopError(status: status, "write") : nil
            if let error { self.fail(error) }
            then?(error)
            self.advance()
        }
        return false
    }

    private func finish(then: (@LoopActor () -> Void)?) {
        let stream = handle.as(uv_stream_t.self)
        Request.start(UV_SHUTDOWN, as: uv_shutdown_t.self) { request in
            uv_shutdown(request, stream, uvShutdownCallback)
        } done: { _, _ in
            then?()
        }
    }

    private static func buffer(_ base: UnsafeMutableRawPointer?, _ count: Int) -> uv_buf_t {
        uv_buf_t(base: base?.assumingMemoryBound(to: CChar.self), len: count)
    }
}

private func uvWriteCallback(_ request: UnsafeMutablePointer<uv_write_t>?, _ status: Int32) {
    Request.end(request?.pointee.data, status)
}

private func uvShutdownCallback(_ request: UnsafeMutablePointer<uv_shutdown_t>?, _ status: Int32) {
    Request.end(request?.pointee.data, status)
}
