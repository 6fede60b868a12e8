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
/// Outside `reading` and `lingering` nothing is read: a client that pipelines waits in the kernel. What is answered at
/// once, from memory, goes from `reading` to `reading` while the bytes of its head are looked at. Lingering sends
/// FIN and reads on to the client's: closing with unread bytes would send RST, which fails containerd's pull where a
/// short body makes it resume. In every state exactly one deadline runs; that of a blob being sent is `BlobSending`'s.
@LoopActor final class MirrorConnection {
    enum State {
        case reading, answering, sending, lingering, closed
    }

    /// Bytes thrown away while lingering; a client that sends more may as well be reset.
    private static let lingerBytesMax = 1 << 20
    /// Pipelined requests that are answered before others have their turn.
    private static let headsATurnMax = 16

    let stream: Stream
    let context: MirrorContext
    private let onClosed: @LoopActor (MirrorConnection) -> Void
    private var deadline: Deadline?
    var state = State.reading
    private var reader: RequestHeadReader
    private var isReceiving = false
    private var isTakingHeads = false
    /// Others have their turn before what is there is looked at again; until then no more is read.
    private var isWaitingItsTurn = false
    private var isHeadTimed = true
    private var requests = 0
    /// Set from the end of a head to the end of its answer.
    var current: RequestInProgress?
    let question = SourceQuestion()
    var sending: BlobSending?
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
        deadline = Deadline { [weak self] in self?.deadlinePassed() }
        limit(context.limits.headMillis)
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
        deadline = nil
        dropBlob()
        stream.close()
        onClosed(self)
    }

    func dropBlob() {
        sending?.cancel()
        sending = nil
    }

    /// The state may last so long from now.
    func limit(_ milliseconds: UInt64) { deadline?.set(after: milliseconds) }

    private func deadlinePassed() {
        switch state {
        case .reading: linger()
        case .answering: answerIsLate()
        case .sending, .lingering: close()
        case .closed: break
        }
    }

    // MARK: Reading

    /// Reads where the state wants it, and nowhere else.
    private func receive() {
        let isWanted = state == .reading && !isWaitingItsTurn || state == .lingering
        guard isWanted != isReceiving, state != .closed else { return }
        isReceiving = isWanted
        guard isWanted else { return stream.stopReading() }
        stream.startReading { [weak self] event in self?.received(event) }
    }

    private func received(_ event: Stream.ReadEvent) {
        switch (event, state) {
        case (.bytes(let bytes), .reading):
            reader.append(bytes)
            takeHeads()
        case (.bytes(let bytes), .lingering):
            lingered += bytes.count
            if lingered > Self.lingerBytesMax { close() }
        case (.bytes, _): break
        case (.end, _), (.failed, _): close()
        }
    }

    /// Answers the heads that are there, one after the other; the next after an answer that takes time is taken when
    /// that is sent.
    private func takeHeads() {
        guard !isTakingHeads, !isWaitingItsTurn else { return }
        isTakingHeads = true
        var left = Self.headsATurnMax
        while left > 0, state == .reading, takeHead() { left -= 1 }
        isTakingHeads = false
        if left == 0, state == .reading {
            isWaitingItsTurn = true
            Loop.enqueue { [weak self] in
                self?.isWaitingItsTurn = false
                self?.takeHeads()
            }
        }
        receive()
    }

    /// Takes the next head out of the bytes that are there; false when there is none.
    private func takeHead() -> Bool {
        do throws(RequestHeadError) {
            if let head = try reader.next() {
                begin(head)
                return true
            }
        } catch {
            begin()
            refuse(Refusal(error))
            return true
        }
        guard reader.isInsideHead, !isHeadTimed else { return false }
        isHeadTimed = true
        limit(context.limits.headMillis)
        return false
    }

    private func begin() {
        state = .answering
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
            takeRanges(head)
            ask(query)
        case .listing(let query, let place):
            current?.subject = .listing(query)
            ask(query, at: place)
        case .file(let ticket):
            takeRanges(head)
            ask(ticket)
        }
    }

    /// No validator of ours can match an If-Range: then the whole is asked for (RFC 9110 §13.1.5).
    private func takeRanges(_ head: RequestHead) {
        current?.ranges = head.values("if-range").isEmpty ? head.values("range") : []
    }

    // MARK: Sending

    func refuse(_ refusal: Refusal, as outcome: MirrorRequest.Outcome? = nil) {
        if refusal.endsConnection { current?.endsConnection = true }
        current?.outcome = outcome ?? (refusal.status == .notFound ? .declined(reason: refusal.message) : .refused)
        let body = refusal.body
        send(.refusal(refusal, bodyBytes: body.count), body: body)
    }

    private func encoded(_ head: ResponseHead, body: [UInt8] = []) -> [UInt8] {
        state = .sending
        current?.status = head.status
        if context.isDraining { current?.endsConnection = true }
        return head.encoded(
            date: context.date.now(), endsConnection: current?.endsConnection == true, body: body)
    }

    func send(_ head: ResponseHead, body: [UInt8]) {
        let body = current?.isHead == false ? body : []
        current?.bodyBytes = Int64(body.count)
        let isSent = stream.writeAtOnce(encoded(head, body: body)) { [weak self] error in
            guard let self, self.state == .sending else { return }
            if error == nil { self.finish() } else { self.close() }
        }
        if isSent { finish() } else { limit(context.limits.stallMillis) }
    }

    func send(_ head: ResponseHead, _ sending: BlobSending) {
        stream.write(encoded(head))
        deadline?.clear()
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
        limit(context.limits.idleMillis)
        takeHeads()
    }

    /// Fewer bytes than promised, then FIN: containerd asks for the rest, and gets it here or elsewhere. Where those
    /// sent were wrong the rest helps nobody: after RST the pull fails at once (containerd, content.Copy).
    private func cutShort(isWrong: Bool) {
        current?.outcome = .sourceFailed
        record()
        guard isWrong else { return linger() }
        stream.reset()
        close()
    }

    private func linger() {
        state = .lingering
        limit(context.limits.lingerMillis)
        stream.shutdown()
        receive()
    }

    private func record() {
        guard let finished = current?.finished() else { return }
        current = nil
        context.record(finished)
    }
}
