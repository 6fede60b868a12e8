import CLibSSL

/// This node's side of TLS connections with a service that others run: which authorities it believes, and the
/// certificate to show if the service wants one.
///
/// TLS 1.2 and 1.3, no resumption. The service has to show a certificate of the host that was dialled. Never changes
/// once made, as with `TLSContext`.
package final class TLSServiceContext: Sendable {
    /// Unchecked, as with `TLSContext`.
    nonisolated(unsafe) let pointer: OpaquePointer

    /// `authorities` in PEM, the system's if `nil`. `certificate` in PEM, with any between it and its authority's
    /// behind it, and its key.
    package init(
        authorities: [UInt8]?, certificate: [UInt8]? = nil, key: [UInt8]? = nil
    ) throws(TLSContextError) {
        ERR_clear_error()
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw TLSContextError(.other, .taken()) }
        do throws(TLSContextError) {
            try Self.fill(context, authorities, certificate, key)
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        pointer = context
    }

    deinit { SSL_CTX_free(pointer) }

    private static func fill(
        _ context: OpaquePointer, _ authorities: [UInt8]?, _ certificate: [UInt8]?, _ key: [UInt8]?
    ) throws(TLSContextError) {
        guard hawker_ssl_from_12(context) != 0, hawker_ssl_no_resumption(context) != 0 else {
            throw TLSContextError(.other, .taken())
        }
        hawker_ssl_bounds(context, TLSContext.chainBytesMax)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        if let authorities {
            try TLSContextError.attributed(to: .authorities(0)) { () throws(TLSError) in
                try TLSContext.trust(authorities, in: context)
            }
        } else if SSL_CTX_set_default_verify_paths(context) != 1 {
            throw TLSContextError(.other, .taken())
        }
        if let certificate {
            _ = try TLSContextError.attributed(to: .certificate) { () throws(TLSError) in
                try TLSContext.use(chain: certificate, in: context)
            }
        }
        if let key {
            try TLSContextError.attributed(to: .key) { () throws(TLSError) in
                try TLSContext.use(key: key, in: context)
            }
        }
    }
}
