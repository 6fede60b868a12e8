import CLibuv
import CLinux
import Glibc

/// An IPv4 or IPv6 address with a port, as the socket calls want it.
struct SocketAddress {
    private var storage = sockaddr_storage()

    /// From a literal; brackets around IPv6 are fine and `localhost` is 127.0.0.1.
    ///
    /// `nil` for any other name.
    init?(host: String, port: UInt16) {
        let bare = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        let literal = bare == "localhost" ? "127.0.0.1" : bare
        // A NUL would end the C string early, and the rest of the name with it.
        guard !literal.utf8.contains(0) else { return nil }
        let isValid = withUnsafeMutableBytes(of: &storage) { raw -> Bool in
            guard let base = raw.baseAddress else { return false }
            if uv_ip4_addr(literal, Int32(port), base.assumingMemoryBound(to: sockaddr_in.self)) == 0 {
                return true
            }
            return uv_ip6_addr(literal, Int32(port), base.assumingMemoryBound(to: sockaddr_in6.self)) == 0
        }
        guard isValid else { return nil }
    }

    /// `nil` for other families.
    init?(_ address: UnsafePointer<sockaddr>?, length: socklen_t, port: UInt16) {
        guard let address, length <= MemoryLayout<sockaddr_storage>.size else { return nil }
        let family = Int32(address.pointee.sa_family)
        guard family == AF_INET || family == AF_INET6 else { return nil }
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(length)))
        }
        self.port = port
    }

    /// The end of a connection that `read`, a call such as `uv_tcp_getpeername`, tells of.
    init?(_ read: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<Int32>) -> Int32) {
        var length = Int32(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutableBytes(of: &storage) { raw -> Int32 in
            guard let base = raw.baseAddress else { return -1 }
            return read(base.assumingMemoryBound(to: sockaddr.self), &length)
        }
        guard status == 0 else { return nil }
    }

    private var isIPv6: Bool { Int32(storage.ss_family) == AF_INET6 }

    var length: socklen_t {
        socklen_t(isIPv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size)
    }

    /// Both families keep the port in the two bytes after the family, in network order.
    var port: UInt16 {
        get {
            withUnsafeBytes(of: storage) { UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self)) }
        }
        set {
            withUnsafeMutableBytes(of: &storage) {
                $0.storeBytes(of: newValue.bigEndian, toByteOffset: 2, as: UInt16.self)
            }
        }
    }

    /// The address alone, without brackets; a mapped IPv4 address as the IPv4 address that it is.
    var host: String {
        let name = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            return withPointer { uv_ip_name($0, base, buffer.count) == 0 ? String(cString: base) : "?" }
        }
        return name.hasPrefix("::ffff:") && name.contains(".") ? String(name.dropFirst(7)) : name
    }

    func withPointer<T>(_ body: (UnsafePointer<sockaddr>) -> T) -> T {
        withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0) }
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `192.0.2.1:4000` or `[2001:db8::1]:4000`.
    var description: String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
