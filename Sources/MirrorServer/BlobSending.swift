import EventLoop

/// The sending of one blob response, with a watch on both sides: the source must deliver, the client must
/// take.
///
///     made --start()--> sending --> ended
///       |                  |
///       +----cancel()------+-----> ended
@LoopActor final class BlobSending {
    enum End {
        case complete
        /// The source failed, or delivered nothing for too long.
        case sourceFailed
        /// What may already have been sent is not the blob's.
        case wrong
        /// The connection broke, or the client took nothing for too long or too little all the time.
        case clientLost
    }

    private let stream: Stream
    private let body: BlobBody
    private let limits: MirrorLimits
    private let timer = LoopTimer()
    private var pace: SendingPace
    private var then: (@LoopActor (End) -> Void)?

    init(_ body: BlobBody, on stream: Stream, limits: MirrorLimits) {
        self.body = body
        self.stream = stream
        self.limits = limits
        pace = SendingPace(limits: limits)
    }

    /// Handed to the kernel so far.
    var sentBytes: Int64 { body.sentBytes }

    /// Calls `then`, now or later but not after `cancel`, when the first byte is there or never will be.
    func whenReady(_ then: @escaping @LoopActor (BlobBody.Beginning) -> Void) {
        body.whenReady(then)
    }

    /// Sends it all, behind what the stream has queued.
    ///
    /// `then` is called once, unless `cancel` comes first.
    func start(_ then: @escaping @LoopActor (End) -> Void) {
        self.then = then
        pace = SendingPace(limits: limits)
        watch(for: .clientLost)
        body.send(on: stream) { [weak self] activity in
            self?.noticed(activity)
        } then: { [weak self] end in
            switch end {
            case .complete: self?.finish(.complete)
            case .sourceFailed: self?.finish(.sourceFailed)
            case .wrong: self?.finish(.wrong)
            case .streamFailed: self?.finish(.clientLost)
            }
        }
    }

    /// Ends it early; no handler is called any more.
    func cancel() {
        then = nil
        timer.stop()
        body.cancel()
    }

    private func noticed(_ activity: BlobBody.Activity) {
        let now = Loop.nowNanoseconds
        switch activity {
        case .waitingForSource:
            pace.pause(now)
            watch(for: .sourceFailed)
        case .sending:
            pace.resume(now)
            watch(for: .clientLost)
        case .sent:
            guard pace.isKept(sent: sentBytes, now) else { return finish(.clientLost) }
            watch(for: .clientLost)
        }
    }

    private func watch(for end: End) {
        timer.start(after: limits.stallMillis) { [weak self] in self?.finish(end) }
    }

    private func finish(_ end: End) {
        let then = then
        cancel()
        then?(end)
    }
}
