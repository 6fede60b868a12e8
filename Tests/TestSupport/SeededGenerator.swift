/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"): the same seed gives the
/// same sequence on every machine, so that a failing seed can be replayed.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Bytes that do not compress, the same for the same generator state.
    package mutating func bytes(count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            for offset in stride(from: 0, to: count - count % 8, by: 8) {
                bytes.storeBytes(of: next().littleEndian, toByteOffset: offset, as: UInt64.self)
            }
            if count % 8 != 0 {
                var word = next()
                for offset in (count - count % 8)..<count {
                    bytes[offset] = UInt8(truncatingIfNeeded: word)
                    word >>= 8
                }
            }
            initialized = count
        }
    }
}
