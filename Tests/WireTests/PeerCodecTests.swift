import OCIModel
import PieceExchange
import PieceModel
import Testing
import Wire

let blob = Digest(words: (1, 2, 3, 4))

func decodeOne(_ bytes: [UInt8], limits: FrameLimits = PeerLimits.afterHello) throws(WireError) -> PeerFrame?
{
    var decoder = FrameDecoder(limits: limits)
    let result = bytes.withUnsafeBytes { buffer in
        var rest = buffer
        return Result { () throws(WireError) in
            guard let frame = try decoder.next(&rest) else { return PeerFrame?.none }
            return try PeerCodec.decode(frame)
        }
    }
    return try result.get()
}

/// Protobuf by hand, for messages that the encoder would never write.
enum Raw {
    static func varint(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    static func bytes(_ field: UInt64, _ value: [UInt8]) -> [UInt8] {
        varint(field << 3 | 2) + varint(UInt64(value.count)) + value
    }

    static func text(_ field: UInt64, _ value: String) -> [UInt8] { bytes(field, Array(value.utf8)) }

    static func number(_ field: UInt64, _ value: UInt64) -> [UInt8] { varint(field << 3) + varint(value) }
}

@Suite struct PeerCodecTests {
    static func name(_ text: String) throws -> PeerName { try #require(PeerName(text)) }

    static func messages() throws -> [PeerMessage] {
        let layout = try #require(PieceLayout(blobBytes: 1_000_000))
        var some = PieceSet(layout: layout)
        some.insert(try #require(layout.piece(3)))
        let digests = (0..<PeerMessage.PieceDigests.countMax).map { Digest(words: (UInt64($0), 0, .max, 7)) }
        var news = PeerMessage.Have(blob: blob, pieces: (0..<512).reversed(), held: 700)
        news.digests = Array(digests[..<512])
        news.authors = try [name("a"), name(String(repeating: "b", count: PeerName.byteCountMax))]
        news.authorOf = (0..<512).map { $0 % 2 }
        return [
            .interest(blob: blob),
            .uninterest(blob: blob),
            .intent(blob: blob),
            .holdings(blob: blob, held: nil),
            .holdings(blob: blob, held: .init(blobBytes: 1_000_000, complete: true, bits: [])),
            .holdings(blob: blob, held: .init(blobBytes: 1_000_000, complete: false, bits: some.bytes)),
            .pieceDigests(.init(blob: blob, author: try name("a.b-c_D9"), first: 5, digests: digests)),
            .holdings(blob: blob, held: .init(blobBytes: 1_000_000, complete: false, bits: [])),
            .have(.init(blob: blob, pieces: [0, 1, 127, 128, .max], held: .max)),
            .have(.init(blob: blob, pieces: [UInt32](repeating: .max, count: PeerMessage.haveCountMax), held: 0)),
            .have(news),
            .request(request: 77, blob: blob, piece: .max),
            .request(request: 0, blob: blob, piece: 0),
            .refuse(request: 1, reason: .busy, retryAfterMillis: 250),
            .refuse(request: .max, reason: .notHeld, retryAfterMillis: 0),
            .refuse(request: 2, reason: .draining, retryAfterMillis: .max),
            .refuse(request: 3, reason: .elsewhere, retryAfterMillis: 0),
            .cancel(request: 12),
            .grant(blob: blob, pieces: .init(first: 0, count: 1)),
            .grant(blob: blob, pieces: .init(first: .max, count: .max)),
            .grantRefused(blob: blob, retryAfterMillis: 0),
            .grantRefused(blob: blob, retryAfterMillis: .max),
        ] + grantMessages()
    }

    /// 1,000,000 bytes are 16 pieces.
    private static func grantMessages() -> [PeerMessage] {
        let runs = (0..<UInt32(PeerMessage.GrantRequest.runsMax)).map {
            PeerMessage.PieceRun(first: 2 * $0, count: 1)
        }
        return [
            .grantRequest(
                .init(blob: blob, blobBytes: 1_000_000, wanted: [.init(first: 0, count: 16)], isRetry: false)
            ),
            .grantRequest(.init(blob: blob, blobBytes: 1 << 30, wanted: runs, isRetry: true)),
            .grantProgress(
                .init(
                    blob: blob,
                    blobBytes: 1_000_000,
                    pieces: .init(first: 12, count: 4),
                    read: 4,
                    isOver: true
                )
            ),
            .grantProgress(
                .init(
                    blob: blob,
                    blobBytes: 1_000_000,
                    pieces: .init(first: 0, count: 1),
                    read: 0,
                    isOver: false
                )
            ),
        ]
    }

    @Test("every message comes back as it was")
    func roundTrip() throws {
        for message in try Self.messages() {
            #expect(try decodeOne(PeerCodec.encode(message)) == .message(message))
        }
    }

    @Test("Hello and Goodbye come back as they were, Hello within what a stranger may send")
    func handshake() throws {
        let hello = Hello(
            node: try Self.name(String(repeating: "n", count: 64)),
            cluster: String(repeating: "c", count: 64),
            zone: Zone(String(repeating: "z", count: 64)),
            takesZstd: true,
            requestsMax: 16
        )
        #expect(try decodeOne(PeerCodec.encode(hello), limits: PeerLimits.beforeHello) == .hello(hello))
        for reason in Goodbye.allCases {
            #expect(
                try decodeOne(PeerCodec.encode(reason), limits: PeerLimits.beforeHello) == .goodbye(reason)
            )
        }
    }

    @Test("Ping and Pong come back")
    func pings() throws {
        #expect(try decodeOne(PeerCodec.encodePing()) == .ping)
        #expect(try decodeOne(PeerCodec.encodePong()) == .pong)
    }

    @Test("a piece is its head and then the payload, untouched")
    func piece() throws {
        var random = Random(seed: 1)
        for encoding in PeerMessage.PieceEncoding.allCases {
            let payload = random.bytes(100_000)
            let header = PeerMessage.PieceHeader(request: 9, encoding: encoding, payloadBytes: payload.count)
            let sent = PeerCodec.encode(.piece(header)) + payload
            #expect(try decodeOne(sent) == .piece(header, payload: payload))
        }
    }

    @Test("the largest bit field fits into a message")
    func largestHoldings() throws {
        let layout = try #require(PieceLayout(blobBytes: PieceLayout.blobBytesMax))
        let held = PeerMessage.Holdings(
            blobBytes: layout.blobBytes,
            complete: false,
            bits: PieceSet(layout: layout).bytes
        )
        let message = PeerMessage.holdings(blob: blob, held: held)
        #expect(try decodeOne(PeerCodec.encode(message)) == .message(message))
    }

    static let d = Raw.bytes(1, blob.bytes)

    @Test(
        "a message with a field outside the protocol's limits is refused",
        arguments: [
            (1, Raw.number(1, 1) + Raw.text(2, "") + Raw.number(5, 1), "node"),
            (1, Raw.number(1, 1) + Raw.text(2, "a/b") + Raw.number(5, 1), "node"),
            (1, Raw.number(1, 1) + Raw.bytes(2, [0xFF, 0xFE]) + Raw.number(5, 1), "node"),
            (1, Raw.number(1, 1) + Raw.text(2, "a") + Raw.text(3, "\n") + Raw.number(5, 1), "cluster"),
            (1, Raw.number(1, 1) + Raw.text(2, "a"), "requests_max"),
            (1, Raw.number(1, 1) + Raw.text(2, "a") + Raw.number(5, 1) + Raw.text(6, " "), "zone"),
            (3, [], "blob"),
            (3, Raw.bytes(1, [UInt8](repeating: 0, count: 31)), "blob"),
            (4, Raw.bytes(1, [UInt8](repeating: 0, count: 33)), "blob"),
            (5, d + Raw.number(3, 1), "blob_bytes"),
            (5, d + Raw.number(2, .max), "blob_bytes"),
            (5, d + Raw.number(2, UInt64(PieceLayout.blobBytesMax) + 1), "blob_bytes"),
            (5, d + Raw.number(2, 100) + Raw.bytes(4, [1, 0]), "bits"),
            (5, d + Raw.number(2, 100) + Raw.bytes(4, [2]), "bits"),
            (5, d + Raw.number(2, 100) + Raw.number(3, 1) + Raw.bytes(4, [1]), "bits"),
            (6, d + Raw.text(2, "a"), "digests"),
            (6, d + Raw.text(2, "") + Raw.bytes(4, blob.bytes), "author"),
            (6, d + Raw.text(2, "a") + Raw.bytes(4, blob.bytes + [0]), "digests"),
            (6, d + Raw.text(2, "a") + Raw.bytes(4, [UInt8](repeating: 0, count: 1025 * 32)), "digests"),
            (6, d + Raw.text(2, "a") + Raw.number(3, 0xFFFF_FFFF) + Raw.bytes(4, blob.bytes), "first"),
            (7, Raw.number(2, 1), "blob"),
            (8, [], "payload"),
            (9, Raw.number(1, 0), "reason"),
            (9, Raw.number(1, 5), "reason"),
            (9, Raw.number(1, 257), "reason"),
            (11, d, "pieces"),
            (11, d + Raw.bytes(2, [1]) + Raw.bytes(4, [0]), "digests"),
            (11, d + Raw.bytes(2, [1]) + Raw.bytes(4, blob.bytes), "pieces"),
            (11, d + Raw.bytes(2, [1]) + Raw.bytes(4, blob.bytes) + Raw.bytes(6, [0]), "pieces"),
            (11, d + Raw.bytes(2, [1]) + Raw.bytes(4, blob.bytes) + Raw.text(5, "/") + Raw.bytes(6, [0]), "authors"),
            (11, d + Raw.bytes(2, [1]) + Raw.bytes(4, blob.bytes) + Raw.text(5, "a") + Raw.bytes(6, [1]), "pieces"),
            (14, d + Raw.bytes(3, [0, 1]), "blob_bytes"),
            (14, d + Raw.number(2, 1_000_000), "wanted"),
            (14, d + Raw.number(2, 1_000_000) + Raw.bytes(3, [0]), "wanted"),
            (14, d + Raw.number(2, 1_000_000) + Raw.bytes(3, [0, 0]), "wanted"),
            (14, d + Raw.number(2, 1_000_000) + Raw.bytes(3, [15, 2]), "wanted"),
            (14, d + Raw.number(2, 1_000_000) + Raw.bytes(3, [3, 2, 4, 1]), "wanted"),
            (14, d + Raw.number(2, 1 << 30) + Raw.bytes(3, (0..<65).flatMap { [UInt8($0), 1] }), "wanted"),
            (15, d, "count"),
            (16, [], "blob"),
            (17, d + Raw.number(2, 1_000_000) + Raw.number(3, 15) + Raw.number(4, 2), "count"),
            (17, d + Raw.number(2, 1_000_000) + Raw.number(4, 2) + Raw.number(5, 3), "read"),
            (11, d + Raw.bytes(2, [UInt8](repeating: 1, count: 1025)), "pieces"),
        ] as [(UInt8, [UInt8], String)]
    )
    func badFields(type: UInt8, message: [UInt8], field: String) {
        #expect(throws: WireError.badField(type: type, field: field)) {
            try decodeOne(Frame(type: type, message: message).encoded)
        }
    }

    @Test("a piece in an unknown encoding is refused")
    func badEncoding() {
        for value in [2, 256, UInt64.max] {
            #expect(throws: WireError.badField(type: 8, field: "encoding")) {
                try decodeOne(Frame(type: 8, message: Raw.number(1, value), payload: [1]).encoded)
            }
        }
    }

    @Test(
        "bytes that are not protobuf are refused",
        arguments: [
            [0x0A], [0x0A, 0x05, 1], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            [0x0B], [0x0C], [0x0F, 0], [0x00], [0x08] + [UInt8](repeating: 0x80, count: 11),
            [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        ] as [[UInt8]]
    )
    func malformed(message: [UInt8]) {
        #expect(throws: WireError.malformedMessage(type: 3)) {
            try decodeOne(Frame(type: 3, message: message).encoded)
        }
    }

    @Test("a field of the wrong wire type does not become a value")
    func wrongWireType() {
        #expect(throws: WireError.self) { try decodeOne(Frame(type: 3, message: Raw.number(1, 7)).encoded) }
    }

    @Test("unknown types, flags, and a stream number where none belongs are refused")
    func header() {
        let hello = Frame(type: 3, message: Self.d)
        for type: UInt8 in [0, 18, 255] {
            #expect(throws: WireError.unknownType(type)) { try decodeOne(Frame(type: type).encoded) }
        }
        var flagged = hello
        flagged.flags = 1
        #expect(throws: WireError.reservedNotZero(type: 3)) { try decodeOne(flagged.encoded) }
        var streamed = hello
        streamed.stream = 1
        #expect(throws: WireError.reservedNotZero(type: 3)) { try decodeOne(streamed.encoded) }
    }

    @Test("a message of unknown fields costs no more memory than the budget")
    func unknownFieldFlood() {
        let flood = [UInt8]((0..<32_000).flatMap { _ in [0x78, 0] as [UInt8] })
        #expect(throws: WireError.messageOverBudget(type: 3)) {
            try decodeOne(Frame(type: 3, message: flood).encoded)
        }
    }

    @Test("a few unknown fields are passed over, for versions to come")
    func unknownFields() throws {
        let message = Self.d + Raw.number(200, 1) + Raw.text(300, "later")
        #expect(try decodeOne(Frame(type: 3, message: message).encoded) == .message(.interest(blob: blob)))
    }
}
