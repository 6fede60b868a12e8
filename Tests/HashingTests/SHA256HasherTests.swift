import Hashing
import OCIModel
import Testing

@Suite("SHA-256")
struct SHA256HasherTests {
    @Test(
        "known answers of FIPS 180-4 come out",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ]
    )
    func knownAnswers(text: String, hex: String) {
        #expect(SHA256Hasher.hash(Array(text.utf8)).hex == hex)
    }

    @Test("a million bytes hash the same whole and in odd parts")
    func parts() {
        let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        var hasher = SHA256Hasher()
        bytes.withUnsafeBytes { all in
            var start = 0
            for size in sequence(first: 1, next: { $0 * 2 + 1 }) where start < all.count {
                let end = min(start + size, all.count)
                hasher.update(UnsafeRawBufferPointer(rebasing: all[start..<end]))
                start = end
                if start == all.count { break }
            }
        }
        let digest = hasher.finalize()
        #expect(digest.hex == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
        #expect(digest == SHA256Hasher.hash(bytes))
    }

    @Test("a hasher is as new after finalize and after reset")
    func reuse() {
        let empty = SHA256Hasher.hash([])
        var hasher = SHA256Hasher()
        hasher.update(UnsafeRawBufferPointer(start: nil, count: 0))
        #expect(hasher.finalize() == empty)
        Array("left over".utf8).withUnsafeBytes { hasher.update($0) }
        hasher.reset()
        #expect(hasher.finalize() == empty)
    }
}
