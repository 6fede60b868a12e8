import CPeerProto
import OCIModel
import PieceExchange
import PieceModel
import ProtobufCodec

extension PeerCodec {
    /// Reads a frame that a `FrameDecoder` with one of the `PeerLimits` cut out.
    package static func decode(_ frame: Frame) throws(WireError) -> PeerFrame {
        guard let type = PeerFrameType(rawValue: frame.type) else { throw .unknownType(frame.type) }
        guard frame.flags == 0, frame.stream == 0 || type.belongsToRequest else {
            throw .reservedNotZero(type: frame.type)
        }
        let stream = frame.stream
        let reader = PeerFrameReader(frame: frame)
        switch type {
        case .hello: return .hello(try reader.hello())
        case .goodbye: return .goodbye(try reader.goodbye())
        case .interest: return .message(try reader.interest())
        case .uninterest: return .message(.uninterest(blob: try reader.uninterest()))
        case .holdings: return .message(try reader.holdings())
        case .pieceDigests: return .message(.pieceDigests(try reader.pieceDigests()))
        case .have: return .message(try reader.have())
        case .request: return .message(try reader.request(stream))
        case .piece: return .piece(try reader.piece(stream), payload: frame.payload)
        case .refuse: return .message(try reader.refuse(stream))
        case .cancel:
            try reader.read(PeerSchemas.cancel) { _ in .success(()) }
            return .message(.cancel(request: stream))
        case .grantRequest: return .message(try reader.grantRequest())
        case .grant: return .message(try reader.grant())
        case .grantRefused: return .message(try reader.grantRefused())
        case .grantProgress: return .message(try reader.grantProgress())
        case .ping:
            try reader.read(PeerSchemas.ping) { _ in .success(()) }
            return .ping
        case .pong:
            try reader.read(PeerSchemas.pong) { _ in .success(()) }
            return .pong
        }
    }
}

/// Reads the message of one frame, type by type.
struct PeerFrameReader {
    let frame: Frame

    /// The name of the field that is wrong.
    struct BadField: Error {
        let name: String

        init(_ name: String) { self.name = name }
    }

    @discardableResult
    func read<Message, Value>(
        _ schema: ProtobufSchema<Message>,
        _ body: (Message) -> Result<Value, BadField>
    ) throws(WireError) -> Value {
        let result: Result<Value, BadField>
        do throws(ProtobufError) {
            result = try schema.decode(frame.message, budget: PeerLimits.unpackBudgetBytes, body)
        } catch {
            switch error {
            case .malformed: throw .malformedMessage(type: frame.type)
            case .overBudget: throw .messageOverBudget(type: frame.type)
            }
        }
        switch result {
        case .success(let value): return value
        case .failure(let bad): throw .badField(type: frame.type, field: bad.name)
        }
    }

    func hello() throws(WireError) -> Hello {
        try read(PeerSchemas.hello) { message in
            guard let node = ProtobufField.text(message.node).flatMap({ PeerName($0) }) else {
                return .failure(BadField("node"))
            }
            guard let cluster = ProtobufField.text(message.cluster),
                cluster.isEmpty || PeerName(cluster) != nil
            else { return .failure(BadField("cluster")) }
            guard let zone = ProtobufField.text(message.zone), zone.isEmpty || Zone(zone) != nil else {
                return .failure(BadField("zone"))
            }
            guard message.requests_max >= 1 else { return .failure(BadField("requests_max")) }
            return .success(
                Hello(
                    version: message.version,
                    node: node,
                    cluster: cluster,
                    zone: Zone(zone),
                    takesZstd: message.features & PeerCodec.featureZstd != 0,
                    requestsMax: Int(message.requests_max)
                )
            )
        }
    }

    func goodbye() throws(WireError) -> Goodbye {
        // A reason of a later version still means that the other side closes.
        try read(PeerSchemas.goodbye) { .success(Goodbye(rawValue: $0.reason.rawValue) ?? .unspecified) }
    }

    func interest() throws(WireError) -> PeerMessage {
        try read(PeerSchemas.interest) { message in
            blob(message.blob).map { message.silent == 0 ? .interest(blob: $0) : .intent(blob: $0) }
        }
    }

    func uninterest() throws(WireError) -> Digest {
        try read(PeerSchemas.uninterest) { blob($0.blob) }
    }

    func holdings() throws(WireError) -> PeerMessage {
        try read(PeerSchemas.holdings) { message in
            blob(message.blob).flatMap { blob in
                let bits = ProtobufField.bytes(message.bits)
                if message.blob_bytes == 0 {
                    guard message.complete == 0, message.is_public == 0, bits.isEmpty else { return .failure(BadField("blob_bytes")) }
                    return .success(.holdings(blob: blob, held: nil))
                }
                guard let bytes = Int64(exactly: message.blob_bytes),
                    let layout = PieceLayout(blobBytes: bytes)
                else { return .failure(BadField("blob_bytes")) }
                let complete = message.complete != 0
                guard bits.isEmpty || !complete && PieceSet(layout: layout, bytes: bits) != nil else {
                    return .failure(BadField("bits"))
                }
                let held = PeerMessage.Holdings(
                    blobBytes: bytes, complete: complete, bits: bits, isPublic: message.is_public != 0)
                return .success(.holdings(blob: blob, held: held))
            }
        }
    }

    func pieceDigests() throws(WireError) -> PeerMessage.PieceDigests {
        try read(PeerSchemas.pieceDigests) { message in
            blob(message.blob).flatMap { blob in
                guard let author = ProtobufField.text(message.author).flatMap({ PeerName($0) }) else {
                    return .failure(BadField("author"))
                }
                guard let digests = Digest.all(in: ProtobufField.raw(message.digests)),
                    (1...PeerMessage.PieceDigests.countMax).contains(digests.count)
                else { return .failure(BadField("digests")) }
                guard UInt64(message.first) + UInt64(digests.count) <= UInt64(UInt32.max) else {
                    return .failure(BadField("first"))
                }
                guard let chain = Digest.all(in: ProtobufField.raw(message.chain)),
                    chain.isEmpty
                        || chain.count == digests.count && digests.count <= PeerMessage.PieceDigests.chainMax
                else { return .failure(BadField("chain")) }
                return .success(
                    PeerMessage.PieceDigests(
                        blob: blob,
                        author: author,
                        first: message.first,
                        digests: digests,
                        chain: chain
                    )
                )
            }
        }
    }

    func have() throws(WireError) -> PeerMessage {
        try read(PeerSchemas.have) { message in
            blob(message.blob).flatMap { blob in
                let pieces = ProtobufField.elements(message.pieces, count: message.n_pieces)
                var have = PeerMessage.Have(blob: blob, pieces: Array(pieces), held: message.held)
                guard let digests = Digest.all(in: ProtobufField.raw(message.digests)) else {
                    return .failure(BadField("digests"))
                }
                have.digests = digests
                let names = ProtobufField.texts(message.authors, count: message.n_authors)
                let authors = names?.compactMap { PeerName($0) } ?? []
                guard authors.count == message.n_authors else { return .failure(BadField("authors")) }
                have.authors = authors
                have.authorOf = Array(ProtobufField.elements(message.author_of, count: message.n_author_of))
                return have.isWellFormed ? .success(.have(have)) : .failure(BadField("pieces"))
            }
        }
    }

    func request(_ number: UInt32) throws(WireError) -> PeerMessage {
        try read(PeerSchemas.request) { message in
            blob(message.blob).map { .request(request: number, blob: $0, piece: message.piece) }
        }
    }

    func piece(_ number: UInt32) throws(WireError) -> PeerMessage.PieceHeader {
        guard !frame.payload.isEmpty else { throw .badField(type: frame.type, field: "payload") }
        return try read(PeerSchemas.piece) { message in
            guard let value = UInt8(exactly: message.encoding.rawValue),
                let encoding = PeerMessage.PieceEncoding(rawValue: value)
            else { return .failure(BadField("encoding")) }
            return .success(
                PeerMessage.PieceHeader(
                    request: number,
                    encoding: encoding,
                    payloadBytes: frame.payload.count
                )
            )
        }
    }

    func refuse(_ number: UInt32) throws(WireError) -> PeerMessage {
        try read(PeerSchemas.refuse) { message in
            guard let value = UInt8(exactly: message.reason.rawValue),
                let reason = PeerMessage.Refusal(rawValue: value)
            else { return .failure(BadField("reason")) }
            return .success(
                .refuse(request: number, reason: reason, retryAfterMillis: message.retry_after_millis)
            )
        }
    }

    func blob(_ field: ProtobufCBinaryData) -> Result<Digest, BadField> {
        Digest(bytes: ProtobufField.raw(field)).map { .success($0) } ?? .failure(BadField("blob"))
    }
}
