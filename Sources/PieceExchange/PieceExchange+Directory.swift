import OCIModel
import PieceModel

/// A blob of a size that somebody named: who lies about the size gets a book of their own.
struct GrantKey: Hashable, Sendable {
    let blob: Digest
    let blobBytes: Int64
}

/// Keeping grants for others.
extension PieceExchange {
    private static let bookMillis: UInt64 = 120_000

    mutating func grantRequested(_ request: PeerMessage.GrantRequest, by peer: PeerID) {
        guard let layout = PieceLayout(blobBytes: request.blobBytes), !request.wanted.isEmpty,
            request.wanted.count <= PeerMessage.GrantRequest.runsMax
        else { return violate(peer) }
        var wanted: [Range<Int>] = []
        for run in request.wanted {
            guard let pieces = range(run, layout), pieces.lowerBound >= wanted.last?.upperBound ?? 0 else {
                return violate(peer)
            }
            wanted.append(pieces)
        }
        let answer = answer(wanted, isRetry: request.isRetry, of: request.blob, layout, to: peers[peer].name)
        switch answer {
        case .granted(let pieces):
            let run = PeerMessage.PieceRun(first: UInt32(pieces.lowerBound), count: UInt32(pieces.count))
            send(.grant(blob: request.blob, pieces: run), to: peer)
        case .refused(let millis):
            send(.grantRefused(blob: request.blob, retryAfterMillis: UInt32(millis)), to: peer)
        }
    }

    mutating func grantProgressed(_ progress: PeerMessage.GrantProgress, by peer: PeerID) {
        guard let layout = PieceLayout(blobBytes: progress.blobBytes),
            let pieces = range(progress.pieces, layout), progress.read <= progress.pieces.count
        else { return violate(peer) }
        noteProgress(
            pieces,
            read: Int(progress.read),
            isOver: progress.isOver,
            of: progress.blob,
            layout,
            by: peers[peer].name
        )
    }

    private func range(_ run: PeerMessage.PieceRun, _ layout: PieceLayout) -> Range<Int>? {
        let (first, count) = (Int(run.first), Int(run.count))
        guard count > 0, first + count <= layout.pieceCount else { return nil }
        return first..<(first + count)
    }

    mutating func answer(
        _ wanted: [Range<Int>],
        isRetry: Bool,
        of blob: Digest,
        _ layout: PieceLayout,
        to asker: PeerName
    ) -> GrantAnswer {
        let key = GrantKey(blob: blob, blobBytes: layout.blobBytes)
        openBook(key, layout)
        let answer =
            grantBooks[key]?.request(wanted, isRetry: isRetry, by: asker, limits: limits, now: now)
            ?? .refused(retryAfterMillis: 1_000)
        if case .granted = answer { grantCounters.given += 1 } else { grantCounters.denied += 1 }
        return answer
    }

    mutating func noteProgress(
        _ pieces: Range<Int>,
        read: Int,
        isOver: Bool,
        of blob: Digest,
        _ layout: PieceLayout,
        by holder: PeerName
    ) {
        let key = GrantKey(blob: blob, blobBytes: layout.blobBytes)
        openBook(key, layout)
        grantBooks[key]?.report(pieces, read: read, isOver: isOver, by: holder, limits: limits, now: now)
    }

    /// There is a book for the blob afterwards; the one not used for longest makes room.
    private mutating func openBook(_ key: GrantKey, _ layout: PieceLayout) {
        guard grantBooks[key] == nil else { return }
        grantBooks = grantBooks.filter { $0.value.usedAt.adding(milliseconds: Self.bookMillis) > now }
        if grantBooks.count >= limits.grantBooksMax,
            let oldest = grantBooks.min(by: {
                ($0.value.usedAt, $0.key.blob, $0.key.blobBytes) < ($1.value.usedAt, $1.key.blob, $1.key.blobBytes)
            })
        {
            grantBooks[oldest.key] = nil
        }
        grantBooks[key] = GrantBook(layout: layout, now: now)
    }
}
