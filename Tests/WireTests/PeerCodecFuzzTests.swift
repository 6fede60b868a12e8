import PieceExchange
import Testing
import Wire

@Suite struct PeerCodecFuzzTests {
    /// Runs a connection's reading side over the bytes and returns the frames; any outcome but a trap is
    /// right.
    private func read(_ bytes: [UInt8], step: Int) -> [PeerFrame] {
        var decoder = FrameDecoder(limits: PeerLimits.afterHello)
        var found: [PeerFrame] = []
        for start in stride(from: 0, to: bytes.count, by: step) {
            let ended = Array(bytes[start..<min(start + step, bytes.count)]).withUnsafeBytes { part in
                var rest = part
                do throws(WireError) {
                    while let frame = try decoder.next(&rest) { found.append(try PeerCodec.decode(frame)) }
                    return false
                } catch {
                    return true
                }
            }
            if ended { break }
        }
        return found
    }

    @Test("random bytes never trap", arguments: UInt64(0)..<40)
    func randomBytes(seed: UInt64) {
        var random = Random(seed: seed)
        for _ in 0..<200 {
            let bytes = random.bytes(Int(random.next() % 600))
            _ = read(bytes, step: 1 + Int(random.next() % 64))
        }
    }

    @Test("random messages behind a right header never trap", arguments: UInt64(0)..<40)
    func randomMessages(seed: UInt64) {
        var random = Random(seed: seed)
        for _ in 0..<400 {
            let type = UInt8(random.next() % 19)
            var message = random.bytes(Int(random.next() % 80))
            // Small field numbers and wire types are what reaches the deep end of the unpacker.
            for index in message.indices where random.next() % 2 == 0 { message[index] %= 64 }
            let payload = type == 8 ? random.bytes(Int(random.next() % 40)) : []
            let frame = Frame(
                type: type,
                stream: UInt32(random.next() % 2),
                message: message,
                payload: payload
            )
            _ = read(frame.encoded, step: 4096)
        }
    }

    @Test("right messages with some bytes changed never trap, and decode to something the encoder can say")
    func mutations() throws {
        var random = Random(seed: 2026)
        let messages = try PeerCodecTests.messages()
        for _ in 0..<1000 {
            guard let message = messages.randomElement(using: &random) else { return }
            var bytes = PeerCodec.encode(message)
            for _ in 0..<(1 + random.next() % 4) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            for case .message(let found) in read(bytes, step: 1 + Int(random.next() % 5000)) {
                #expect(try decodeOne(PeerCodec.encode(found)) == .message(found))
            }
        }
    }
}
