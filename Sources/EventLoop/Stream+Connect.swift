import CLibuv
import CLinux
import Glibc

extension Stream {
    /// Connects by TCP to a literal address or a name; of several addresses each gets its share of the time.
    ///
    /// An address that `isAllowed` (asked with a literal) is false for is not dialled; `permissionDenied` when none is
    /// left. `then` is called exactly once, never inside this call.
    package static func connect(
        host: String,
        port: UInt16,
        timeoutMillis: UInt64,
        isAllowed: @escaping @LoopActor (_ host: String) -> Bool = { _ in true },
        then: @escaping @LoopActor (Result<Stream, LoopError>) -> Void
    ) {
        let attempt = ConnectAttempt(
            host: host, port: port, timeoutMillis: timeoutMillis, isAllowed: isAllowed, then: then)
        attempt.start()
    }

    /// Connects to a Unix socket, which never waits: a listener whose backlog is full is `.other("EAGAIN")`.
    package static func connect(
        unixPath: String,
        then: @escaping @LoopActor (Result<Stream, LoopError>) -> Void
    ) {
        let descriptor = unixPath.utf8.contains(0) ? -EINVAL : clinux_connect_unix(unixPath)
        let result: Result<Stream, LoopError>
        if descriptor < 0 {
            result = .failure(LoopError(status: descriptor, "connect"))
        } else {
            result = Result { () throws(LoopError) in try Stream(descriptor: descriptor, isUnix: true) }
        }
        Loop.enqueue { then(result) }
    }
}

/// One `Stream.connect` over TCP.
///
///     resolving --> connecting to the first address --> ... the last --> finished
///
/// Kept alive by its running libuv request; `then` is `nil` once finished, and whatever ends later is
/// ignored.
@LoopActor
private final class ConnectAttempt {
    private let host: String
    private let port: UInt16
    private let deadline: UInt64
    private let timer = LoopTimer()
    private var addresses: [SocketAddress] = []
    private let isAllowed: @LoopActor (String) -> Bool
    private var then: (@LoopActor (Result<Stream, LoopError>) -> Void)?

    init(
        host: String,
        port: UInt16,
        timeoutMillis: UInt64,
        isAllowed: @escaping @LoopActor (String) -> Bool,
        then: @escaping @LoopActor (Result<Stream, LoopError>) -> Void
    ) {
        self.isAllowed = isAllowed
        self.host = host
        self.port = port
        let (nanoseconds, isTooLong) = timeoutMillis.multipliedReportingOverflow(by: 1_000_000)
        let (sum, isLater) = Loop.nowNanoseconds.addingReportingOverflow(nanoseconds)
        deadline = isTooLong || isLater ? .max : sum
        self.then = then
    }

    func start() {
        if let address = SocketAddress(host: host, port: port) {
            addresses = [address]
            Loop.enqueue { self.connectToAllowed(LoopError(.timedOut, "connect")) }
        } else {
            resolve()
        }
    }

    private var millisLeft: UInt64 {
        let now = Loop.nowNanoseconds
        return deadline > now ? (deadline - now) / 1_000_000 : 0
    }

    private func finish(_ result: Result<Stream, LoopError>) {
        guard let then else { return }
        self.then = nil
        timer.stop()
        then(result)
    }

    private func resolve() {
        let (host, port) = (host, port)
        timer.start(after: millisLeft) { self.finish(.failure(LoopError(.timedOut, "getaddrinfo"))) }
        Request.start(UV_GETADDRINFO, as: uv_getaddrinfo_t.self) { request in
            guard !host.isEmpty, !host.utf8.contains(0) else { return UV_EAI_NONAME.rawValue }
            var hints = addrinfo()
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            return uv_getaddrinfo(LoopThread.shared.loop, request, uvGetaddrinfoCallback, host, nil, &hints)
        } done: { status, memory in
            let list = memory.assumingMemoryBound(to: uv_getaddrinfo_t.self).pointee.addrinfo
            defer { uv_freeaddrinfo(list) }
            guard status == 0 else {
                return self.finish(.failure(LoopError(status: status, "getaddrinfo")))
            }
            var next = list
            while let entry = next?.pointee {
                if let address = SocketAddress(entry.ai_addr, length: entry.ai_addrlen, port: port) {
                    self.addresses.append(address)
                }
                next = entry.ai_next
            }
            self.addresses.reverse()
            self.connectToAllowed(LoopError(.nameNotFound, "getaddrinfo"))
        }
    }

    private func connectToAllowed(_ failure: LoopError) {
        let found = addresses.count
        addresses.removeAll { !isAllowed($0.host) }
        let isForbidden = found > 0 && addresses.isEmpty
        connectNext(isForbidden ? LoopError(.permissionDenied, "connect") : failure)
    }

    /// Tries the last of `addresses`; `failure` is the answer when there is none left.
    private func connectNext(_ failure: LoopError) {
        guard then != nil else { return }
        guard let address = addresses.last else { return finish(.failure(failure)) }
        let share = millisLeft / UInt64(addresses.count)
        addresses.removeLast()
        let handle: Handle
        do throws(LoopError) { handle = try Handle.tcp() } catch { return finish(.failure(error)) }
        timer.start(after: share) { handle.close() }
        Request.start(UV_CONNECT, as: uv_connect_t.self) { request in
            address.withPointer { address in
                uv_tcp_connect(request, handle.as(uv_tcp_t.self), address, uvConnectCallback)
            }
        } done: { status, _ in
            self.connected(handle, status)
        }
    }

    private func connected(_ handle: Handle, _ status: Int32) {
        timer.stop()
        guard handle.isOpen else { return connectNext(LoopError(.timedOut, "connect")) }
        var file: Int32 = -1
        var status = status
        if status == 0 { status = uv_fileno(handle.as(uv_handle_t.self), &file) }
        // Nobody listens there: the kernel chose the very port that was dialled and met itself.
        if status == 0, clinux_connected_to_itself(file) { status = UV_ECONNREFUSED.rawValue }
        guard status == 0 else {
            handle.close()
            return connectNext(LoopError(status: status, "connect"))
        }
        finish(.success(Stream(connected: handle, isUnix: false)))
    }
}

private func uvConnectCallback(_ request: UnsafeMutablePointer<uv_connect_t>?, _ status: Int32) {
    Request.end(request?.pointee.data, status)
}

/// The list is also in the request, which is where its `done` finds it.
private func uvGetaddrinfoCallback(
    _ request: UnsafeMutablePointer<uv_getaddrinfo_t>?,
    _ status: Int32,
    _ list: UnsafeMutablePointer<addrinfo>?
) {
    Request.end(request?.pointee.data, status)
}
