import EventLoop
import Glibc
import Testing

/// Waits for a callback.
@LoopActor
func callback<T: Sendable>(_ start: (@escaping @LoopActor (T) -> Void) -> Void) async -> T {
    await withCheckedContinuation { waiter in
        start { waiter.resume(returning: $0) }
    }
}

/// Both ends of one connection, and the listener it came from.
@LoopActor
struct Pair {
    let client: EventLoop.Stream
    let server: EventLoop.Stream

    static func tcp() async throws -> Pair {
        let listener = try Listener.tcp(host: "127.0.0.1", port: 0)
        return try await connect(listener) { then in
            Stream.connect(host: "127.0.0.1", port: listener.port, timeoutMillis: 10_000, then: then)
        }
    }

    static func unix(_ path: String, mode: UInt32 = 0o600) async throws -> Pair {
        let listener = try Listener.unix(path: path, mode: mode)
        return try await connect(listener) { Stream.connect(unixPath: path, then: $0) }
    }

    private static func connect(
        _ listener: Listener,
        _ dial: (@escaping @LoopActor (Result<EventLoop.Stream, LoopError>) -> Void) -> Void
    ) async throws -> Pair {
        let box = Box<EventLoop.Stream>()
        listener.accept { box.put($0) }
        let client: Result<EventLoop.Stream, LoopError> = await callback { dial($0) }
        let server = await box.take()
        listener.close()
        return Pair(client: try client.get(), server: server)
    }
}

/// Hands one value from a callback to the test, whichever comes first.
@LoopActor
final class Box<T: Sendable> {
    private var values: [T] = []
    private var waiter: CheckedContinuation<T, Never>?

    func put(_ value: T) {
        if let waiter {
            self.waiter = nil
            waiter.resume(returning: value)
        } else {
            values.append(value)
        }
    }

    func take() async -> T {
        if !values.isEmpty { return values.removeFirst() }
        return await withCheckedContinuation { waiter = $0 }
    }
}

extension EventLoop.Stream {
    /// Everything up to the other side's FIN, or the error instead.
    func readToEnd() async -> Result<[UInt8], LoopError> {
        await withCheckedContinuation { waiter in
            var all: [UInt8] = []
            startReading { event in
                switch event {
                case .bytes(let bytes): all.append(contentsOf: bytes)
                case .end: waiter.resume(returning: .success(all))
                case .failed(let error): waiter.resume(returning: .failure(error))
                }
            }
        }
    }

    func send(_ bytes: [UInt8]) async -> LoopError? {
        await withCheckedContinuation { waiter in write(bytes) { waiter.resume(returning: $0) } }
    }

    func send(file: TemporaryFile, count: Int64) async -> Result<Int64, LoopError> {
        await withCheckedContinuation { waiter in
            sendFile(file.descriptor, offset: 0, count: count) { waiter.resume(returning: $0) }
        }
    }
}

/// An unlinked file with reproducible, position-dependent content.
final class TemporaryFile: Sendable {
    let descriptor: Int32

    init(bytes count: Int) {
        descriptor = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0o600)
        precondition(descriptor >= 0)
        let content = Self.content(count)
        let written = content.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        precondition(written == count)
    }

    deinit {
        close(descriptor)
    }

    /// Every 4 KiB differ in their first eight bytes; built of copies, which unoptimised code does fast.
    static func content(_ count: Int) -> [UInt8] {
        let page = (0..<4096).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let raw = UnsafeMutableRawBufferPointer(buffer)
            for start in stride(from: 0, to: count, by: page.count) {
                let length = min(page.count, count - start)
                raw.baseAddress?.advanced(by: start).copyMemory(from: page, byteCount: length)
                if length >= 8 { raw.storeBytes(of: start, toByteOffset: start, as: Int.self) }
            }
            filled = count
        }
    }
}

/// `==` that unoptimised code does fast.
func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count && memcmp(left, right, left.count) == 0
}

/// Not visible to Swift: the header computes it.
private let O_TMPFILE: Int32 = 0o20200000

/// A new private folder, removed with all its sockets at the end.
final class TemporaryFolder: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/eventloop.XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, mkdtemp(base) != nil else { return "" }
            return String(cString: base)
        }
        precondition(!path.isEmpty)
    }

    deinit {
        rmdir(path)
    }
}
