import Glibc

/// A plain blocking HTTP client that sees what really is on the wire: order, lengths, FIN and RST.
final class RawClient {
    struct Response {
        let status: Int
        let fields: [(name: String, value: String)]
        var body: [UInt8] = []

        subscript(name: String) -> String? { fields.first { $0.name == name.lowercased() }?.value }

        var text: String { String(decoding: body, as: UTF8.self) }
    }

    enum End: Equatable {
        case fin
        case failed(Int32)
    }

    struct Failure: Error {
        let operation: String
        let code: Int32
    }

    private let socket: Int32
    private var buffer: [UInt8] = []

    /// A read that gets nothing for 20 s fails instead of hanging the run.
    init(port: UInt16, receiveBytes: Int32? = nil) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { throw Failure(operation: "socket", code: errno) }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        if var bytes = receiveBytes {
            setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else {
            let code = errno
            Glibc.close(socket)
            throw Failure(operation: "connect", code: code)
        }
    }

    deinit { Glibc.close(socket) }

    func send(_ text: String) throws {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { throw Failure(operation: "send", code: errno) }
            rest = rest.dropFirst(sent)
        }
    }

    func get(_ target: String, method: String = "GET", _ fields: String...) throws {
        let lines = ["\(method) \(target) HTTP/1.1", "Host: 127.0.0.1"] + fields + ["", ""]
        try send(lines.joined(separator: "\r\n"))
    }

    /// A response with its whole body; none is expected after `HEAD`.
    func response(hasBody: Bool = true) throws -> Response {
        var response = try head()
        if hasBody { response.body = try body(Int(response["content-length"] ?? "") ?? 0) }
        return response
    }

    func head() throws -> Response {
        let separator = Array("\r\n\r\n".utf8)
        while true {
            let end = buffer.indices.first { buffer[$0...].starts(with: separator) }
            if let end {
                let lines = String(decoding: buffer[..<end], as: UTF8.self).split(separator: "\r\n")
                buffer.removeFirst(end + separator.count)
                let fields = lines.dropFirst().map { line in
                    let parts = line.split(separator: ":", maxSplits: 1)
                    return (name: parts[0].lowercased(), value: String(parts.last?.dropFirst() ?? ""))
                }
                return Response(status: Int(lines[0].split(separator: " ")[1]) ?? 0, fields: fields)
            }
            guard try receive() else { throw Failure(operation: "head", code: 0) }
        }
    }

    func body(_ count: Int) throws -> [UInt8] {
        while buffer.count < count {
            guard try receive() else { throw Failure(operation: "body", code: Int32(buffer.count)) }
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    /// Everything up to the server's end, and how it ended.
    func rest() -> ([UInt8], End) {
        while true {
            do {
                guard try receive() else { return (buffer, .fin) }
            } catch let failure as Failure {
                return (buffer, .failed(failure.code))
            } catch {
                return (buffer, .failed(-1))
            }
        }
    }

    private func receive() throws -> Bool {
        let received = try [UInt8](unsafeUninitializedCapacity: 64 << 10) { space, count in
            let got = recv(socket, space.baseAddress, space.count, 0)
            guard got >= 0 else { throw Failure(operation: "recv", code: errno) }
            count = got
        }
        buffer += received
        return !received.isEmpty
    }
}
