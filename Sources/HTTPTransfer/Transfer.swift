import CCurl
package import EventLoop

// States: waiting -> running -> ended, or waiting -> ended.
// - `resources` exist from `prepare()` to `release()`; the engine calls both, outside of libcurl.
// - The engine is kept alive until `release()`, so that it never goes while libcurl knows one of its handles.
// - After `ended` no handler runs; the handlers are dropped there, which also breaks any cycle through them.
// - `isHeld` (libcurl keeps bytes we refused) implies that `wantsPause` was set when they came.

/// What `onBody` answers: whether more may come now.
package enum BodyFlow: Sendable {
    case more
    /// The bytes were taken; no more until `Transfer.resume()`.
    case pause
}

/// One exchange on a `TransferEngine`.
@LoopActor package final class Transfer {
    package typealias HeadHandler = @LoopActor (ResponseHead) -> Void
    /// The bytes are valid during the call only, and are at most 16 KiB.
    package typealias BodyHandler = @LoopActor (UnsafeRawBufferPointer) -> BodyFlow
    package typealias EndHandler = @LoopActor (Result<TransferSummary, TransferError>) -> Void

    struct Handlers {
        let head: HeadHandler
        let body: BodyHandler
        let end: EndHandler
    }

    enum State { case waiting, running, ended }

    let request: TransferRequest
    var state = State.waiting
    private var resources: EasyResources?
    private var handlers: Handlers?
    private var engine: TransferEngine?
    private let watchdog = LoopTimer()
    private var collector = HeadCollector(bytesMax: TransferRequest.headBytesMax)
    private var address: AddressClass?
    private var failure: TransferError?
    private var headArrived = false
    private var bodyBytes: Int64 = 0
    private var wantsPause = false
    private var isHeld = false
    private var lastProgress: UInt64 = 0

    init(_ request: TransferRequest, handlers: Handlers, engine: TransferEngine) {
        self.request = request
        self.handlers = handlers
        self.engine = engine
    }

    /// Stops delivering body bytes; at most the bytes now being delivered still arrive, and the end of a
    /// response whose body was already delivered is still reported.
    package func pause() {
        wantsPause = true
    }

    /// Undoes `pause()`.
    ///
    /// Bytes come from the loop, never from inside this call.
    package func resume() {
        wantsPause = false
        lastProgress = Loop.nowNanoseconds
        guard state == .running, isHeld else { return }
        engine?.enqueue(.resume(self))
    }

    /// Ends the exchange without a further call of any handler; closes its connection unless the response was
    /// whole.
    package func cancel() {
        guard state != .ended else { return }
        state = .ended
        handlers = nil
        watchdog.stop()
        engine?.enqueue(.remove(self))
    }

    // MARK: Called by the engine, outside of libcurl

    var easy: UnsafeMutableRawPointer? { resources?.easy }
    var errorText: String { resources?.errorText ?? "" }

    /// `nil` when libcurl refuses the request.
    func prepare() -> UnsafeMutableRawPointer? {
        resources = EasyResources(request)
        resources?.attach(self)
        return resources?.easy
    }

    /// False when its proxy may not be asked for this host.
    var mayAskProxy: Bool {
        request.proxy == nil || TransferProxy.mayDial(request.url.host, request.addressPolicy)
    }

    func didStart() {
        state = .running
        let wait = request.timeouts.connect &+ request.timeouts.head
        watch(after: wait) { $0.fail(TransferError(.timedOut(.head))) }
    }

    /// Takes what libcurl kept back, if a pause did not come in between.
    func releaseHeldBytes() {
        guard state == .running, isHeld, !wantsPause, let easy else { return }
        isHeld = false
        lastProgress = Loop.nowNanoseconds
        _ = curl_easy_pause(easy, CURLPAUSE_CONT)
    }

    func didComplete(_ code: CURLcode, detail: String) {
        if let failure {
            finish(.failure(failure))
        } else if code == CURLE_OK {
            finish(.success(TransferSummary(bodyBytes: bodyBytes, trailers: collector.trailers)))
        } else {
            let error = TransferError(code: code, detail: detail, headArrived: headArrived)
            finish(.failure(error))
        }
    }

    func fail(_ error: TransferError) {
        guard state != .ended else { return }
        engine?.enqueue(.remove(self))
        finish(.failure(error))
    }

    func release() {
        resources?.free()
        resources = nil
        engine = nil
    }

    private func finish(_ result: Result<TransferSummary, TransferError>) {
        guard state != .ended else { return }
        state = .ended
        watchdog.stop()
        let end = handlers?.end
        handlers = nil
        end?(result)
    }

    // MARK: Called by libcurl

    func willOpenSocket(_ address: AddressClass?) -> Bool {
        guard isAllowed(address) else {
            failure = TransferError(.addressRefused)
            return false
        }
        return true
    }

    /// Also runs for a pooled connection, which may have been opened under another policy.
    func willSendRequest(_ address: AddressClass?) -> Bool {
        guard state == .running, willOpenSocket(address) else { return false }
        // An address refused among several of a name does not matter once another one answered.
        failure = nil
        // Of what a proxy dials only the URL tells anything.
        self.address = request.proxy == nil ? address : AddressClass(text: request.url.host)
        watch(after: request.timeouts.head) { $0.fail(TransferError(.timedOut(.head))) }
        return true
    }

    private func isAllowed(_ address: AddressClass?) -> Bool {
        // The proxy's own address is an operator's choice.
        if request.proxy != nil { return true }
        guard let address else { return request.addressPolicy == .any }
        return request.addressPolicy.allows(address)
    }

    func didReceiveHeaderLine(_ line: UnsafeRawBufferPointer) -> Bool {
        guard state == .running else { return false }
        switch collector.take(line) {
        case .none: return true
        case .refused(let kind):
            failure = TransferError(kind)
            return false
        case .head(let status, let headers):
            headArrived = true
            lastProgress = Loop.nowNanoseconds
            watchForStall(after: request.timeouts.stall)
            handlers?.head(ResponseHead(status: status, headers: headers, address: address))
            return state == .running
        }
    }

    enum BodyAnswer { case taken, hold, abort }

    func didReceiveBody(_ bytes: UnsafeRawBufferPointer) -> BodyAnswer {
        guard state == .running, let handlers else { return .abort }
        guard !wantsPause else {
            isHeld = true
            return .hold
        }
        lastProgress = Loop.nowNanoseconds
        bodyBytes += Int64(bytes.count)
        if handlers.body(bytes) == .pause { wantsPause = true }
        return state == .running ? .taken : .abort
    }

    /// Calls `expired` after a time, and after one more turn of the loop: what arrived while the loop was busy
    /// elsewhere is read before anything is called late.
    private func watch(after milliseconds: UInt64, _ expired: @escaping @LoopActor (Transfer) -> Void) {
        watchdog.start(after: milliseconds) { [weak self] in
            self?.watchdog.start(after: 1) { [weak self] in
                if let self { expired(self) }
            }
        }
    }

    private func watchForStall(after milliseconds: UInt64) {
        watch(after: milliseconds) { $0.checkForStall() }
    }

    private func checkForStall() {
        let limit = request.timeouts.stall
        let idle = (Loop.nowNanoseconds &- lastProgress) / 1_000_000
        if wantsPause || isHeld {
            watchForStall(after: limit)
        } else if idle >= limit {
            fail(TransferError(.timedOut(.body)))
        } else {
            watchForStall(after: max(1, limit - idle))
        }
    }
}
