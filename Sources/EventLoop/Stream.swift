import CLibuv
import CLinux
import Glibc

/// Who is at the other end of a Unix connection, as the kernel saw it when the connection was made.
package struct PeerCredentials: Hashable, Sendable {
    package let pid: Int32
    package let uid: UInt32
    package let gid: UInt32
}

/// A connected TCP or Unix stream.
///
/// Dropping it, on any thread, closes it.
///
///     open --close()--> closed
///
/// While open, the two directions end separately: reading with `.end` or `.failed`, writing with `shutdown`
/// or the first failed write. Neither closes the stream; that is its owner's to decide. After `close` no read
/// event comes, every pending write ends with `.canceled`, and then `onClose` is called (a `sendFile` that is
/// just at work may end after it). Handlers are never called inside the call that sets them or inside
/// `close`. They are kept until then, so an owner that its handlers refer to strongly lives until it closes
/// the stream.
@LoopActor
package final class Stream {
    package enum ReadEvent {
        /// Valid during the call only; never empty, at most 256 KiB.
        case bytes(UnsafeRawBufferPointer)
        /// The other side sends no more.
        ///
        /// Reading has stopped; writing may go on.
        case end
        /// Reading has stopped.
        case failed(LoopError)
    }

    /// `host:port`, `[host]:port`, or `unix`.
    package let peerAddress: String
    /// The other end's literal address alone; empty for a Unix stream.
    package let peerHost: String
    /// `nil` for TCP.
    package let peerCredentials: PeerCredentials?
    /// Called once, when the descriptor is closed.
    package var onClose: (@LoopActor () -> Void)?

    private static let unixAddress = "unix"
    private let handle: Handle
    private let writer: StreamWriter
    private var lowWater = LowWater(bytesMax: 128 << 10)

    /// Takes a connected handle over.
    init(connected handle: Handle, isUnix: Bool) {
        self.handle = handle
        writer = StreamWriter(handle)
        if isUnix {
            peerAddress = Self.unixAddress
            peerHost = ""
            peerCredentials = Self.credentials(of: handle)
        } else {
            let tcp = handle.as(uv_tcp_t.self)
            let peer = SocketAddress { uv_tcp_getpeername(tcp, $0, $1) }
            peerAddress = peer?.description ?? "?"
            peerHost = peer?.host ?? ""
            peerCredentials = nil
            // Frames are written whole, so waiting for more to send only adds latency.
            uv_tcp_nodelay(tcp, 1)
            uv_tcp_keepalive(tcp, 1, 60)
        }
    }

    /// Takes a connected descriptor over, and closes it when that fails.
    convenience init(descriptor: Int32, isUnix: Bool) throws(LoopError) {
        let handle: Handle
        do throws(LoopError) {
            handle = try isUnix ? Handle.pipe() : Handle.tcp()
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        let status =
            isUnix
            ? uv_pipe_open(handle.as(uv_pipe_t.self), descriptor)
            : uv_tcp_open(handle.as(uv_tcp_t.self), descriptor)
        guard status == 0 else {
            handle.close()
            Glibc.close(descriptor)
            throw LoopError(status: status, "open")
        }
        self.init(connected: handle, isUnix: isUnix)
    }

    isolated deinit {
        close()
    }

    /// Literal address of this end of a TCP connection; `nil` for another stream, or once it is closed.
    package var localHost: String? {
        guard handle.isOpen, peerAddress != Self.unixAddress else { return nil }
        return SocketAddress { uv_tcp_getsockname(handle.as(uv_tcp_t.self), $0, $1) }?.host
    }

    /// Marks what this end of a TCP connection sends with a code point for differentiated services (RFC 2474),
    /// 0 to 63. A mark that the kernel does not take is left out: it is a wish.
    package func setTrafficClass(_ codePoint: UInt8) {
        var file: Int32 = -1
        guard handle.isOpen, uv_fileno(handle.as(uv_handle_t.self), &file) == 0 else { return }
        clinux_set_traffic_class(file, Int32(codePoint & 0x3F))
    }

    private static func credentials(of handle: Handle) -> PeerCredentials? {
        var file: Int32 = -1
        guard uv_fileno(handle.as(uv_handle_t.self), &file) == 0 else { return nil }
        var pid: pid_t = 0
        var uid: uid_t = 0
        var gid: gid_t = 0
        guard clinux_peer_credentials(file, &pid, &uid, &gid) == 0 else { return nil }
        return PeerCredentials(pid: pid, uid: uid, gid: gid)
    }

    // MARK: Reading

    /// False from `close` on, though the descriptor lives until `onClose`.
    package var isOpen: Bool { handle.isOpen }

    /// Replaces the handler when already reading.
    ///
    /// After `.end` or `.failed` it says so again.
    package func startReading(_ onRead: @escaping @LoopActor (ReadEvent) -> Void) {
        guard handle.isOpen else { return }
        handle.setOnRead(onRead)
        let status = hawker_read_start(handle.as(uv_stream_t.self), uvReadCallback)
        if status < 0, status != UV_EALREADY.rawValue {
            let handle = handle
            Loop.enqueue { handle.endReading(status) }
        }
    }

    /// Leaves what arrives in the kernel, which soon stops the other side from sending; forgets the handler.
    package func stopReading() {
        guard handle.isOpen else { return }
        uv_read_stop(handle.as(uv_stream_t.self))
        handle.setOnRead(nil)
    }

    /// The other side is known to be sending at least `count` more bytes, which may therefore be reported many at
    /// a time (see `LowWater.expect`).
    package func expect(_ count: Int) {
        guard handle.isOpen else { return }
        lowWater.expect(count, on: descriptor)
    }

    private var descriptor: Int32? {
        var file: Int32 = -1
        return uv_fileno(handle.as(uv_handle_t.self), &file) == 0 ? file : nil
    }

    // MARK: Writing

    /// Sends `bytes` after everything asked for before.
    ///
    /// `then` hears when the kernel has taken them all, or why it never will; a write error without `then`
    /// shows in the next write and, usually, in reading.
    package func write(_ bytes: [UInt8], then: (@LoopActor (LoopError?) -> Void)? = nil) {
        writer.write(bytes, then: then)
    }

    /// Sends `bytes` after everything asked for before, and says whether the kernel has taken them all already: most
    /// often it has, and what is next need not wait.
    ///
    /// When not, `then` hears what `then` of `write` does.
    package func writeAtOnce(
        _ bytes: [UInt8], otherwise then: @escaping @LoopActor (LoopError?) -> Void
    ) -> Bool {
        writer.writeAtOnce(bytes, otherwise: then)
    }

    /// Sends `count` bytes of `file` from `offset` (not its own position), zero-copy and off the loop, in
    /// order with `write`.
    ///
    /// `file` must stay open, and those bytes in it, until `then`. `progress` hears how many bytes of this
    /// run have gone so far. When the file is shorter, or the stream breaks or is closed, `then` hears the
    /// error and the stream sends nothing more.
    package func sendFile(
        _ file: Int32,
        offset: Int64,
        count: Int64,
        progress: (@LoopActor (Int64) -> Void)? = nil,
        then: @escaping @LoopActor (Result<Int64, LoopError>) -> Void
    ) {
        precondition(offset >= 0 && count >= 0 && !offset.addingReportingOverflow(count).overflow)
        writer.send(FileTransfer(file: file, offset: offset, count: count, progress: progress, then: then))
    }

    /// Bytes asked to be written or sent from files, that the kernel has not yet taken.
    package var queuedBytes: Int { writer.queuedBytes }

    /// Has the kernel take no more than `bytes` beyond what the link carries at the moment (TCP only). What is not yet
    /// taken can still be overtaken or called off; a busy link else hides megabytes of it.
    package func limitUnsent(_ bytes: Int) {
        guard handle.isOpen, let descriptor else { return }
        // Without it everything is as right, only later.
        _ = clinux_set_unsent_max(descriptor, Int32(clamping: bytes))
    }

    /// What the kernel saw of the path so far; `nil` when it does not say (not TCP, closed, an old kernel).
    package var path: TCPPath? {
        guard handle.isOpen, let descriptor else { return nil }
        return TCPPath(of: descriptor)
    }

    /// Sends FIN after everything asked for before; later writes fail with `.brokenPipe`.
    ///
    /// `then` is called when it is sent, or when it never will be.
    package func shutdown(then: (@LoopActor () -> Void)? = nil) {
        writer.shutdown(then: then)
    }

    /// Has `close` send RST, whatever the kernel has not delivered yet (TCP only).
    package func reset() {
        guard handle.isOpen, let descriptor else { return }
        var lingering = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &lingering, socklen_t(MemoryLayout<linger>.size))
    }

    /// Closes at once.
    ///
    /// What the kernel has already taken is still delivered, unless bytes from the other side lie unread:
    /// then the kernel sends RST, which may destroy it. `shutdown` and reading to the end avoids that.
    package func close() {
        guard handle.isOpen else { return }
        let onClose = onClose
        self.onClose = nil
        writer.cancel()
        handle.close(onClosed: onClose)
    }
}

extension Handle {
    static func tcp() throws(LoopError) -> Handle {
        try Handle(UV_TCP, "socket") { uv_tcp_init($0, $1.assumingMemoryBound(to: uv_tcp_t.self)) }
    }

    static func pipe() throws(LoopError) -> Handle {
        try Handle(UV_NAMED_PIPE, "socket") {
            uv_pipe_init($0, $1.assumingMemoryBound(to: uv_pipe_t.self), 0)
        }
    }

    fileprivate func endReading(_ status: Int32) {
        guard isOpen, let onRead else { return }
        setOnRead(nil)
        uv_read_stop(self.as(uv_stream_t.self))
        onRead(status == UV_EOF.rawValue ? .end : .failed(LoopError(status: status, "read")))
    }
}

private func uvReadCallback(
    _ stream: UnsafeMutablePointer<uv_stream_t>?,
    _ count: Int,
    _ buffer: UnsafePointer<uv_buf_t>?
) {
    // 0 means that there was nothing after all.
    guard count != 0, let handle = Handle.from(stream?.pointee.data) else { return }
    guard count > 0 else { return Loop.assumeIsolated { handle.endReading(Int32(count)) } }
    // The closure runs before this function returns, on this thread.
    nonisolated(unsafe) let bytes = UnsafeRawBufferPointer(start: buffer?.pointee.base, count: count)
    Loop.assumeIsolated { handle.onRead?(.bytes(bytes)) }
}
