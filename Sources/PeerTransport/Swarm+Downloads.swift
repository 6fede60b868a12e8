import ContentStore
import EventLoop
package import OCIModel
import PieceExchange
import PieceModel

/// Downloads: begun for the first reader, shared by all, ended after the last.
extension Swarm {
    /// Gets a blob of that size into the store, from peers and, if a source is given, from the registry, and
    /// returns as soon as it can be waited for. Readers of one blob share one download.
    ///
    /// A blob that the store already has is returned as a finished download. Without `isShared`, no peer is asked and
    /// none hears of the blob, unless it is being downloaded already. Without a source, `registry` says whose blob it
    /// is.
    package func download(
        _ digest: Digest,
        bytes: Int64,
        source: OriginSource?,
        isShared: Bool = true,
        registry: String = ""
    ) async throws(DownloadFailure) -> BlobDownload {
        guard let layout = PieceLayout(blobBytes: bytes) else { throw .badSize }
        while true {
            guard !isStopping else { throw .stopping }
            guard let transfer = transfers[digest] else {
                if isShared { share(digest) } else if store.blob(digest) == nil { keep(digest) }
                let transfer = BlobTransfer(digest: digest, layout: layout, source: source, registry: registry)
                transfers[digest] = transfer
                try await open(transfer)
                return BlobDownload(transfer)
            }
            switch transfer.phase {
            case .opening, .closing:
                await transfer.nextPhase()
            case .running, .complete:
                guard transfer.bytes == bytes else { throw .sizeMismatch }
                add(source, to: transfer)
                return BlobDownload(transfer)
            case .closed:
                preconditionFailure("a closed transfer is not listed")
            }
        }
    }

    // MARK: Opening

    private enum Opened: Sendable {
        case whole(BlobFile)
        case partial(PartialBlob, [ExchangeEvent.HeldPiece])
    }

    private func open(_ transfer: BlobTransfer) async throws(DownloadFailure) {
        let result = await opened(transfer.digest, transfer.layout)
        switch result {
        case .success(.whole(let file)):
            guard file.bytes == transfer.bytes else { throw forget(transfer, .sizeMismatch) }
            listen(to: transfer)
            transfer.opened(file)
        case .success(.partial(let partial, let held)):
            listen(to: transfer)
            transfer.opened(partial, held: held.map(\.piece))
            guard !isStopping else {
                close(transfer, failing: .stopping)
                throw .stopping
            }
            observe(
                .downloadStarted(
                    transfer.digest,
                    bytes: transfer.bytes,
                    resumedBytes: transfer.sources.resumedBytes
                )
            )
            // The store may have evicted the blob since it was offered.
            deliver(.blobRemoved(blob: transfer.digest))
            want(transfer, held: held)
            if let failure = transfer.failure { throw failure }
        case .failure(let error):
            throw forget(transfer, .storeFailed(error.description))
        }
    }

    private func opened(_ digest: Digest, _ layout: PieceLayout) async -> Result<Opened, StoreError> {
        let store = store
        return await work.run {
            Result { () throws(StoreError) in
                if let file = try store.openBlob(digest) { return .whole(file) }
                let partial = try store.beginPartial(digest, layout: layout)
                return .partial(partial, Self.heldPieces(partial))
            }
        }
    }

    private nonisolated static func heldPieces(_ partial: PartialBlob) -> [ExchangeEvent.HeldPiece] {
        partial.held().map { .init(piece: $0.piece, digest: $0.digest, author: $0.author) }
    }

    private func want(_ transfer: BlobTransfer, held: [ExchangeEvent.HeldPiece]) {
        deliver(
            .want(
                blob: transfer.digest,
                layout: transfer.layout,
                held: held,
                originAllowed: transfer.source != nil
            )
        )
    }

    /// Ends a transfer that was never open.
    private func forget(_ transfer: BlobTransfer, _ failure: DownloadFailure) -> DownloadFailure {
        transfers[transfer.digest] = nil
        transfer.fail(failure)
        transfer.enter(.closed)
        return failure
    }

    /// A reader that may ask a registry has joined readers that may not.
    private func add(_ source: OriginSource?, to transfer: BlobTransfer) {
        guard let source else { return }
        let isFirst = transfer.source == nil
        // The last caller's credential is good for longest.
        transfer.source = source
        guard isFirst, transfer.phase == .running, let partial = transfer.partial else { return }
        want(transfer, held: Self.heldPieces(partial))
    }

    private func listen(to transfer: BlobTransfer) {
        let digest = transfer.digest
        transfer.onReaderMoved = { [weak self] piece in
            self?.deliver(.readerMoved(blob: digest, to: piece))
        }
        transfer.onAbandoned = { [weak self, weak transfer] in
            guard let self, let transfer else { return }
            abandoned(transfer)
        }
    }

    // MARK: Ending

    func completed(_ blob: Digest) {
        guard let transfer = transfers[blob], transfer.phase == .running else { return }
        transfer.completed()
        // The lone exchange has nobody to offer it to.
        if isKept(blob) { deliver(.blobRemoved(blob: blob)) }
        let nanoseconds = Loop.nowNanoseconds &- transfer.startNanoseconds
        observe(.downloadFinished(blob, transfer.sources, registry: transfer.registry, nanoseconds: nanoseconds))
        if transfer.readerCount == 0 { transfers[blob] = nil }
    }

    /// Ends the transfer and its readers; what came stays on disk for the next one.
    func close(_ transfer: BlobTransfer, failing failure: DownloadFailure?) {
        let digest = transfer.digest
        switch transfer.phase {
        case .complete:
            transfers[digest] = nil
            return
        case .opening, .closing, .closed:
            return
        case .running:
            break
        }
        transfer.enter(.closing)
        origins.removeValue(forKey: digest)?.stop()
        if let failure {
            transfer.fail(failure)
            observe(.downloadFailed(digest, failure))
        }
        deliver(.unwant(blob: digest))
        let work = work
        transfer.whenNoWork { [weak self] in
            let partial = transfer.partial
            work.run {
                partial?.abandon()
            } then: {
                self?.transfers[digest] = nil
                transfer.enter(.closed)
                // The store may have got it by another way meanwhile.
                if self?.isStopping == false { self?.blobCommitted(digest) }
            }
        }
    }

    private func abandoned(_ transfer: BlobTransfer) {
        switch transfer.phase {
        case .complete:
            transfers[transfer.digest] = nil
        case .running:
            let timer = LoopTimer()
            timer.start(after: options.lingerMillis) { [weak self, weak transfer] in
                timer.stop()
                guard let self, let transfer, transfer.readerCount == 0 else { return }
                close(transfer, failing: nil)
            }
        case .opening, .closing, .closed:
            break
        }
    }
}
