import CLibSSL

/// One TLS connection without a socket: bytes that came go in, bytes to send come out.
///
///     handshaking --handshake() returns true--> open --first error, or the other side's end--> ended
///
/// After an error no call gives anything else. Not thread-safe: one owner at a time. Between calls it holds the part
/// of a record that has come, and of what `receive` gave only what was not read yet.
package final class TLSSession {
    /// Who speaks first.
    package enum Side: Sendable {
        /// It dialled.
        case client
        case server
    }

    /// What `read` found.
    package enum Reading: Equatable, Sendable {
        case bytes(Int)
        /// More has to be received first.
        case wait
        /// The other side said that it sends no more.
        case end
    }

    /// A key of AES-GCM is good for 2^24.5 records (RFC 8446 section 5.5); the next one comes far earlier.
    private static let keyBytesMax = 64 << 30

    private let ssl: OpaquePointer
    private let pipe: BytePipe
    private let side: Side
    private let keyBytesMax: Int
    private var keyBytes = 0
    private var failure: TLSError?

    package convenience init(_ context: TLSContext, _ side: Side, keyBytesMax: Int = TLSSession.keyBytesMax) {
        self.init(context.pointer, side, keyBytesMax: keyBytesMax)
    }

    /// With a service at `host`, a name or a literal address, which its certificate has to list.
    package convenience init(_ context: TLSServiceContext, host: String) throws(TLSError) {
        self.init(context.pointer, .client, keyBytesMax: Self.keyBytesMax)
        // Of a literal address it checks the certificate's addresses.
        guard SSL_set1_host(ssl, host) == 1, hawker_ssl_name_server(ssl, host) != 0 else { throw .taken() }
    }

    /// The session counts as an owner of the context.
    private init(_ context: OpaquePointer, _ side: Side, keyBytesMax: Int) {
        guard let ssl = SSL_new(context) else { preconditionFailure("out of memory for a TLS connection") }
        pipe = BytePipe()
        let bio = pipe.makeBIO()
        // Both directions share it, and the one reference goes with `ssl`.
        SSL_set_bio(ssl, bio, bio)
        switch side {
        case .client: SSL_set_connect_state(ssl)
        case .server: SSL_set_accept_state(ssl)
        }
        self.ssl = ssl
        self.side = side
        self.keyBytesMax = keyBytesMax
    }

    deinit { SSL_free(ssl) }

    /// Goes on with the handshake as far as it can; true once it is over on this side. There may be output, also when
    /// it throws: the alert that tells the other side why.
    package func handshake() throws(TLSError) -> Bool {
        try requireSound()
        ERR_clear_error()
        let status = SSL_do_handshake(ssl)
        if status == 1 { return true }
        if SSL_get_error(ssl, status) == SSL_ERROR_WANT_READ { return false }
        let result = SSL_get_verify_result(ssl)
        let taken = TLSError.taken()
        // Of the errors of a certificate only this one is kept in the session; the queue says just that it failed.
        if result != Int(X509_V_OK) { throw fail(.badCertificate(TLSContext.text(of: Int32(clamping: result)))) }
        throw fail(taken)
    }

    /// Takes what came from the other side, to be handed out by `handshake` and `read`.
    package func receive(_ bytes: UnsafeRawBufferPointer) { pipe.receive(bytes) }

    /// Runs `body`, which reads, with `bytes` as what came; what it leaves is kept for later.
    package func receiving<T>(_ bytes: UnsafeRawBufferPointer, _ body: () -> T) -> T { pipe.receiving(bytes, body) }

    /// Fills `buffer` as far as whole records have come.
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(TLSError) -> Reading {
        var filled = 0
        while filled < buffer.count {
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            do throws(TLSError) {
                guard case .bytes(let count) = try readRecord(into: room) else { break }
                filled += count
            } catch where filled > 0 {
                // What came before the error is good; the next call tells of it.
                break
            }
        }
        return filled > 0 ? .bytes(filled) : try readRecord(into: buffer)
    }

    private func readRecord(into buffer: UnsafeMutableRawBufferPointer) throws(TLSError) -> Reading {
        try requireSound()
        ERR_clear_error()
        var count = 0
        let status = SSL_read_ex(ssl, buffer.baseAddress, buffer.count, &count)
        if status == 1 { return .bytes(count) }
        switch SSL_get_error(ssl, status) {
        case SSL_ERROR_WANT_READ: return .wait
        case SSL_ERROR_ZERO_RETURN: return .end
        default: throw fail(.taken())
        }
    }

    /// Turns bytes into records, which are then output. Only after the handshake.
    ///
    /// Output grows in the memory of `memory`, whose content does not matter, so that a caller who is done with what it
    /// took before can have it used again.
    package func write(_ bytes: UnsafeRawBufferPointer, memory: consuming [UInt8] = []) throws(TLSError) {
        try requireSound()
        keyBytes += bytes.count
        if keyBytes >= keyBytesMax {
            keyBytes = 0
            SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED)
        }
        pipe.lend(memory)
        var rest = bytes
        while !rest.isEmpty {
            ERR_clear_error()
            var count = 0
            guard SSL_write_ex(ssl, rest.baseAddress, rest.count, &count) == 1 else { throw fail(.taken()) }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    /// Says that this side sends no more; only once, and only after the handshake.
    package func end() {
        guard failure == nil else { return }
        ERR_clear_error()
        SSL_shutdown(ssl)
        ERR_clear_error()
    }

    /// What is to be sent now; empty when nothing is.
    package func takeOutput() -> [UInt8] { pipe.takeOutput() }

    // MARK: The other side

    /// What the other side's certificate says: verified, once `handshake` returned true.
    package var peerCertificate: Certificate? { SSL_get0_peer_certificate(ssl).map { Certificate($0) } }

    /// Whether another context, such as one with newer authorities, would take the other side's certificate now.
    package func isTrusted(by context: TLSContext) -> Bool {
        let purpose = side == .client ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT
        let chain = SSL_get_peer_cert_chain(ssl)
        return context.verify(SSL_get0_peer_certificate(ssl), chain: chain, purpose: purpose) == X509_V_OK
    }

    private func requireSound() throws(TLSError) {
        if let failure { throw failure }
    }

    private func fail(_ error: TLSError) -> TLSError {
        failure = error
        return error
    }
}
