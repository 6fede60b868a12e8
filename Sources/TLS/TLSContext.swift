import CLibSSL
import Glibc

/// One node's side of every TLS connection: its certificate and key, and the authorities whose certificates it takes.
///
/// TLS 1.3 only, certificates on both sides, no resumption. Never changes once made, so that it may be used on any
/// thread; new files make a new one, and what runs goes on with the old.
package final class TLSContext: Sendable {
    /// Certificates between a node's and its authority's, both included, and bytes of such a chain.
    private static let chainDepthMax: Int32 = 4
    static let chainBytesMax: Int32 = 32 << 10
    /// The fastest where the processor knows AES, then the one for those that do not.
    private static let ciphers = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

    /// This node's own.
    package let certificate: Certificate
    /// Unchecked: OpenSSL counts and locks its contexts, and nobody changes this one after `init`.
    nonisolated(unsafe) let pointer: OpaquePointer

    /// `certificate` is in PEM: the node's own first, then those up to its authority's, if any; `authorities` is any
    /// number of such texts, each with any number of certificates. `unusable` says which of them is not good.
    package init(certificate: [UInt8], key: [UInt8], authorities: [[UInt8]]) throws(TLSContextError) {
        ERR_clear_error()
        guard let context = SSL_CTX_new(TLS_method()) else { throw TLSContextError(.other, .taken()) }
        do throws(TLSContextError) {
            self.certificate = try Self.fill(context, certificate, key, authorities)
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        pointer = context
        if let problem = ownProblem() { throw TLSContextError(.certificate, .unusable(problem)) }
    }

    deinit { SSL_CTX_free(pointer) }

    private static func fill(
        _ context: OpaquePointer, _ certificate: [UInt8], _ key: [UInt8], _ authorities: [[UInt8]]
    ) throws(TLSContextError) -> Certificate {
        guard hawker_ssl_only_13(context) != 0, hawker_ssl_no_resumption(context) != 0,
            SSL_CTX_set_ciphersuites(context, ciphers) == 1
        else { throw TLSContextError(.other, .taken()) }
        hawker_ssl_bounds(context, chainBytesMax)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        SSL_CTX_set_verify_depth(context, chainDepthMax)
        let own = try TLSContextError.attributed(to: .certificate) { () throws(TLSError) in
            try use(chain: certificate, in: context)
        }
        try TLSContextError.attributed(to: .key) { () throws(TLSError) in try use(key: key, in: context) }
        for (number, text) in authorities.enumerated() {
            try TLSContextError.attributed(to: .authorities(number)) { () throws(TLSError) in
                try trust(text, in: context)
            }
        }
        return own
    }

    static func use(chain text: [UInt8], in context: OpaquePointer) throws(TLSError) -> Certificate {
        let chain = try PEM.certificates(text)
        defer { PEM.free(chain) }
        guard let own = chain.first, SSL_CTX_use_certificate(context, own) == 1 else { throw .taken() }
        for certificate in chain.dropFirst() {
            guard hawker_ssl_add_chain_certificate(context, certificate) != 0 else { throw .taken() }
        }
        return Certificate(own)
    }

    static func use(key text: [UInt8], in context: OpaquePointer) throws(TLSError) {
        let key = try PEM.key(text)
        defer { EVP_PKEY_free(key) }
        let used = SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1
        ERR_clear_error()
        guard used else { throw .unusable("is not the key of the certificate") }
    }

    static func trust(_ text: [UInt8], in context: OpaquePointer) throws(TLSError) {
        let authorities = try PEM.certificates(text)
        defer { PEM.free(authorities) }
        let store = SSL_CTX_get_cert_store(context)
        // What is named is trusted, also when another authority has signed it: such are often all that a node gets.
        X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
        for authority in authorities {
            guard X509_STORE_add_cert(store, authority) == 1 else { throw .taken() }
        }
    }

    /// What keeps the others, which trust the same authorities, from taking this node's certificate. That its time is
    /// over, or has not come, is left out: files may be about to be renewed.
    private func ownProblem() -> String? {
        let own = SSL_CTX_get0_certificate(pointer)
        let (chain, flags) = (hawker_ssl_chain(pointer), UInt(X509_V_FLAG_NO_CHECK_TIME))
        for (purpose, usage) in [(X509_PURPOSE_SSL_SERVER, "server auth"), (X509_PURPOSE_SSL_CLIENT, "client auth")] {
            switch verify(own, chain: chain, purpose: purpose, flags: flags) {
            case X509_V_OK: continue
            case X509_V_ERR_INVALID_PURPOSE: return "is not made for \(usage), which its extended key usage lacks"
            case let result: return "is of none of the authorities: \(Self.text(of: result))"
            }
        }
        return nil
    }

    /// The result of verifying a certificate with those that were sent beside it, `X509_V_OK` if it is good.
    func verify(_ certificate: OpaquePointer?, chain: OpaquePointer?, purpose: Int32, flags: UInt = 0) -> Int32 {
        guard let certificate, let verification = X509_STORE_CTX_new() else { return X509_V_ERR_UNSPECIFIED }
        defer {
            X509_STORE_CTX_free(verification)
            ERR_clear_error()
        }
        let store = SSL_CTX_get_cert_store(pointer)
        guard X509_STORE_CTX_init(verification, store, certificate, chain) == 1 else {
            return X509_V_ERR_UNSPECIFIED
        }
        X509_STORE_CTX_set_depth(verification, Self.chainDepthMax)
        X509_STORE_CTX_set_purpose(verification, purpose)
        X509_STORE_CTX_set_flags(verification, flags)
        if X509_verify_cert(verification) == 1 { return X509_V_OK }
        return X509_STORE_CTX_get_error(verification)
    }

    static func text(of result: Int32) -> String { String(cString: X509_verify_cert_error_string(Int(result))) }
}

/// Which of a context's texts cannot be used, and why.
package struct TLSContextError: Error, Hashable, Sendable {
    /// The texts as `TLSContext.init` takes them; authorities by number.
    package enum Text: Hashable, Sendable {
        case certificate
        case key
        case authorities(Int)
        case other
    }

    package let text: Text
    package let reason: TLSError

    init(_ text: Text, _ reason: TLSError) {
        self.text = text
        self.reason = reason
    }

    static func attributed<T>(to text: Text, _ body: () throws(TLSError) -> T) throws(TLSContextError) -> T {
        do throws(TLSError) { return try body() } catch { throw TLSContextError(text, error) }
    }
}
