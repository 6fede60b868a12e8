import CZstd
import Glibc

/// zstd (RFC 8878) for single pieces: one frame in, one frame out, size known beforehand.
///
/// The decoder is meant for bytes of strangers. What it writes is bounded by the size the caller expects, and
/// what it allocates does not depend on the input at all, because a one-shot decode needs no window.
package enum ZstdCodec {
    /// Largest window a frame may ask for.
    ///
    /// RFC 9659 allows 8 MiB in HTTP; a piece needs at most 1 MiB.
    package static let windowBytesMax: UInt64 = 1 << 22

    /// Bytes `isWorthTrying` looks at.
    package static let sampleBytes = 4096

    /// One frame with its content size and without a checksum, or `nil` when memory ran out.
    ///
    /// The result may be larger than `bytes`; the caller decides whether it pays.
    package static func compress(_ bytes: UnsafeRawBufferPointer, level: Int32) -> [UInt8]? {
        let bound = ZSTD_compressBound(bytes.count)
        guard ZSTD_isError(bound) == 0, let memory = PackingMemory.take() else { return nil }
        defer { PackingMemory.giveBack(memory) }
        let room = memory.room(bound)
        let written = ZSTD_compressCCtx(
            memory.context, room.baseAddress, room.count, bytes.baseAddress, bytes.count, level)
        guard ZSTD_isError(written) == 0 else { return nil }
        // Of its own size: it waits for the network, and `room` is for the next.
        return [UInt8](room[..<written])
    }

    /// Frees what `compress` keeps between one call and the next: up to some MiB for each thread that packs.
    package static func giveUpMemory() { PackingMemory.giveUp() }

    /// The content of `bytes` when they are exactly one frame of exactly `expectedBytes` of content.
    ///
    /// `nil` for anything else: truncated, trailing or damaged bytes, a skippable or a second frame, a
    /// dictionary, a window above `windowBytesMax`, a missing or different content size. `expectedBytes` is
    /// at least 1.
    package static func decompress(_ bytes: UnsafeRawBufferPointer, expectedBytes: Int) -> [UInt8]? {
        guard expectedBytes >= 1, let base = bytes.baseAddress, let header = FrameHeader(bytes) else {
            return nil
        }
        guard !header.hasDictionary, header.windowBytes ?? 0 <= windowBytesMax,
            ZSTD_getFrameContentSize(base, bytes.count) == UInt64(expectedBytes),
            ZSTD_findFrameCompressedSize(base, bytes.count) == bytes.count,
            let context = ZSTD_createDCtx()
        else { return nil }
        defer { ZSTD_freeDCtx(context) }
        let content = [UInt8](unsafeUninitializedCapacity: expectedBytes) { buffer, count in
            let written = ZSTD_decompressDCtx(context, buffer.baseAddress, expectedBytes, base, bytes.count)
            count = written == expectedBytes ? written : 0
        }
        return content.count == expectedBytes ? content : nil
    }

    /// Whether compressing the piece that begins like `sample` is likely to pay.
    ///
    /// Shannon entropy of the first `sampleBytes`: gzip'd layers sit above 7.8 bits per byte, windows of a
    /// tar mostly below 7.6. Below 1 KiB the estimate means nothing and the gain is nothing: `false`.
    package static func isWorthTrying(sample: UnsafeRawBufferPointer) -> Bool {
        guard sample.count >= 1024, !startsLikeCompressed(sample) else { return false }
        let window = sample.prefix(sampleBytes)
        var counts = [Int](repeating: 0, count: 256)
        for byte in window { counts[Int(byte)] += 1 }
        let total = Double(window.count)
        var entropy = 0.0
        for count in counts where count > 0 {
            let share = Double(count) / total
            entropy -= share * log2(share)
        }
        return entropy < 7.6
    }

    private static func startsLikeCompressed(_ sample: UnsafeRawBufferPointer) -> Bool {
        let gzip: [UInt8] = [0x1f, 0x8b]
        return sample.starts(with: gzip) || sample.starts(with: FrameHeader.magic)
    }
}

/// The fields of a frame's header (RFC 8878, section 3.1.1.1) that say what the decoder would have to
/// provide.
private struct FrameHeader {
    static let magic: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd]

    let hasDictionary: Bool
    /// `nil` for a single segment, whose window is its content.
    let windowBytes: UInt64?

    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 6, bytes.starts(with: Self.magic) else { return nil }
        let descriptor = bytes[4]
        hasDictionary = descriptor & 0b11 != 0
        if descriptor & 0b10_0000 != 0 {
            windowBytes = nil
        } else {
            let base = UInt64(1) << (10 + UInt64(bytes[5] >> 3))
            windowBytes = base + base / 8 * UInt64(bytes[5] & 7)
        }
    }
}
