import ContentStore
import EventLoop
import OCIModel
import Pacing
import PieceExchange
import PieceModel
import Wire

/// Does what the exchange decided.
extension Swarm {
    func perform(_ action: ExchangeAction, answering event: ExchangeEvent) {
        switch action {
        case .send(.holdings(let blob, var held?), let peer):
            held.isPublic = publicBlobs.contains(blob)
            roster.send(.holdings(blob: blob, held: held), to: peer)
        case .send(let message, let peer):
            note(message)
            roster.send(message, to: peer)
        case .upload(let blob, let piece, let request, let peer):
            upload(blob, piece, request: request, to: peer)
        case .checkPiece(let blob, let piece, let digest, let author, let request, let peer):
            guard case .pieceArrived(let header, _) = event else {
                preconditionFailure("only a piece that just came can be checked")
            }
            let intake = PieceIntake(
                payload: takeArrived(),
                encoding: header.encoding,
                piece: piece,
                digest: digest,
                author: author
            )
            check(intake, of: blob, request: request, from: peer)
        case .discardPayload:
            _ = takeArrived()
        case .fetchFromOrigin(let blob, let pieces):
            fetchFromOrigin(blob, pieces)
        case .stopOrigin(let blob):
            origins.removeValue(forKey: blob)?.stop()
        case .loadDigests(let blob):
            loadDigests(blob)
        case .provePieces(let blob, let pieces):
            prove(pieces, of: blob)
        case .checkBlob(let blob):
            checkBlob(blob)
        case .completed(let blob):
            completed(blob)
        case .dropPieces(let blob, let pieces):
            drop(pieces, of: blob)
        case .failed(let blob, let reason):
            if let transfer = transfers[blob] { close(transfer, failing: failure(of: transfer, reason)) }
        case .seekHolders(let blob): seekHolders(of: blob, register)
        case .askRegister(let request): ask(register, request)
        case .tellRegister(let progress): tell(register, progress)
        case .tellRegisterLost(let blob, let bytes, let holder): tell(register, lost: holder, of: blob, bytes: bytes)
        case .connect(let peer):
            if !roster.call(peer) { deliver(.unreachable(peer)) }
        case .ban(let peer, let reason, let retry):
            roster.ban(peer, cause: BanCause(reason), until: retry.nanoseconds)
        }
    }

    // MARK: Pieces in

    /// How long pieces take is counted from here.
    private func note(_ message: PeerMessage) {
        switch message {
        case .request(let request, _, _): counted.asked(request, now: Loop.nowNanoseconds)
        case .cancel(let request): counted.gaveUp(request)
        default: break
        }
    }

    private func check(_ intake: PieceIntake, of blob: Digest, request: UInt32, from peer: PeerName) {
        guard let transfer = transfers[blob] else {
            return deliver(.pieceChecked(request: request, from: peer, outcome: .storeFailed))
        }
        let rawBytes = transfer.layout.byteCount(of: intake.piece)
        let connection = roster.connection(to: peer)
        let zone = connection?.hello?.zone?.text ?? ""
        connection?.received.count(raw: rawBytes, wire: intake.payload.count)
        counted.count(received: rawBytes, wire: intake.payload.count, from: zone)
        func stored(_ outcome: ExchangeEvent.PieceOutcome) {
            transfer.sources.peerBytes[peer, default: 0] += Int64(rawBytes)
            counted.stored(
                request, bytes: rawBytes, registry: transfer.registry, zone: zone, now: Loop.nowNanoseconds)
            deliver(.pieceChecked(request: request, from: peer, outcome: outcome))
        }
        let chain = mayGoByChain(blob) ? transfer.chain.whole : nil
        intake.run(into: transfer, work: work, chain: chain) { outcome in
            switch outcome {
            case .stored: stored(.stored)
            case .linked: stored(.linked)
            case .wrongBytes:
                self.counted.piecesWrong += 1
                self.deliver(.pieceChecked(request: request, from: peer, outcome: .wrongBytes))
            case .storeFailed(let reason):
                transfer.storeFailure = reason
                self.counted.piecesUnstored += 1
                self.deliver(.pieceChecked(request: request, from: peer, outcome: .storeFailed))
            }
        }
    }

    private func fetchFromOrigin(_ blob: Digest, _ pieces: Range<Int>) {
        guard let transfer = transfers[blob], let source = transfer.source else {
            return deliver(.originEnded(blob: blob, failure: .permanent))
        }
        let handlers = OriginIntake.Handlers { bytes in
            transfer.sources.originBytes += Int64(bytes)
            self.counted.originBytes += Int64(bytes)
        } stored: { piece, digest in
            self.deliver(.originPiece(blob: blob, piece: piece, digest: digest))
        } ended: { failure, isTail in
            if isTail { self.origins[blob]?.tail = nil } else { self.origins[blob]?.running = nil }
            self.deliver(.originEnded(blob: blob, failure: failure, isTail: isTail))
        } storeFailed: { error in
            self.origins.removeValue(forKey: blob)?.stop()
            transfer.storeFailure = error.description
            self.deliver(.storeFailed(blob: blob))
        }
        let intake = OriginIntake(
            transfer: transfer,
            pieces: pieces,
            author: options.name,
            work: work,
            bytesMax: { [weak self] in self?.originShare ?? 0 },
            handlers: handlers
        )
        origins[blob, default: OriginReads()].begin(intake)
        intake.start(origin, source: source)
    }

    /// Bytes of one blob that may wait to be stored: all blobs together keep to their bound, but for a piece each.
    private var originShare: Int {
        options.originBytesMax / max(origins.values.reduce(0) { $0 + $1.count }, 1)
    }

    // MARK: Whole blobs

    private func checkBlob(_ blob: Digest) {
        guard let transfer = transfers[blob], let partial = transfer.partial else {
            return deliver(.storeFailed(blob: blob))
        }
        if partial.isKnownRight { return finish(transfer, partial) }
        checkBlob(transfer) { () throws(StoreError) in try partial.matches() } then: { matches in
            guard matches else { return self.deliver(.blobChecked(blob: blob, matches: false)) }
            self.finish(transfer, partial)
        }
    }

    /// The whole matches: nobody has to wait for the disk.
    private func finish(_ transfer: BlobTransfer, _ partial: PartialBlob) {
        transfer.matched()
        checkBlob(transfer) { () throws(StoreError) in try partial.finish() } then: { matches in
            self.deliver(.blobChecked(blob: transfer.digest, matches: matches, chain: partial.chainStates))
        }
    }

    private func checkBlob(
        _ transfer: BlobTransfer,
        _ check: @escaping @Sendable () throws(StoreError) -> Bool,
        then: @escaping @LoopActor (Bool) -> Void
    ) {
        transfer.beginWork()
        work.run {
            Result { () throws(StoreError) in try check() }
        } then: { result in
            switch result {
            case .success(let matches): then(matches)
            case .failure(let error):
                transfer.storeFailure = error.description
                self.deliver(.storeFailed(blob: transfer.digest))
            }
            transfer.endWork()
        }
    }

    private func drop(_ pieces: [PieceIndex], of blob: Digest) {
        guard let transfer = transfers[blob], let partial = transfer.partial else { return }
        observe(.blobMismatched(blob, piecesDropped: pieces.count))
        transfer.drop(pieces)
        transfer.beginDrop()
        work.run {
            partial.drop(pieces)
        } then: {
            transfer.endDrop()
        }
    }

    private func failure(
        of transfer: BlobTransfer,
        _ reason: ExchangeAction.WantFailure
    ) -> DownloadFailure {
        switch reason {
        case .noSource: .noSource
        case .originRefused: .originRefused
        case .sourcesExhausted: .sourcesExhausted
        case .wrongContent: .wrongContent
        case .storeFailed: .storeFailed(transfer.storeFailure ?? "")
        }
    }
}
