import EventLoop

/// The bytes of one blob response, from a file that is whole or still arriving.
///
///     ready --send()--> sending <--> waiting for the source
///       |                  |                |
///       +----cancel()------+----------------+--> ended
///
/// Only bytes that the source calls available are handed to the kernel, by `sendFile`; nothing is read ahead.
/// An arriving blob is released exactly once, and not before the kernel has let go of its file.
/// Invariant: `next <= end`; at most one of `sendFile` and `whenMore` is outstanding.
@LoopActor final class BlobBody {
    enum Content {
        case whole(any WholeBlob)
        case arriving(any ArrivingBlob)
    }

    enum Activity {
        /// The kernel took bytes.
        case sent
        /// Everything available is sent; the source has the next word.
        case waitingForSource
        /// The source has delivered and the client has the next word.
        case sending
    }

    enum Beginning {
        case ready
        /// There will be no byte.
        case sourceFailed
        /// What the source had was not the blob's; nothing of it was sent.
        case wrong
    }

    enum End {
        case complete
        case sourceFailed
        /// What may already have been sent is not the blob's.
        case wrong
        case streamFailed
    }

    private let content: Content
    private let start: Int64
    private let end: Int64
    private var next: Int64
    /// Sent by the `sendFile` under way.
    private var inFlight: Int64 = 0
    private var isSendingFile = false
    private var isEnded = false
    private var isReleased = false

    /// `start` and `end` lie within the blob.
    init(_ content: Content, start: Int64, end: Int64) {
        precondition(start >= 0 && start <= end)
        self.content = content
        self.start = start
        self.end = end
        next = start
    }

    /// Handed to the kernel so far.
    var sentBytes: Int64 { next - start + inFlight }

    /// Calls `then`, now or later but not after `cancel`, when sending can begin or never will.
    func whenReady(_ then: @escaping @LoopActor (Beginning) -> Void) {
        guard case .arriving(let blob) = content, available == next, next < end else { return then(.ready) }
        blob.whenMore(than: next) { state in
            guard !self.isEnded else { return }
            switch state {
            case .available: then(.ready)
            case .failed: then(.sourceFailed)
            case .wrong: then(.wrong)
            }
        }
    }

    /// Sends it all, behind what `stream` has queued.
    ///
    /// `then` is called once, unless `cancel` comes first.
    func send(
        on stream: Stream,
        activity: @escaping @LoopActor (Activity) -> Void,
        then: @escaping @LoopActor (End) -> Void
    ) {
        guard !isEnded else { return }
        guard next < end else { return finish(.complete, then) }
        let available = self.available
        guard available > next else {
            activity(.waitingForSource)
            return awaitMore(on: stream, activity: activity, then: then)
        }
        isSendingFile = true
        stream.sendFile(
            descriptor,
            offset: next,
            count: available - next,
            progress: { sent in
                guard !self.isEnded else { return }
                self.inFlight = sent
                activity(.sent)
            },
            then: { result in
                self.isSendingFile = false
                // What the kernel took before it failed, or the end came, was sent.
                let sent = (try? result.get()) ?? self.inFlight
                self.inFlight = 0
                self.next += sent
                guard !self.isEnded else { return self.release() }
                switch result {
                case .success:
                    self.send(on: stream, activity: activity, then: then)
                case .failure(let error):
                    // A file shorter than it was said to be is the source's fault, all else the connection's.
                    self.finish(error.code == .endOfFile ? .sourceFailed : .streamFailed, then)
                }
            }
        )
    }

    /// Ends it early; no handler is called any more.
    func cancel() {
        isEnded = true
        release()
    }

    private func awaitMore(
        on stream: Stream,
        activity: @escaping @LoopActor (Activity) -> Void,
        then: @escaping @LoopActor (End) -> Void
    ) {
        guard case .arriving(let blob) = content else { return finish(.sourceFailed, then) }
        blob.whenMore(than: next) { state in
            guard !self.isEnded else { return }
            switch state {
            case .failed: self.finish(.sourceFailed, then)
            case .wrong: self.finish(.wrong, then)
            case .available:
                activity(.sending)
                self.send(on: stream, activity: activity, then: then)
            }
        }
    }

    private func finish(_ end: End, _ then: @LoopActor (End) -> Void) {
        isEnded = true
        release()
        then(end)
    }

    private func release() {
        guard !isReleased, !isSendingFile else { return }
        isReleased = true
        switch content {
        case .whole(let blob): blob.noteSent(sentBytes)
        case .arriving(let blob): blob.release()
        }
    }

    private var descriptor: Int32 {
        switch content {
        case .whole(let blob): blob.descriptor
        case .arriving(let blob): blob.descriptor
        }
    }

    private var available: Int64 {
        switch content {
        case .whole: end
        case .arriving(let blob): min(end, max(next, blob.availableEnd(from: next)))
        }
    }
}
