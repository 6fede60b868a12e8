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
    enum State {
        case reading, answering, sending, lingering, closed
    }

    /// Bytes thrown away while lingering; a client that sends more may as well be reset.
    private static let lingerBytesMax = 1 << 20

    let stream: Stream
    let context: MirrorContext
    private let onClosed: @LoopActor (MirrorConnection) -> Void
    private let timer = LoopTimer()
    var state = State.reading
    private var reader: RequestHeadReader
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

    func dropBlob() {
        sending?.cancel()
        sending = nil
    }

    func limit(_ milliseconds: UInt64, _ expired: @escaping @LoopActor (MirrorConnection) -> Void) {
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

    func refuse(_ refusal: Refusal) {
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

    func send(_ head: ResponseHead, body: [UInt8]) {
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

    func send(_ head: ResponseHead, _ sending: BlobSending) {
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
        guard isWrong else { return linger() }
        stream.reset()
        close()
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
