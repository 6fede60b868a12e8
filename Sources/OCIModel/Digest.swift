/// The SHA-256 digest of a blob or manifest.
///
/// Only `sha256` exists here: any other algorithm is declined by the mirror, and containerd goes to the
/// registry. Stored as four big-endian 64-bit words, so that comparing and hashing never touch the heap and no
/// digest can hold anything but 32 bytes.
package struct Digest: Hashable, Sendable, Comparable {
    /// The digest's 32 bytes in order, as big-endian words.
    package let words: (UInt64, UInt64, UInt64, UInt64)

    package static let byteCount = 32
    package static let hexCount = 64

    package init(words: (UInt64, UInt64, UInt64, UInt64)) {
        self.words = words
    }

    /// Takes exactly 32 raw bytes; `nil` for any other count.
    package init?(bytes: [UInt8]) {
        guard let digest = bytes.withUnsafeBytes({ Digest(bytes: $0) }) else { return nil }
        self = digest
    }

    /// `init(bytes:)` for bytes in memory. Not generic: each message of a peer names digests, and what is generic is
    /// not specialised for callers in other modules.
    package init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.byteCount else { return nil }
        func word(_ index: Int) -> UInt64 {
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
        }
        words = (word(0), word(1), word(2), word(3))
    }

    /// The digests of which the bytes, 32 each, are made; `nil` when some are left over.
    package static func all(in bytes: UnsafeRawBufferPointer) -> [Digest]? {
        guard bytes.count % byteCount == 0 else { return nil }
        return stride(from: 0, to: bytes.count, by: byteCount).compactMap {
            Digest(bytes: UnsafeRawBufferPointer(rebasing: bytes[$0..<$0 + byteCount]))
        }
    }

    /// Takes exactly 64 lower-case hexadecimal digits (OCI image-spec, `descriptor.md#sha-256`).
    package init?(hex: some StringProtocol) {
        var text = String(hex)
        guard let words = text.withUTF8({ Self.words($0[...]) }) else { return nil }
        self.words = words
    }

    /// Takes `sha256:` and 64 lower-case hexadecimal digits, nothing else.
    package init?(_ text: some StringProtocol) {
        var text = String(text)
        // Bytes, not characters: what looks the same to Unicode is not the same digest.
        let words = text.withUTF8 { bytes in
            bytes.starts(with: Self.prefix.utf8) ? Self.words(bytes.dropFirst(Self.prefix.utf8.count)) : nil
        }
        guard let words else { return nil }
        self.words = words
    }

    fileprivate static let prefix = "sha256:"
    private static let digits = Array("0123456789abcdef".utf8)

    private static func words(_ hex: Slice<UnsafeBufferPointer<UInt8>>) -> (UInt64, UInt64, UInt64, UInt64)? {
        guard hex.count == hexCount else { return nil }
        func word(_ index: Int) -> UInt64? {
            let start = hex.startIndex + index * 16
            var word: UInt64 = 0
            for byte in hex[start..<start + 16] {
                let nibble: UInt8
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"): nibble = byte - UInt8(ascii: "0")
                case UInt8(ascii: "a")...UInt8(ascii: "f"): nibble = byte - UInt8(ascii: "a") + 10
                default: return nil
                }
                word = word << 4 | UInt64(nibble)
            }
            return word
        }
        guard let first = word(0), let second = word(1), let third = word(2), let fourth = word(3) else { return nil }
        return (first, second, third, fourth)
    }

    /// The 32 bytes in order.
    package var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Self.byteCount) { buffer, count in
            for (index, word) in [words.0, words.1, words.2, words.3].enumerated() {
                UnsafeMutableRawBufferPointer(buffer)
                    .storeBytes(of: word.bigEndian, toByteOffset: index * 8, as: UInt64.self)
            }
            count = Self.byteCount
        }
    }

    /// 64 lower-case hexadecimal digits.
    package var hex: String { text(behind: "") }

    fileprivate func text(behind prefix: String) -> String {
        let digits = Self.digits
        return String(unsafeUninitializedCapacity: prefix.utf8.count + Self.hexCount) { text in
            var end = 0
            for byte in prefix.utf8 {
                text[end] = byte
                end += 1
            }
            for word in [words.0, words.1, words.2, words.3] {
                for shift in stride(from: UInt64(60), through: 0, by: -4) {
                    text[end] = digits[Int(truncatingIfNeeded: word >> shift & 15)]
                    end += 1
                }
            }
            return end
        }
    }

    package static func == (left: Digest, right: Digest) -> Bool { left.words == right.words }

    package static func < (left: Digest, right: Digest) -> Bool { left.words < right.words }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }
}

extension Digest: CustomStringConvertible {
    /// `sha256:` and 64 hexadecimal digits, as manifests and paths of the distribution API spell it.
    package var description: String { text(behind: Self.prefix) }
}
