import Testing
import Wire

private let limits = FrameLimits(messageBytesMax: 1000, payloadBytesMax: 1 << 20, payloadType: 8)

/// Feeds `bytes` in parts of `step` bytes and returns the frames that come out.
private func frames(
    of bytes: [UInt8],
    step: Int,
    decoder: inout FrameDecoder
) throws(WireError) -> [Frame] {
    var found: [Frame] = []
    var failure: WireError?
    for start in stride(from: 0, to: bytes.count, by: step) {
        Array(bytes[start..<min(start + step, bytes.count)]).withUnsafeBytes { part in
            var rest = part
            do throws(WireError) {
                while let frame = try decoder.next(&rest) { found.append(frame) }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
    return found
}

private func header(message: UInt32, payload: UInt32, type: UInt8, reserved: UInt8 = 0) -> [UInt8] {
    var bytes: [UInt8] = []
    for word in [message, payload, 0] {
        for shift: UInt32 in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
    return bytes + [type, 0, reserved, 0]
}

@Suite struct FrameDecoderTests {
    static let sent = [
        Frame(type: 1, flags: 3, stream: 0xDEAD_BEEF, message: Array(0..<200)),
        Frame(type: 2),
        Frame(type: 8, stream: 7, message: [1], payload: [UInt8](repeating: 9, count: 70_000)),
        Frame(type: 8, message: [], payload: [4]),
    ]

    @Test(
        "frames come out as they went in, however the stream is cut",
        arguments: [1, 2, 7, 16, 17, 4096, 1 << 20]
    )
    func cuts(step: Int) throws {
        var decoder = FrameDecoder(limits: limits)
        let found = try frames(of: Self.sent.flatMap(\.encoded), step: step, decoder: &decoder)
        #expect(found == Self.sent)
        #expect(decoder.isBetweenFrames)
    }

    @Test("a payload comes into the room that is given for it, once a frame that has one")
    func room() throws {
        var decoder = FrameDecoder(limits: limits)
        var asked: [Int] = []
        var found: [Frame] = []
        var rooms = [[UInt8](unsafeUninitializedCapacity: 100_000) { _, count in count = 0 }]
        try withExtendedLifetime(Self.sent.flatMap(\.encoded)) { bytes in
            for start in stride(from: 0, to: bytes.count, by: 999) {
                try bytes[start..<min(start + 999, bytes.count)].withUnsafeBytes { part in
                    var rest = part
                    while let frame = try decoder.next(
                        &rest,
                        room: {
                            asked.append($0)
                            return rooms.popLast() ?? []
                        })
                    { found.append(frame) }
                }
            }
        }
        #expect(found == Self.sent)
        #expect(asked == [70_000, 1])
        #expect(found.map(\.payload.capacity).max().map { $0 >= 100_000 } == true)
    }

    @Test("what a frame lacks is known from its header on, and nothing lacks between frames")
    func missing() throws {
        var decoder = FrameDecoder(limits: limits)
        let frame = Frame(type: 8, message: [1, 2], payload: [UInt8](repeating: 9, count: 1000))
        var missing: [Int] = []
        for part in [frame.encoded[..<10], frame.encoded[10..<17], frame.encoded[17..<500], frame.encoded[500...]] {
            _ = try frames(of: Array(part), step: 2000, decoder: &decoder)
            missing.append(decoder.missingBytes)
        }
        #expect(missing == [0, 1001, 518, 0])
    }

    @Test("the header is sixteen little-endian bytes")
    func layout() {
        let frame = Frame(type: 8, flags: 1, stream: 0x0102_0304, message: [0xAA, 0xBB], payload: [0xCC])
        #expect(frame.encoded == [2, 0, 0, 0, 1, 0, 0, 0, 4, 3, 2, 1, 8, 1, 0, 0, 0xAA, 0xBB, 0xCC])
        #expect(frame.head(payloadBytes: 1) + [0xCC] == frame.encoded)
    }

    @Test("a truncated stream yields nothing and does not count as ended between frames")
    func truncated() throws {
        let whole = Self.sent[0].encoded
        for count in 1..<whole.count {
            var decoder = FrameDecoder(limits: limits)
            #expect(try frames(of: Array(whole.prefix(count)), step: 5, decoder: &decoder).isEmpty)
            #expect(!decoder.isBetweenFrames)
        }
    }

    @Test(
        "a header beyond the limits is an error at once",
        arguments: [
            (header(message: 1001, payload: 0, type: 1), WireError.messageTooLong(type: 1, bytes: 1001)),
            (header(message: .max, payload: .max, type: 8), .messageTooLong(type: 8, bytes: .max)),
            (header(message: 1 << 31, payload: 0, type: 8), .messageTooLong(type: 8, bytes: 1 << 31)),
            (header(message: 0, payload: 1, type: 1), .payloadTooLong(type: 1, bytes: 1)),
            (
                header(message: 0, payload: (1 << 20) + 1, type: 8),
                .payloadTooLong(type: 8, bytes: (1 << 20) + 1)
            ),
            (header(message: 0, payload: .max, type: 8), .payloadTooLong(type: 8, bytes: .max)),
            (header(message: 0, payload: 0, type: 8, reserved: 1), .reservedNotZero(type: 8)),
        ]
    )
    func beyond(bytes: [UInt8], expected: WireError) {
        var decoder = FrameDecoder(limits: limits)
        #expect(throws: expected) { try frames(of: bytes, step: 16, decoder: &decoder) }
        #expect(throws: expected) { try frames(of: Self.sent[1].encoded, step: 16, decoder: &decoder) }
        #expect(decoder.heldBytes == 0)
    }

    @Test("lengths at the limits are taken")
    func atLimits() throws {
        var decoder = FrameDecoder(limits: limits)
        let frame = Frame(
            type: 8,
            message: [UInt8](repeating: 1, count: 1000),
            payload: [UInt8](repeating: 2, count: 1 << 20)
        )
        #expect(try frames(of: frame.encoded, step: 65_536, decoder: &decoder) == [frame])
    }

    @Test("memory grows with the bytes received, not with the bytes promised")
    func growth() throws {
        var decoder = FrameDecoder(limits: limits)
        let bytes = header(message: 0, payload: 1 << 20, type: 8)
        #expect(try frames(of: bytes, step: 16, decoder: &decoder).isEmpty)
        #expect(decoder.heldBytes <= 128)
        var received = 0
        while received < 1 << 19 {
            _ = try frames(of: [UInt8](repeating: 0, count: 1000), step: 1000, decoder: &decoder)
            received += 1000
            #expect(decoder.heldBytes <= 9 * received + 256)
        }
    }

    @Test("limits changed between frames hold for the next header")
    func changedLimits() throws {
        var decoder = FrameDecoder(limits: PeerLimits.beforeHello)
        let long = Frame(type: 3, message: [UInt8](repeating: 0, count: 2000)).encoded
        #expect(try frames(of: Frame(type: 1, message: [0]).encoded, step: 99, decoder: &decoder).count == 1)
        decoder.limits = PeerLimits.afterHello
        #expect(try frames(of: long, step: 99, decoder: &decoder).count == 1)
        decoder.limits = PeerLimits.beforeHello
        #expect(throws: WireError.messageTooLong(type: 3, bytes: 2000)) {
            try frames(of: long, step: 99, decoder: &decoder)
        }
    }
}
