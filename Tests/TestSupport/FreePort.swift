import Glibc
import Synchronization

/// Hands out TCP ports of 127.0.0.1 that nobody listens on.
///
/// They lie below the kernel's ephemeral range (32768 up), so that no outgoing connection takes one between
/// the answer and its use, and no port is handed out twice by one process.
package enum FreePort {
    private static let lowest: UInt16 = 20_000
    private static let count: UInt16 = 12_000
    private static let cursor = Mutex<UInt16>(UInt16.random(in: 0..<count))

    package static func next() throws -> UInt16 {
        for _ in 0..<count {
            let port = cursor.withLock { offset in
                offset = (offset + 1) % count
                return lowest + offset
            }
            if canListen(port) { return port }
        }
        throw TestFailure("no free TCP port between \(lowest) and \(lowest + count)")
    }

    /// Whether something accepts connections on the port now.
    package static func isListening(_ port: UInt16) -> Bool {
        withSocket { descriptor in
            withLoopbackAddress(port) { connect(descriptor, $0, $1) } == 0
        }
    }

    private static func canListen(_ port: UInt16) -> Bool {
        withSocket { descriptor in
            var on: Int32 = 1
            setsockopt(
                descriptor,
                SOL_SOCKET,
                SO_REUSEADDR,
                &on,
                socklen_t(MemoryLayout<Int32>.size)
            )
            return withLoopbackAddress(port) { bind(descriptor, $0, $1) } == 0
                && listen(descriptor, 1) == 0
        }
    }

    private static func withSocket(_ body: (Int32) -> Bool) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return body(descriptor)
    }

    private static func withLoopbackAddress(
        _ port: UInt16,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
