import OCIModel
import Testing

private let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

private let short = String(hex.dropLast())

private let wrongTexts: [String] = [
    "", "sha256", "sha256:", hex, "SHA256:\(hex)", "sha256:BA\(hex.dropFirst(2))",
    "sha256:\(short)", "sha256:\(hex)0", "sha256:\(hex)\0", "sha256:\0\(short)",
    "sha256:../\(hex.dropLast(3))", "sha256:../../etc/passwd", "sha256:%2e%2e\(hex.dropLast(6))",
    "sha256:\(String(repeating: "٣", count: 64))", "sha256:\(short)é", "sha256:\u{301}\(hex)",
    "sha256:\(short)g", "sha256:\(short)/", "sha256:\(short):", "sha256:\(short)`", "sha256: \(short)",
    " sha256:\(hex)", "sha256:\(hex)\n", "sha256::\(hex)", "sha256+b64:\(hex)",
    "md5:d41d8cd98f00b204e9800998ecf8427e", "sha512:\(hex)\(hex)",
]

@Suite("Digest")
struct DigestTests {
    @Test("text, hex and bytes give the same digest and come back")
    func roundTrip() throws {
        let digest = try #require(Digest("sha256:" + hex))
        #expect(digest == Digest(hex: hex))
        #expect(digest == Digest(bytes: digest.bytes))
        #expect(digest.hex == hex)
        #expect(digest.description == "sha256:" + hex)
        #expect(digest.bytes.first == 0xba && digest.bytes.last == 0xad)
    }

    @Test("anything but sha256 and 64 lower-case digits is no digest", arguments: wrongTexts)
    func refused(text: String) {
        #expect(Digest(text) == nil)
    }

    @Test("of all lengths only 64 is taken")
    func lengths() {
        for count in 0...200 {
            let text = String(repeating: "a", count: count)
            #expect((Digest(hex: text) != nil) == (count == 64))
            #expect((Digest("sha256:" + text) != nil) == (count == 64))
        }
        for count in 0...64 {
            #expect((Digest(bytes: [UInt8](repeating: 1, count: count)) != nil) == (count == 32))
        }
    }

    @Test("every single byte that is no lower-case digit spoils the text")
    func everyByte() {
        for byte in UInt8.min...UInt8.max {
            let text = String(decoding: [byte] + Array(hex.utf8.dropFirst()), as: UTF8.self)
            let isDigit = (48...57).contains(byte) || (97...102).contains(byte)
            #expect((Digest(hex: text) != nil) == isDigit)
        }
    }

    @Test("order is that of the text")
    func order() throws {
        var texts: [String] = []
        for index in 0..<64 {
            for digit in ["0", "9", "f"] {
                texts.append(
                    String(repeating: "8", count: index) + digit + String(repeating: "8", count: 63 - index)
                )
            }
        }
        let digests = try texts.map { try #require(Digest(hex: $0)) }
        #expect(digests.sorted().map(\.hex) == texts.sorted())
        #expect(Set(digests).count == texts.count)
    }
}
