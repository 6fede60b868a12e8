import COpenSSL
package import OCIModel

/// An incremental SHA-256 over OpenSSL's EVP interface, which picks the fastest code for the processor.
///
/// Not thread-safe: one owner at a time. An allocation failure inside OpenSSL ends the process, as it does
/// for every Swift allocation.
package struct SHA256Hasher: ~Copyable {
    private let context: OpaquePointer

    package init() {
        guard let context = EVP_MD_CTX_new() else { preconditionFailure("out of memory for a hash context") }
        self.context = context
        restart()
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Forgets all bytes seen.
    package mutating func reset() { restart() }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        let done = EVP_DigestUpdate(context, base, bytes.count)
        precondition(done == 1, "EVP_DigestUpdate fails only when misused")
    }

    /// The digest of all bytes since `init` or the last `finalize`; the hasher is then as new.
    package mutating func finalize() -> Digest {
        let words = withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Digest.byteCount / 8) { words in
            words.initialize(repeating: 0)
            let done = words.withMemoryRebound(to: UInt8.self) {
                EVP_DigestFinal_ex(context, $0.baseAddress, nil)
            }
            precondition(done == 1, "EVP_DigestFinal_ex fails only when misused")
            return (
                UInt64(bigEndian: words[0]), UInt64(bigEndian: words[1]),
                UInt64(bigEndian: words[2]), UInt64(bigEndian: words[3])
            )
        }
        restart()
        return Digest(words: words)
    }

    package static func hash(_ bytes: UnsafeRawBufferPointer) -> Digest {
        var hasher = SHA256Hasher()
        hasher.update(bytes)
        return hasher.finalize()
    }

    package static func hash(_ bytes: [UInt8]) -> Digest {
        bytes.withUnsafeBytes { hash($0) }
    }

    private func restart() {
        let done = EVP_DigestInit_ex(context, EVP_sha256(), nil)
        precondition(done == 1, "OpenSSL has no SHA-256")
    }
}
