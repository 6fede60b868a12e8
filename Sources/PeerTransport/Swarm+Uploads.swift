import Compression
import ContentStore
import EventLoop
import OCIModel
import Pacing
import PieceExchange
import PieceModel
import Wire

/// Pieces to peers.
extension Swarm {
    func upload(_ blob: Digest, _ piece: PieceIndex, request: UInt32, to peer: PeerName) {
        guard let connection = roster.connection(to: peer) else { return }
        guard let (source, layout) = uploadSource(of: piece, blob), piece.value < layout.pieceCount else {
            return refuse(blob, request: request, to: peer)
        }
        began(over: connection)
        let packing = nextPacking(for: connection)
        if packing != .none { packingNow += 1 }
        let before = packingNow
        work.run {
            PreparedPiece.prepare(piece, layout: layout, from: source, packing: packing)
        } then: { prepared, attempt in
            if let attempt { self.tried(attempt, beside: max(before, self.packingNow)) }
            if packing != .none { self.packingNow -= 1 }
            self.send(prepared, of: blob, request: request, over: connection, to: peer)
        }
    }

    private func began(over connection: PeerConnection) {
        counted.uploadsRunning += 1
        connection.uploads.running += 1
    }

    private func ended(over connection: PeerConnection) {
        counted.uploadsRunning -= 1
        connection.uploads.running -= 1
        guard counted.uploadsRunning == 0, holdsPackingMemory else { return }
        holdsPackingMemory = false
        work.run(ZstdCodec.giveUpMemory) {}
    }

    /// For an upload that has begun.
    private func nextPacking(for connection: PeerConnection) -> Packing {
        guard options.compression, connection.hello?.takesZstd == true else { return .none }
        let share = Double(connection.uploads.running) / Double(counted.uploadsRunning)
        let limit = pacers.uploads.bytesPerSecond.map { Double($0) * share }
        let pace = [connection.uploads.pace(), limit].compactMap(\.self).min()
        return packingChoice.next(pace: pace, share: share)
    }

    private func tried(_ attempt: Packing.Attempt, beside: Int) {
        holdsPackingMemory = true
        packingChoice.tried(attempt, beside: beside)
    }

    private func uploadSource(of piece: PieceIndex, _ blob: Digest) -> (PieceSource, PieceLayout)? {
        if let transfer = transfers[blob], let partial = transfer.partial, transfer.held.contains(piece) {
            return (.arriving(partial), transfer.layout)
        }
        guard let info = store.blob(blob), let layout = PieceLayout(blobBytes: info.bytes) else { return nil }
        return (.stored(store, blob), layout)
    }

    private func send(
        _ prepared: PreparedPiece,
        of blob: Digest,
        request: UInt32,
        over connection: PeerConnection,
        to peer: PeerName
    ) {
        func ended(sent: PieceTraffic) {
            self.ended(over: connection)
            // The numbers of a connection that is gone mean nothing on the next one.
            guard roster.connection(to: peer) === connection else { return }
            connection.sent.add(sent)
            counted.count(sent: sent, to: connection.hello?.zone?.text ?? "")
            deliver(.uploadEnded(request: request, to: peer))
        }
        var header = PeerMessage.PieceHeader(request: request, encoding: .identity, payloadBytes: 0)
        switch prepared {
        case .gone:
            self.ended(over: connection)
            refuse(blob, request: request, to: peer)
        case .file(let file, let offset, let bytes, let owner):
            header.payloadBytes = bytes
            pacedUpload(bytes, over: connection) {
                connection.send(OutgoingPiece(header: header, content: .file(file, offset: offset)) {
                    withExtendedLifetime(owner) {}
                    ended(sent: PieceTraffic(raw: bytes, wire: bytes))
                })
            }
        case .compressed(let payload, let rawBytes):
            header.encoding = .zstd
            header.payloadBytes = payload.count
            pacedUpload(payload.count, over: connection) {
                connection.send(OutgoingPiece(header: header, content: .bytes(payload)) {
                    ended(sent: PieceTraffic(raw: rawBytes, wire: payload.count))
                })
            }
        }
    }

    /// A connection that has ended meanwhile costs nothing of the rate.
    private func pacedUpload(
        _ bytes: Int, over connection: PeerConnection, send: @escaping @LoopActor () -> Void
    ) {
        pacers.uploads.whenOpen { [pacers] in
            if !connection.isClosed { pacers.uploads.count(bytes) }
            send()
        }
    }

    /// The store lost the blob without a word: evicted.
    private func refuse(_ blob: Digest, request: UInt32, to peer: PeerName) {
        roster.send(.refuse(request: request, reason: .notHeld, retryAfterMillis: 0), to: peer)
        deliver(.uploadEnded(request: request, to: peer))
        if transfers[blob] == nil, store.blob(blob) == nil { deliver(.blobRemoved(blob: blob)) }
    }
}
