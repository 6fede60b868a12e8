import CLibuv
import CLinux
import Glibc

/// A listening TCP or Unix socket.
///
/// Dropping it, on any thread, closes it.
///
///     listening --accept()--> accepting <--> pausing (100 ms, out of descriptors or memory)
///         |                       |              |
///         +-------close()---------+--------------+--> closed
///
/// It accepts by itself instead of through `uv_listen`, whose accept loop never ends once descriptors have
/// run out and its own reserve was lost to another thread. Here the reserve descriptor is given up to accept
/// and close one connection at a time, so that clients are told instead of left hanging; when even that
/// fails, accepting pauses.
@LoopActor
package final class Listener {
    private static let backlog: Int32 = 1024
    /// Connections taken per turn of the loop; the rest wait for the next one.
    private static let acceptsMax = 64
    private static let pauseMillis: UInt64 = 100

    /// 0 for a Unix socket.
    package let port: UInt16
    /// Whether the service manager has the socket too: after `close` connections wait there for the next process.
    package let isHandedOver: Bool
    /// Connections that were closed at once because descriptors had run out.
    package private(set) var shedCount: UInt64 = 0

    private let descriptor: Int32
    private let file: SocketFile?
    private let poller: Poller
    private let pause = LoopTimer()
    private var reserve: Int32 = -1
    private var isOpen = true
    private var onConnection: (@LoopActor (Stream) -> Void)?

    private init(
        descriptor: Int32, port: UInt16, file: SocketFile?, isHandedOver: Bool = false
    ) throws(LoopError) {
        self.descriptor = descriptor
        self.port = port
        self.isHandedOver = isHandedOver
        self.file = file
        do {
            poller = try Poller(file: descriptor)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        reserve = Self.openReserve()
    }

    isolated deinit {
        close()
    }

    /// `host` is a literal address or `localhost`; port 0 lets the kernel choose.
    package static func tcp(host: String, port: UInt16) throws(LoopError) -> Listener {
        guard let address = SocketAddress(host: host, port: port) else {
            throw LoopError(.invalidAddress, "listen")
        }
        let descriptor = address.withPointer { clinux_listen_tcp($0, address.length, backlog) }
        guard descriptor >= 0 else { throw LoopError(status: descriptor, "listen") }
        let bound = SocketAddress { name, length in
            var bytes = socklen_t(length.pointee)
            return getsockname(descriptor, name, &bytes)
        }
        return try Listener(descriptor: descriptor, port: bound?.port ?? port, file: nil)
    }

    /// Takes over a socket that the service manager listens on; only one listener may.
    package static func tcp(_ socket: HandedSocket) throws(LoopError) -> Listener {
        try Listener(descriptor: socket.descriptor, port: socket.port, file: nil, isHandedOver: true)
    }

    /// Makes the socket file with exactly `mode` (whatever the umask), replacing one that nobody listens on;
    /// `close` removes it.
    ///
    /// The folder decides who may reach it before that, so it should be private.
    package static func unix(path: String, mode: UInt32) throws(LoopError) -> Listener {
        let descriptor = path.utf8.contains(0) ? -EINVAL : clinux_listen_unix(path, mode, backlog)
        guard descriptor >= 0 else { throw LoopError(status: descriptor, "listen") }
        return try Listener(descriptor: descriptor, port: 0, file: SocketFile(path))
    }

    /// Until this is called, connections wait in the kernel.
    ///
    /// A stream that the handler does not keep closes.
    package func accept(_ onConnection: @escaping @LoopActor (Stream) -> Void) {
        guard isOpen else { return }
        self.onConnection = onConnection
        watch()
    }

    /// Refuses further connections, those not yet accepted included.
    ///
    /// Streams already accepted stay.
    package func close() {
        guard isOpen else { return }
        isOpen = false
        onConnection = nil
        pause.stop()
        poller.close()
        file?.remove()
        Glibc.close(descriptor)
        if reserve >= 0 { Glibc.close(reserve) }
    }

    private func watch() {
        poller.watch(readable: true, writable: false) { [weak self] _, _, _ in self?.acceptWaiting() }
    }

    private func acceptWaiting() {
        for _ in 0..<Self.acceptsMax {
            guard isOpen, let onConnection else { return }
            let accepted = clinux_accept(descriptor)
            switch accepted {
            case 0...:
                // Fails only for want of memory or descriptors, and has then closed the connection.
                if let stream = try? Stream(descriptor: accepted, isUnix: file != nil) {
                    onConnection(stream)
                }
            case -EAGAIN:
                return
            case -EMFILE, -ENFILE:
                guard shedOne() else { return pauseAccepting() }
            case -ENOBUFS, -ENOMEM, -EBADF, -EINVAL, -ENOTSOCK:
                return pauseAccepting()
            default:
                // accept(2): errors of the new connection itself; it is gone, the next one may be well.
                continue
            }
        }
    }

    /// Accepts and closes one connection with the reserve descriptor; false when another thread took that.
    private func shedOne() -> Bool {
        if reserve >= 0 { Glibc.close(reserve) }
        let accepted = clinux_accept(descriptor)
        if accepted >= 0 {
            Glibc.close(accepted)
            shedCount += 1
        }
        reserve = Self.openReserve()
        return accepted >= 0 && reserve >= 0
    }

    private func pauseAccepting() {
        poller.stop()
        pause.start(after: Self.pauseMillis) { [weak self] in
            guard let self, self.isOpen else { return }
            if self.reserve < 0 { self.reserve = Self.openReserve() }
            self.watch()
        }
    }

    private static func openReserve() -> Int32 {
        open("/dev/null", O_RDONLY | O_CLOEXEC)
    }
}

/// A Unix socket's file, recognised by its inode so that nobody else's is ever removed.
private struct SocketFile {
    private let path: String
    private let inode: stat?

    init(_ path: String) {
        self.path = path
        inode = Self.look(path)
    }

    func remove() {
        guard let inode, let now = Self.look(path) else { return }
        if now.st_ino == inode.st_ino, now.st_dev == inode.st_dev { unlink(path) }
    }

    private static func look(_ path: String) -> stat? {
        var info = stat()
        return lstat(path, &info) == 0 ? info : nil
    }
}
