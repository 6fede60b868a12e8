import COpenSSL

/// OpenSSL as a whole.
package enum HashLibrary {
    /// Has OpenSSL leave its memory to the kernel when the process exits. To be called before anything else of it.
    ///
    /// By default it takes its locks away then (OPENSSL_init_crypto(3), OPENSSL_INIT_NO_ATEXIT), and a thread that
    /// still hashes would end the process with a fault.
    package static func keepToTheEnd() {
        let done = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil)
        precondition(done == 1, "OpenSSL cannot be set up")
    }
}
