import CLibuv

/// Why an operation of the loop failed, in symbols; text is for the log and the command line to make.
package struct LoopError: Error, Hashable, Sendable {
    package enum Code: Hashable, Sendable {
        case connectionRefused
        case timedOut
        /// The other side broke the connection.
        case reset
        /// Written after the other side stopped reading, or after this side's `shutdown`.
        case brokenPipe
        case unreachable
        case nameNotFound
        case addressInUse
        case addressNotAvailable
        /// Not an address at all, or a Unix path longer than 107 bytes.
        case invalidAddress
        case permissionDenied
        case notFound
        case tooManyFiles
        /// A file ended before the bytes promised.
        case endOfFile
        /// The object was closed or dropped first.
        case canceled
        /// The symbolic name of any other errno value, for example `ENOTSOCK`.
        case other(String)
    }

    package let code: Code
    /// The call that failed, for example `connect`.
    package let operation: String

    package init(_ code: Code, _ operation: String) {
        self.code = code
        self.operation = operation
    }

    /// From a negative libuv status, which on Linux is a negative errno value or one of libuv's own.
    init(status: Int32, _ operation: String) {
        self.init(Code(status: status), operation)
    }
}

extension LoopError.Code {
    fileprivate init(status: Int32) {
        self =
            switch uv_errno_t(rawValue: status) {
            case UV_ECONNREFUSED: .connectionRefused
            case UV_ETIMEDOUT: .timedOut
            case UV_ECONNRESET, UV_ECONNABORTED: .reset
            case UV_EPIPE: .brokenPipe
            case UV_EHOSTUNREACH, UV_ENETUNREACH, UV_ENETDOWN, UV_EHOSTDOWN: .unreachable
            case UV_EAI_NONAME, UV_EAI_NODATA, UV_EAI_AGAIN, UV_EAI_FAIL: .nameNotFound
            case UV_EADDRINUSE: .addressInUse
            case UV_EADDRNOTAVAIL: .addressNotAvailable
            case UV_EINVAL, UV_EAFNOSUPPORT, UV_ENAMETOOLONG: .invalidAddress
            case UV_EACCES, UV_EPERM: .permissionDenied
            case UV_ENOENT: .notFound
            case UV_EMFILE, UV_ENFILE: .tooManyFiles
            case UV_EOF: .endOfFile
            case UV_ECANCELED: .canceled
            default: .other(Self.name(status))
            }
    }

    private static func name(_ status: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let base = buffer.baseAddress else { return "\(status)" }
            return String(cString: uv_err_name_r(status, base, buffer.count))
        }
    }
}

extension LoopError: CustomStringConvertible {
    package var description: String { "\(operation): \(code)" }
}
