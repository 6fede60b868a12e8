import EventLoop
import HTTPHead
import OCIModel

/// One client's connection: requests are read, answered and finished one at a time, in order.
///
///     reading --head--> answering --answer--> sending --sent--> reading
///        |                  |                    |
///        |               deadline: 404           +--end of the connection, or cut short--> lingering
///        +--bad head: 400--------> sending                                                     |
///        +--idle, gone--> closed <--client gone or too slow-- sending                closed <--+
///
/// Outside `reading` and `lingering` nothing is read: a client that pipelines waits in the kernel. Lingering sends
/// FIN and reads on to the client's: closing with unread bytes would send RST, which fails containerd's pull where a
/// short body makes it resume. In every state exactly one deadline runs.
@LoopActor final class MirrorConnection {
    private enum State { case reading, answering, sending, lingering, closed }

    /// Bytes thrown away while lingering; a client that sends more may as well be reset.
    private static let lingerBytesMax = 1 << 20

    private let stream: Stream
    private let context: MirrorContext
    private let onClosed: @LoopActor (MirrorConnection) -> Void
    private let timer = LoopTimer()
    private var state = State.reading
    private var reader: RequestHeadReader
    private var isHeadTimed = true
    private var requests = 0
    /// Set from the end of a head to the end of its answer.
    private var current: RequestInProgress?
    private let question = SourceQuestion()
    private var sending: BlobSending?
    private var lingered = 0

    init(
        _ stream: Stream,
        context: MirrorContext,
        onClosed: @escaping @LoopActor (MirrorConnection) -> Void
    ) {
        self.stream = stream
        self.context = context
        self.onClosed = onClosed
        reader = RequestHeadReader(limits: context.limits.head)
    }

    func start() {
        limit(context.limits.headMillis) { $0.linger() }
        receive()
    }

    /// Ends the connection as soon as no request is under way.
    func drain() {
        if state == .reading, !reader.isInsideHead { linger() }
    }

    /// Ends the connection now; what was promised and not sent stays unsent.
    func close() {
        guard state != .closed else { return }
        if let sending { current?.bodyBytes = sending.sentBytes }
        current?.outcome = .clientLost
        record()
        state = .closed
        question.forget()
        timer.stop()
        dropBlob()
        stream.close()
        onClosed(self)
    }

    private func dropBlob() {
        sending?.cancel()
        sending = nil
    }

    private func limit(_ milliseconds: UInt64, _ expired: @escaping @LoopActor (MirrorConnection) -> Void) {
        timer.start(after: milliseconds) { [weak self] in
            if let self { expired(self) }
        }
    }

    // MARK: Reading

    private func receive() {
        stream.startReading { [weak self] event in self?.received(event) }
    }

    private func received(_ event: Stream.ReadEvent) {
        switch (event, state) {
        case (.bytes(let bytes), .reading):
            reader.append(bytes)
            readHead()
        case (.bytes(let bytes), .lingering):
            lingered += bytes.count
            if lingered > Self.lingerBytesMax { close() }
        case (.bytes, _): break
        case (.end, _), (.failed, _): close()
        }
    }

    /// Takes the next head out of the bytes that are there, or sees to it that more come.
    private func readHead() {
        do throws(RequestHeadError) {
            if let head = try reader.next() { return begin(head) }
        } catch {
            begin()
            return refuse(Refusal(error))
        }
        guard reader.isInsideHead, !isHeadTimed else { return }
        isHeadTimed = true
        limit(context.limits.headMillis) { $0.linger() }
    }

    private func begin() {
        state = .answering
        stream.stopReading()
        requests += 1
        current = RequestInProgress()
    }

    private func begin(_ head: RequestHead) {
        begin()
        current?.isHead = head.method == .head
        current?.endsConnection = head.endsConnection || requests >= context.limits.requestsPerConnectionMax
        switch context.router.decide(head) {
        case .refused(let refusal): refuse(refusal)
        case .base: send(.base(), body: ResponseHead.baseBody)
        case .manifest(let query):
            current?.subject = .manifest(query)
            ask(query)
        case .blob(let query):
            current?.subject = .blob(query)
            // No validator of ours can match an If-Range: then the whole is asked for (RFC 9110 §13.1.5).
            current?.ranges = head.values("if-range").isEmpty ? head.values("range") : []
            ask(query)
        }
    }

    // MARK: Answering

    private func ask(_ query: ManifestQuery) {
        guard !context.isDraining else { return decline("the node is stopping") }
        let source = context.source
        limit(context.limits.manifestMillis) { $0.deadlineMissed() }
        question.ask { await source.manifest(query) } then: { [weak self] in self?.answered($0) }
    }

    private func ask(_ query: BlobQuery) {
        guard !context.isDraining else { return decline("the node is stopping") }
        let source = context.source
        limit(context.limits.blobMillis) { $0.deadlineMissed() }
        question.ask {
            await source.blob(query)
        } then: { [weak self] answer in
            self?.answered(answer, query.digest)
        } late: { answer in
            if case .arriving(let blob) = answer { blob.release() }
        }
    }

    private func deadlineMissed() {
        question.forget()
        dropBlob()
        decline("no answer in time")
        current?.outcome = .deadlineMissed
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

    private func answered(_ answer: BlobAnswer, _ digest: Digest) {
        guard state == .answering else { return }
        switch answer {
        case .whole(let blob): serve(.whole(blob), digest, bytes: blob.bytes)
        case .arriving(let blob): serve(.arriving(blob), digest, bytes: blob.bytes)
        case .challenged(let challenge): refuse(.unauthorized(challenge))
        case .declined(let reason): decline(reason)
        }
    }

    /// The head waits for the first byte: until then the answer can still become a 404, and containerd go on.
    private func serve(_ content: BlobBody.Content, _ digest: Digest, bytes: Int64) {
        if case .whole = content { current?.wasWhole = true }
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
        sending.whenReady { [weak self] isReady in
            guard let self, self.state == .answering else { return }
            if isReady { return self.send(head, sending) }
            self.dropBlob()
            self.decline("no source has the blob")
        }
    }

    // MARK: Sending

    private func refuse(_ refusal: Refusal) {
        if refusal.endsConnection { current?.endsConnection = true }
        current?.outcome = refusal.status == .notFound ? .declined(reason: refusal.message) : .refused
        let body = refusal.body
        send(.refusal(refusal, bodyBytes: body.count), body: body)
    }

    private func encoded(_ head: ResponseHead) -> [UInt8] {
        state = .sending
        timer.stop()
        current?.status = head.status
        if context.isDraining { current?.endsConnection = true }
        return head.encoded(date: context.date.now(), endsConnection: current?.endsConnection == true)
    }

    private func send(_ head: ResponseHead, body: [UInt8]) {
        var bytes = encoded(head)
        if current?.isHead == false {
            bytes += body
            current?.bodyBytes = Int64(body.count)
        }
        limit(context.limits.stallMillis) { $0.close() }
        stream.write(bytes) { [weak self] error in
            guard let self, self.state == .sending else { return }
            if error == nil { self.finish() } else { self.close() }
        }
    }

    private func send(_ head: ResponseHead, _ sending: BlobSending) {
        stream.write(encoded(head))
        sending.start { [weak self] end in
            guard let self, self.state == .sending else { return }
            self.current?.bodyBytes = sending.sentBytes
            self.sending = nil
            switch end {
            case .complete: self.finish()
            case .sourceFailed, .wrong: self.cutShort(isWrong: end == .wrong)
            case .clientLost: self.close()
            }
        }
    }

    private func finish() {
        let endsConnection = current?.endsConnection == true || context.isDraining
        record()
        guard !endsConnection else { return linger() }
        state = .reading
        isHeadTimed = false
        limit(context.limits.idleMillis) { $0.linger() }
        readHead()
        if state == .reading { receive() }
    }

    /// Fewer bytes than promised, then FIN: containerd asks for the rest, and gets it here or elsewhere. Where those
    /// sent were wrong the rest helps nobody: after RST the pull fails at once (containerd, content.Copy).
    private func cutShort(isWrong: Bool) {
        current?.outcome = .sourceFailed
        record()
        if isWrong { stream.reset() }
        isWrong ? close() : linger()
    }

    private func linger() {
        state = .lingering
        limit(context.limits.lingerMillis) { $0.close() }
        stream.shutdown()
        receive()
    }

    private func record() {
        guard let finished = current?.finished() else { return }
        current = nil
        context.record(finished)
    }
}
