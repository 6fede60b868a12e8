import OCIModel

/// From the question that a request asks of the source to the head of its answer.
extension MirrorConnection {
    func ask(_ query: ManifestQuery) {
        guard let source = sourceToAsk(within: context.limits.manifestMillis) else { return }
        if let answer = source.manifestAtOnce(query) { return answered(answer) }
        question.ask { await source.manifest(query) } then: { [weak self] in self?.answered($0) }
    }

    func ask(_ query: BlobQuery) {
        guard let source = sourceToAsk(within: context.limits.blobMillis) else { return }
        question.ask {
            await source.blob(query)
        } then: { [weak self] answer in
            self?.answered(answer, query.digest)
        } late: { answer in
            if case .arriving(let blob) = answer { blob.release() }
        }
    }

    /// The source, which has so many milliseconds from now; `nil` when the request was declined because the node stops.
    private func sourceToAsk(within millis: UInt64) -> (any ImageSource)? {
        guard !context.isDraining else {
            decline("the node is stopping")
            return nil
        }
        limit(millis)
        return context.source
    }

    /// The source's answer did not come in time.
    func answerIsLate() {
        question.forget()
        dropBlob()
        if let current { refuse(current.declined("no answer in time"), as: .deadlineMissed) }
    }

    private func decline(_ reason: String) {
        if let current { refuse(current.declined(reason)) }
    }

    private func answered(_ answer: ManifestAnswer) {
        guard state == .answering else { return }
        switch answer {
        case .found(let mediaType, let digest, let bytes, let size):
            let isHead = current?.isHead == true
            guard size > 0, isHead || Int64(bytes.count) == size else {
                return decline("the manifest is not complete")
            }
            send(.manifest(mediaType: mediaType, digest: digest, bytes: size), body: bytes)
        case .challenged(let challenge): refuse(.unauthorized(challenge))
        case .declined(let reason): decline(reason)
        }
    }

    func ask(_ query: ListingQuery, at place: ListingPlace) {
        guard let source = sourceToAsk(within: context.limits.manifestMillis) else { return }
        question.ask { await source.listing(query) } then: { [weak self] in self?.answered($0, place) }
    }

    private func answered(_ answer: ListingAnswer, _ place: ListingPlace) {
        guard state == .answering else { return }
        switch answer {
        case .found(let listing): send(.listing(listing, at: place), body: listing.bytes)
        case .challenged(let challenge): refuse(.unauthorized(challenge))
        case .declined(let reason): decline(reason)
        }
    }

    func ask(_ ticket: FileTicket) {
        guard let source = sourceToAsk(within: context.limits.blobMillis) else { return }
        question.ask {
            await source.file(ticket)
        } then: { [weak self] file in
            guard let self, state == .answering else { return }
            guard let file else { return refuse(.blobDeclined(reason: "the ticket is not good any more")) }
            current?.subject = .file(file.digest)
            answered(file.answer, file.digest)
        } late: { file in
            if case .arriving(let blob)? = file?.answer { blob.release() }
        }
    }

    private func answered(_ answer: BlobAnswer, _ digest: Digest) {
        guard state == .answering else { return }
        switch answer {
        case .whole(let blob): serve(.whole(blob), digest, bytes: blob.bytes)
        case .arriving(let blob): serve(.arriving(blob), digest, bytes: blob.bytes)
        case .challenged(let challenge): refuse(.unauthorized(challenge))
        case .wrong: refuse(.blobWrong(digest))
        case .declined(let reason): decline(reason)
        }
    }

    /// The head waits for the first byte: until then the answer can still become a 404, and containerd go on.
    private func serve(_ content: BlobBody.Content, _ digest: Digest, bytes: Int64) {
        if case .whole(let blob) = content { current?.wholeFrom = blob.isRuntimes ? .runtime : .cache }
        var part: ByteRange?
        switch RangeSelection(current?.ranges ?? [], bytes: bytes) {
        case .whole: break
        case .part(let range): part = range
        case .unsatisfiable:
            BlobBody(content, start: 0, end: 0).cancel()
            return refuse(.rangeNotSatisfiable(bytes: bytes))
        }
        let body = BlobBody(content, start: part?.start ?? 0, end: part?.end ?? bytes)
        let head = ResponseHead.blob(digest: digest, bytes: bytes, part: part)
        if current?.isHead == true {
            body.cancel()
            return send(head, body: [])
        }
        let sending = BlobSending(body, on: stream, limits: context.limits)
        self.sending = sending
        sending.whenReady { [weak self] beginning in
            guard let self, self.state == .answering else { return }
            if beginning == .ready { return self.send(head, sending) }
            self.dropBlob()
            if beginning == .wrong { self.refuse(.blobWrong(digest)) } else { self.decline("no source has the blob") }
        }
    }
}
