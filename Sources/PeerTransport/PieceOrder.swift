import ContentStore
import EventLoop
import OCIModel
import PieceExchange
import PieceModel

/// One blob's pieces in order, one after another checked as part of the whole (`PartialBlob.follow`).
///
///     open --bytes that do not follow, or the transfer ends--> closed
///
/// What to check them by is one peer's word, the first one's who says it from the first piece on. When bytes do not fit
/// it, it is not gone by any more: then the bytes are wrong, or the word is, and the pieces' own digests decide.
///
/// Pieces that come a little early wait for those before them. Invariants: all in `waiting` are at `next` or after it;
/// the pieces before `next` are held or at work; who waits while nothing works waits for a piece that is not here.
@LoopActor
final class PieceOrder {
    private struct Waiting: Sendable {
        let intake: PieceIntake
        let prefix: Digest
        let ended: @LoopActor (PieceIntake.Outcome) -> Void
    }

    private struct Checked: Sendable {
        var following = PartialBlob.Following.notNext
        var bytes: [UInt8] = []
    }

    /// How far ahead a piece may wait: as much as may be asked for at a time (`ExchangeLimits.requestedBytesMax`).
    private static let windowBytes = 16 << 20
    /// What is hashed in one go: nobody hears of the first piece before the last is hashed.
    private static let turnBytes = 4 << 20

    private let layout: PieceLayout
    private let digest: Digest
    private var teller: PeerName?
    private var prefixes: [Digest] = []
    private var isClosed = false
    private var waiting: [Int: Waiting] = [:]
    private var isWorking = false
    private var next = 0

    init(_ digest: Digest, _ layout: PieceLayout) {
        self.digest = digest
        self.layout = layout
    }

    /// What a peer says of the blob's prefixes. Runs that do not follow the last one are passed over.
    func note(_ run: PeerMessage.PieceDigests, from peer: PeerName) {
        guard !isClosed, !run.prefixes.isEmpty, teller ?? peer == peer, Int(run.first) == prefixes.count,
            run.prefixes.count <= layout.pieceCount - prefixes.count
        else { return }
        teller = peer
        prefixes += run.prefixes
        // Then it is not this blob that the peer speaks of.
        if prefixes.count == layout.pieceCount, prefixes.last != digest { isClosed = true }
    }

    /// Whether the piece is next, or nearly, and can be checked so: then `ended` is called when it is stored or is not.
    func take(
        _ intake: PieceIntake, into transfer: BlobTransfer, _ work: OffloadedWork,
        then ended: @escaping @LoopActor (PieceIntake.Outcome) -> Void
    ) -> Bool {
        guard !isClosed, let partial = transfer.partial else { return false }
        if waiting.isEmpty, !isWorking { next = partial.hashedPieces }
        skipHeld(transfer)
        let number = intake.piece.value
        guard number >= next, (number - next) * layout.pieceBytes < Self.windowBytes, number < prefixes.count,
            waiting[number] == nil
        else { return false }
        waiting[number] = Waiting(intake: intake, prefix: prefixes[number], ended: ended)
        advance(transfer, work)
        return true
    }

    /// A piece came by another way: it may be what others wait for.
    func resume(_ transfer: BlobTransfer, _ work: OffloadedWork) {
        guard !waiting.isEmpty else { return }
        skipHeld(transfer)
        advance(transfer, work)
    }

    /// What waits is stored by its own digest.
    func close(_ transfer: BlobTransfer, _ work: OffloadedWork) {
        isClosed = true
        guard let partial = transfer.partial else { return }
        let left = waiting.sorted { $0.key < $1.key }.map(\.value)
        waiting = [:]
        for waiting in left { work.run { waiting.intake.store(in: partial) } then: { waiting.ended($0) } }
    }

    private func skipHeld(_ transfer: BlobTransfer) {
        while let piece = layout.piece(next), transfer.held.contains(piece) { next += 1 }
    }

    private func advance(_ transfer: BlobTransfer, _ work: OffloadedWork) {
        guard !isWorking, let partial = transfer.partial else { return }
        var turn: [Waiting] = []
        while turn.count * layout.pieceBytes < Self.turnBytes, let following = waiting.removeValue(forKey: next) {
            turn.append(following)
            next += 1
        }
        guard !turn.isEmpty else { return }
        isWorking = true
        work.run { [turn] in
            turn.map { waiting in
                let checked = Self.follow(waiting, in: partial)
                // While the bytes are near.
                return (Self.store(waiting, checked, in: partial), differs: checked.following == .differs)
            }
        } then: { [turn] stored in
            self.isWorking = false
            for (waiting, stored) in zip(turn, stored) { waiting.ended(stored.0) }
            if stored.contains(where: \.differs) { self.close(transfer, work) }
            self.resume(transfer, work)
        }
    }

    nonisolated private static func follow(_ waiting: Waiting, in partial: PartialBlob) -> Checked {
        let piece = waiting.intake.piece
        let bytes = waiting.intake.unpackUnchecked(expectedBytes: partial.layout.byteCount(of: piece))
        guard let bytes else { return Checked() }
        // Where the disk fails, storing the piece will say so.
        let following = try? partial.follow(piece, bytes: bytes, prefix: waiting.prefix)
        return Checked(following: following ?? .notNext, bytes: bytes)
    }

    nonisolated private static func store(
        _ waiting: Waiting, _ checked: Checked, in partial: PartialBlob
    ) -> PieceIntake.Outcome {
        let intake = waiting.intake
        guard checked.following == .follows else { return intake.store(in: partial) }
        do throws(StoreError) {
            try partial.storeFollowing(
                intake.piece, bytes: checked.bytes, digest: intake.digest, author: intake.author)
            return .storedInOrder(checked.bytes)
        } catch {
            return .storeFailed(error.description)
        }
    }
}
