import Compression
import Testing

/// A frame of RLE blocks, built by hand so that every header field can be chosen.
private func frame(
    descriptor: UInt8,
    window: UInt8? = nil,
    dictionary: [UInt8] = [],
    contentSize: [UInt8],
    runs: [Int]
) -> [UInt8] {
    var bytes: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, descriptor]
    if let window { bytes.append(window) }
    bytes += dictionary + contentSize
    for (index, run) in runs.enumerated() {
        let header = UInt32(run) << 3 | 1 << 1 | (index == runs.count - 1 ? 1 : 0)
        bytes += [UInt8(header & 255), UInt8(header >> 8 & 255), UInt8(header >> 16 & 255), 0]
    }
    return bytes
}

private func littleEndian(_ value: UInt32) -> [UInt8] {
    [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
}

private func decompress(_ bytes: [UInt8], _ expectedBytes: Int) -> [UInt8]? {
    bytes.withUnsafeBytes { ZstdCodec.decompress($0, expectedBytes: expectedBytes) }
}

private func compress(_ bytes: [UInt8]) -> [UInt8]? {
    bytes.withUnsafeBytes { ZstdCodec.compress($0, level: 1) }
}

/// Deterministic bytes without structure.
private func noise(_ count: Int) -> [UInt8] {
    var state: UInt64 = 7
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}

private let text = Array(String(repeating: "usr/lib/x86_64-linux-gnu/libexample.so.1\n", count: 4000).utf8)

@Suite("zstd")
struct ZstdCodecTests {
    @Test("what was compressed comes back", arguments: [1, 2, 100, 65_536, 164_000, 1 << 20])
    func roundTrip(count: Int) throws {
        for bytes in [Array(repeatElement(text, count: 7).joined().prefix(count)), noise(count)] {
            let packed = try #require(compress(bytes))
            #expect(decompress(packed, bytes.count) == bytes)
        }
    }

    @Test("a piece packs the same in memory that others were packed in, and in fresh one")
    func usedMemory() throws {
        func pack(_ count: Int, level: Int32) throws -> [UInt8] {
            let bytes = Array(repeatElement(text, count: 7).joined().prefix(count))
            let packed = try #require(bytes.withUnsafeBytes { ZstdCodec.compress($0, level: level) })
            #expect(decompress(packed, count) == bytes)
            return packed
        }
        let kinds: [(Int, Int32)] = [(1 << 20, 6), (65_536, 1), (100, 3), (1 << 20, 1), (65_536, 6)]
        let fresh = try kinds.map { count, level in
            ZstdCodec.giveUpMemory()
            return try pack(count, level: level)
        }
        #expect(try kinds.map { try pack($0, level: $1) } == fresh)
    }

    @Test("the content size must be the expected one to the byte")
    func size() throws {
        let zeros = [UInt8](repeating: 0, count: 4 << 20)
        let packed = try #require(compress(zeros))
        #expect(packed.count < 1024)
        #expect(decompress(packed, 4 << 20) == zeros)
        for expected in [0, -1, 1, 4 << 20 - 1, (4 << 20) + 1, Int.max] {
            #expect(decompress(packed, expected) == nil)
        }
    }

    @Test("every truncation and every trailing byte is refused")
    func bounds() throws {
        let packed = try #require(compress(Array(text.prefix(3000))))
        for count in 0..<packed.count { #expect(decompress(Array(packed.prefix(count)), 3000) == nil) }
        #expect(decompress(packed + [0], 3000) == nil)
        #expect(decompress(packed + packed, 3000) == nil)
        #expect(decompress(packed + packed, 6000) == nil)
    }

    @Test("hand-made frames: the plain one is taken, each forbidden field is refused")
    func forbiddenFields() {
        let size = littleEndian(1000)
        // Four-byte content size is descriptor bits 7-6 = 2; bit 5 is the single segment.
        #expect(decompress(frame(descriptor: 0xa0, contentSize: size, runs: [1000]), 1000)?.count == 1000)
        #expect(
            decompress(frame(descriptor: 0x80, window: 12 << 3, contentSize: size, runs: [1000]), 1000)?.count
                == 1000
        )
        let refused: [(String, [UInt8])] = [
            ("window 2^27", frame(descriptor: 0x80, window: 17 << 3, contentSize: size, runs: [1000])),
            (
                "window 2^22 and an eighth",
                frame(descriptor: 0x80, window: 12 << 3 | 1, contentSize: size, runs: [1000])
            ),
            ("largest window", frame(descriptor: 0x80, window: 255, contentSize: size, runs: [1000])),
            ("dictionary", frame(descriptor: 0xa1, dictionary: [9], contentSize: size, runs: [1000])),
            (
                "dictionary 0",
                frame(descriptor: 0xa3, dictionary: [0, 0, 0, 0], contentSize: size, runs: [1000])
            ),
            ("no content size", frame(descriptor: 0x00, window: 8, contentSize: [], runs: [1000])),
            ("content longer than it says", frame(descriptor: 0xa0, contentSize: size, runs: [1000, 1])),
            ("content shorter than it says", frame(descriptor: 0xa0, contentSize: size, runs: [999])),
            ("checksum missing", frame(descriptor: 0xa4, contentSize: size, runs: [1000])),
            ("checksum wrong", frame(descriptor: 0xa4, contentSize: size, runs: [1000]) + [1, 2, 3, 4]),
            ("reserved bit", frame(descriptor: 0xa8, contentSize: size, runs: [1000])),
            ("skippable frame", [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]),
            (
                "skippable before",
                [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]
                    + frame(descriptor: 0xa0, contentSize: size, runs: [1000])
            ),
            (
                "skippable after",
                frame(descriptor: 0xa0, contentSize: size, runs: [1000]) + [
                    0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0,
                ]
            ),
            ("not zstd", [UInt8](repeating: 0x1f, count: 64)),
        ]
        for (name, bytes) in refused { #expect(decompress(bytes, 1000) == nil, "\(name)") }
    }

    @Test("a content size of sixteen exabytes allocates nothing")
    func hugeContentSize() {
        let bytes = frame(descriptor: 0xe0, contentSize: [UInt8](repeating: 255, count: 8), runs: [1000])
        #expect(decompress(bytes, 1000) == nil)
    }

    @Test("flipped bits never give a wrong size")
    func flips() throws {
        let packed = try #require(compress(Array(text.prefix(5000))))
        for index in packed.indices {
            for bit in 0..<8 {
                var damaged = packed
                damaged[index] ^= 1 << UInt8(bit)
                if let bytes = decompress(damaged, 5000) { #expect(bytes.count == 5000) }
            }
        }
    }

    @Test("text is worth trying; noise, compressed streams and scraps are not")
    func worth() throws {
        func worth(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { ZstdCodec.isWorthTrying(sample: $0) } }
        #expect(worth(Array(text.prefix(4096))))
        #expect(worth(text))
        #expect(worth([UInt8](repeating: 0, count: 4096)))
        #expect(!worth(noise(4096)))
        #expect(!worth(noise(1024)))
        #expect(!worth(Array(text.prefix(1023))))
        #expect(!worth([0x1f, 0x8b] + text.prefix(4094)))
        #expect(!worth([0x28, 0xb5, 0x2f, 0xfd] + text.prefix(4094)))
        #expect(!worth([]))
    }
}
