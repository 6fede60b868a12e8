import CCurl

/// Why a transfer did not complete; an HTTP status is never one of these.
package struct TransferError: Error, Hashable, Sendable {
    package enum Phase: Hashable, Sendable { case connect, head, body }

    package enum Kind: Hashable, Sendable {
        /// The request itself cannot be sent: a header with a line break, a CA or certificate file that cannot be
        /// read.
        case invalidRequest
        case nameNotFound
        case connectFailed
        /// The address policy forbids the address the name led to; nothing was sent there.
        case addressRefused
        case timedOut(Phase)
        /// The server's certificate is not valid for this name under the trusted authorities.
        case certificateRejected
        case tlsFailed
        /// The connection ended before the response did.
        case truncated
        case connectionLost
        /// More head than `TransferRequest.headBytesMax`.
        case headTooLarge
        case protocolViolation
        /// The engine was closed.
        case closed
    }

    package let kind: Kind
    /// libcurl's own words for an operator; may name hosts and files, never holds a header or credential.
    package let detail: String

    package init(_ kind: Kind, detail: String = "") {
        self.kind = kind
        self.detail = detail
    }

    init(code: CURLcode, detail: String, headArrived: Bool) {
        let kind: Kind =
            switch code {
            case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .nameNotFound
            case CURLE_COULDNT_CONNECT, CURLE_PROXY: .connectFailed
            case CURLE_OPERATION_TIMEDOUT: .timedOut(headArrived ? .body : .connect)
            case CURLE_PEER_FAILED_VERIFICATION: .certificateRejected
            case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR: .tlsFailed
            case CURLE_PARTIAL_FILE: .truncated
            case CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_HTTP2_STREAM:
                headArrived ? .truncated : .connectionLost
            case CURLE_HTTP2, CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING:
                .protocolViolation
            case CURLE_URL_MALFORMAT, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM, CURLE_BAD_FUNCTION_ARGUMENT,
                CURLE_UNKNOWN_OPTION,
                CURLE_OUT_OF_MEMORY:
                .invalidRequest
            // Among them CURLE_UNSUPPORTED_PROTOCOL, which here means an answer without a status line.
            default: .protocolViolation
            }
        self.init(kind, detail: detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail)
    }
}
