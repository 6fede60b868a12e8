/// One HTTP exchange as the engine shall perform it.
///
/// Redirects are never followed.
package struct TransferRequest: Sendable {
    package enum Method: String, Sendable {
        case get = "GET", head = "HEAD", post = "POST", put = "PUT", patch = "PATCH"
    }

    package enum Version: Sendable {
        case http1
        /// Without TLS and without asking first, as gRPC on a Unix socket speaks it; one request per
        /// connection.
        case http2PriorKnowledge
    }

    /// PEM files with which this side proves who it is when a server asks for it.
    package struct ClientCertificate: Hashable, Sendable {
        package let certificateFile: String
        package let keyFile: String

        package init(certificateFile: String, keyFile: String) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
        }
    }

    /// Limits of time, in milliseconds; each is a failure of its own phase.
    package struct Timeouts: Sendable {
        /// Name resolution, TCP and TLS together.
        package var connect: UInt64
        /// From an established connection (or one taken from the pool) to the end of the response head.
        package var head: UInt64
        /// Without one byte of body; does not run while the transfer is paused.
        package var stall: UInt64
        /// The whole exchange, pauses included; `nil` for none. What a server sends a byte at a time ends here.
        package var total: UInt64?

        package init(
            connect: UInt64 = 10_000, head: UInt64 = 10_000, stall: UInt64 = 20_000, total: UInt64? = nil
        ) {
            self.connect = connect
            self.head = head
            self.stall = stall
            self.total = total
        }
    }

    /// Response head and trailers above this are a failure.
    package static let headBytesMax = 64 << 10

    package var method: Method
    package var url: TransferURL
    /// Sent as they are; a name or value with a line break fails the transfer.
    package var headers: [(name: String, value: String)] = []
    package var body: [UInt8]?
    /// PEM file of authorities trusted for this request beside the system's own.
    package var caFile: String?
    package var clientCertificate: ClientCertificate?
    /// Asks this proxy to dial the URL's host.
    package var proxy: TransferProxy?
    /// Undoes a `Content-Encoding` that libcurl knows; else the body comes as it was sent.
    package var decodesBody = false
    /// Dials this Unix socket instead of the URL's host; the path is taken as an operator's own.
    package var unixSocket: String?
    package var version = Version.http1
    package var addressPolicy = AddressPolicy.any
    package var timeouts = Timeouts()

    package init(_ method: Method, _ url: TransferURL) {
        self.method = method
        self.url = url
    }
}

/// What is known at the end of a transfer that got its whole response.
package struct TransferSummary: Sendable {
    /// Body bytes delivered to `onBody`.
    package let bodyBytes: Int64
    package let trailers: HeaderFields
}
