import Glibc

/// A socket that listens on a free port of 127.0.0.1, as a service manager would leave it to the process it starts.
package struct InheritedSocket: Sendable {
    package let descriptor: Int32
    package let port: UInt16

    package init() throws {
        port = try FreePort.next()
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let (descriptor, length) = (descriptor, socklen_t(MemoryLayout<sockaddr_in>.size))
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard status == 0, listen(descriptor, 8) == 0 else { throw TestFailure("port \(port): \(errno)") }
    }

    /// The manager's own copy, which stays open whatever the process does.
    package func copy() -> Int32 { dup(descriptor) }

    package func close() { Glibc.close(descriptor) }
}
