import CLibSSL

/// Why a handshake or a connection failed, or files are of no use.
package enum TLSError: Error, Hashable, Sendable {
    /// What came is not TLS.
    case notTLS
    /// The two sides have no version of TLS in common; only 1.3 is spoken here.
    case version
    /// The other side showed no certificate.
    case noCertificate
    /// The other side's certificate is not good, in OpenSSL's words.
    case badCertificate(String)
    /// The other side ended it with this alert (RFC 8446 section 6).
    case alert(String)
    /// The other side ended the connection, or the time for it was over, before the handshake was.
    case cutOff
    /// A certificate, key or list of authorities cannot be used, in a few words that follow the file's name.
    case unusable(String)
    /// Anything else, in OpenSSL's words.
    case failed(String)
}

extension TLSError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notTLS: "what came is not TLS"
        case .version: "no common version of TLS: only 1.3 is spoken"
        case .noCertificate: "no certificate was shown"
        case .badCertificate(let reason): "the certificate is not good: \(reason)"
        case .alert(let text): "the other side says: \(text)"
        case .cutOff: "the other side hung up, or took too long"
        case .unusable(let reason), .failed(let reason): reason
        }
    }
}

extension TLSError {
    /// The newest error of this thread's queue, which is then empty.
    static func taken() -> TLSError {
        let error = ERR_peek_last_error()
        defer { ERR_clear_error() }
        let reason = hawker_err_reason(error)
        guard error != 0, hawker_err_is_ssl(error) != 0 else { return .failed(text(of: error)) }
        switch reason {
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_BAD_RECORD_TYPE:
            return .notTLS
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_NO_PROTOCOLS_AVAILABLE, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
            return .version
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return .noCertificate
        case 1000...1255:
            // ssl_err(3): reasons from SSL_AD_REASON_OFFSET on are alerts that came.
            return .alert(String(cString: SSL_alert_desc_string_long(reason - 1000)))
        default:
            return .failed(text(of: error))
        }
    }

    private static func text(of error: UInt) -> String {
        guard error != 0, let reason = ERR_reason_error_string(error) else { return "TLS failed" }
        return String(cString: reason)
    }
}
