import Hashing
import OCIModel
import Testing

@Suite("SHA-256 from one state to the next")
struct SHA256ChainTests {
    private func noise(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 0x9E37_79B9 >> 11) }
    }

    private func chain(_ bytes: some Sequence<UInt8>, from start: SHA256Chain = SHA256Chain()) -> SHA256Chain {
        var chain = start
        Array(bytes).withUnsafeBytes { chain.update($0) }
        return chain
    }

    @Test("the state behind the first block of the standard's two-block example is the one that it prints")
    func standard() throws {
        // FIPS 180-2, appendix B.2.
        let message = Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)
        let state = chain(message + [0x80] + [UInt8](repeating: 0, count: 7)).state
        #expect(state.hex == "85e655d6417a17953363376a624cde5c76e09589cac5f811cc4b32c1f20e533a")
        #expect(
            chain(message).digest.hex == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    }

    @Test("whoever begins behind some blocks comes to the digest of the whole", arguments: [0, 64, 4096, 65536])
    func resumed(split: Int) {
        for rest in [0, 1, 63, 64, 65, 1000] {
            let bytes = noise(split + rest)
            let state = chain(bytes[..<split]).state
            let behind = SHA256Chain(after: state, byteCount: Int64(split))
            #expect(chain(bytes[split...], from: behind).digest == SHA256Hasher.hash(bytes), "split \(split) + \(rest)")
        }
    }

    @Test("the length counts beyond what 32 bits of bits can say")
    func long() {
        let state = SHA256Hasher.hash([1])
        let far = SHA256Chain(after: state, byteCount: 1 << 32)
        #expect(far.digest != SHA256Chain(after: state, byteCount: 0).digest)
        #expect(far.digest != SHA256Chain(after: state, byteCount: 1 << 29).digest)
    }

    @Test("a copy goes on by itself, and a digest ends nothing")
    func copies() {
        let bytes = noise(300)
        let first = chain(bytes[..<128])
        let (left, right) = (chain([7], from: first), chain(bytes[128...], from: first))
        _ = first.digest
        #expect(left.digest == SHA256Hasher.hash(Array(bytes[..<128]) + [7]))
        #expect(right.digest == SHA256Hasher.hash(bytes))
        #expect(first.digest == SHA256Hasher.hash(Array(bytes[..<128])))
    }
}
