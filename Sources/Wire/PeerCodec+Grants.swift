import CPeerProto
import PieceExchange
import PieceModel
import ProtobufCodec

/// The messages by which nodes share out what to read from the registry.
extension PeerCodec {
    static func encodeGrants(_ message: PeerMessage) -> [UInt8] {
        switch message {
        case .grantRequest(let request):
            return frame(.grantRequest, PeerSchemas.grantRequest) { message, arena in
                let wanted = request.wanted.flatMap { [$0.first, $0.count] }
                message.blob = arena.digest(request.blob)
                message.blob_bytes = UInt64(clamping: request.blobBytes)
                message.n_wanted = wanted.count
                message.wanted = arena.array(wanted)
                message.retry = request.isRetry ? 1 : 0
            }
        case .grant(let blob, let pieces):
            return frame(.grant, PeerSchemas.grant) { message, arena in
                message.blob = arena.digest(blob)
                message.first = pieces.first
                message.count = pieces.count
            }
        case .grantRefused(let blob, let retryAfterMillis):
            return frame(.grantRefused, PeerSchemas.grantRefused) { message, arena in
                message.blob = arena.digest(blob)
                message.retry_after_millis = retryAfterMillis
            }
        case .grantProgress(let progress):
            return frame(.grantProgress, PeerSchemas.grantProgress) { message, arena in
                message.blob = arena.digest(progress.blob)
                message.blob_bytes = UInt64(clamping: progress.blobBytes)
                message.first = progress.pieces.first
                message.count = progress.pieces.count
                message.read = progress.read
                message.over = progress.isOver ? 1 : 0
            }
        default: preconditionFailure("not a message about grants")
        }
    }
}

extension PeerFrameReader {
    func grantRequest() throws(WireError) -> PeerMessage {
        try read(PeerSchemas.grantRequest) { message in
            blob(message.blob).flatMap { blob in
                size(message.blob_bytes).flatMap { layout in
                    let numbers = ProtobufField.elements(message.wanted, count: message.n_wanted)
                    guard let wanted = runs(Array(numbers), layout) else {
                        return .failure(BadField("wanted"))
                    }
                    let request = PeerMessage.GrantRequest(
                        blob: blob,
                        blobBytes: layout.blobBytes,
                        wanted: wanted,
                        isRetry: message.retry != 0
                    )
                    return .success(.grantRequest(request))
                }
            }
        }
    }

    func grant() throws(WireError) -> PeerMessage {
        try read(PeerSchemas.grant) { message in
            blob(message.blob).flatMap { blob in
                guard message.count >= 1 else { return .failure(BadField("count")) }
                return .success(.grant(blob: blob, pieces: .init(first: message.first, count: message.count)))
            }
        }
    }

    func grantRefused() throws(WireError) -> PeerMessage {
        try read(PeerSchemas.grantRefused) { message in
            blob(message.blob).map { .grantRefused(blob: $0, retryAfterMillis: message.retry_after_millis) }
        }
    }

    func grantProgress() throws(WireError) -> PeerMessage {
        try read(PeerSchemas.grantProgress) { message in
            blob(message.blob).flatMap { blob in
                size(message.blob_bytes).flatMap { layout in
                    guard let pieces = run(message.first, message.count, layout) else {
                        return .failure(BadField("count"))
                    }
                    guard message.read <= pieces.count else { return .failure(BadField("read")) }
                    let progress = PeerMessage.GrantProgress(
                        blob: blob,
                        blobBytes: layout.blobBytes,
                        pieces: pieces,
                        read: message.read,
                        isOver: message.over != 0
                    )
                    return .success(.grantProgress(progress))
                }
            }
        }
    }

    private func size(_ bytes: UInt64) -> Result<PieceLayout, BadField> {
        Int64(exactly: bytes).flatMap { PieceLayout(blobBytes: $0) }.map { .success($0) }
            ?? .failure(BadField("blob_bytes"))
    }

    private func run(_ first: UInt32, _ count: UInt32, _ layout: PieceLayout) -> PeerMessage.PieceRun? {
        guard count >= 1, UInt64(first) + UInt64(count) <= UInt64(layout.pieceCount) else { return nil }
        return PeerMessage.PieceRun(first: first, count: count)
    }

    private func runs(_ numbers: [UInt32], _ layout: PieceLayout) -> [PeerMessage.PieceRun]? {
        let countMax = PeerMessage.GrantRequest.runsMax
        guard numbers.count % 2 == 0, (1...countMax).contains(numbers.count / 2) else { return nil }
        var runs: [PeerMessage.PieceRun] = []
        var end: UInt32 = 0
        for index in stride(from: 0, to: numbers.count, by: 2) {
            guard let run = run(numbers[index], numbers[index + 1], layout), run.first >= end else {
                return nil
            }
            end = run.first + run.count
            runs.append(run)
        }
        return runs
    }
}
