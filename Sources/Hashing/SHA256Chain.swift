import COpenSSL
package import OCIModel

/// An incremental SHA-256 that can begin behind bytes it has not seen, given what they left behind.
///
/// SHA-256 takes its message in blocks of 64 bytes; of all blocks so far it keeps 32 bytes, its *state* (FIPS 180-4,
/// section 6.2.2: the intermediate hash value). Whoever knows the state before some blocks and the state behind them
/// can check these blocks alone, and who has checked all of them has checked the whole message: each by one pass, in
/// any order. To find other bytes that lead from the one state to the other is as hard as a collision of SHA-256.
///
/// A value: a copy goes on by itself.
package struct SHA256Chain: Sendable {
    package static let blockBytes = 64

    private var context = SHA256_CTX()

    /// At the start of a message.
    package init() {
        let done = SHA256_Init(&context)
        precondition(done == 1, "SHA256_Init does not fail")
    }

    /// Behind `byteCount` bytes, whole blocks, that led to `state`.
    package init(after state: Digest, byteCount: Int64) {
        precondition(byteCount >= 0 && byteCount % Int64(Self.blockBytes) == 0, "states lie between blocks")
        self.init()
        let words = state.words
        context.h = (
            UInt32(truncatingIfNeeded: words.0 >> 32), UInt32(truncatingIfNeeded: words.0),
            UInt32(truncatingIfNeeded: words.1 >> 32), UInt32(truncatingIfNeeded: words.1),
            UInt32(truncatingIfNeeded: words.2 >> 32), UInt32(truncatingIfNeeded: words.2),
            UInt32(truncatingIfNeeded: words.3 >> 32), UInt32(truncatingIfNeeded: words.3)
        )
        let bits = UInt64(byteCount) &* 8
        context.Nl = UInt32(truncatingIfNeeded: bits)
        context.Nh = UInt32(truncatingIfNeeded: bits >> 32)
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        let done = SHA256_Update(&context, base, bytes.count)
        precondition(done == 1, "SHA256_Update does not fail")
    }

    /// The state behind the bytes so far, which have to be whole blocks.
    package var state: Digest {
        precondition(context.num == 0, "states lie between blocks")
        let h = context.h
        func word(_ high: UInt32, _ low: UInt32) -> UInt64 { UInt64(high) << 32 | UInt64(low) }
        return Digest(words: (word(h.0, h.1), word(h.2, h.3), word(h.4, h.5), word(h.6, h.7)))
    }

    /// The digest of a message that ends here.
    package var digest: Digest {
        var copy = context
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &words) { bytes in
            let done = SHA256_Final(bytes.bindMemory(to: UInt8.self).baseAddress, &copy)
            precondition(done == 1, "SHA256_Final does not fail")
        }
        return Digest(
            words: (
                UInt64(bigEndian: words.0), UInt64(bigEndian: words.1),
                UInt64(bigEndian: words.2), UInt64(bigEndian: words.3)
            ))
    }
}
