import CCurl
package import EventLoop

// libcurl is entered from three places only: the pollers' and the timer's callbacks (`act`) and the queue
// (`drain`). Everything a user may call from inside a libcurl callback only appends to the queue, because
// libcurl forbids adding, removing and resuming handles there. So a handler never runs inside a call its own
// code made.
// - `running` holds every transfer known to the multi handle, keyed by its easy handle, and keeps it alive.
// - `watches` holds one poller for each socket libcurl asked to watch, with what it asked for last.

/// Performs HTTP and HTTPS transfers on the loop with libcurl's multi interface, reusing connections.
///
/// One engine is one connection pool. There is no limit on parallel transfers here; who starts them sets one.
@LoopActor package final class TransferEngine {
    enum Action {
        case start(Transfer)
        case resume(Transfer)
        case remove(Transfer)
    }

    private struct Watch {
        let poller: Poller
        var what: CInt
    }

    private let multi: UnsafeMutableRawPointer?
    private let timer = LoopTimer()
    private let kick = LoopTimer()
    private var watches: [curl_socket_t: Watch] = [:]
    private var running: [UnsafeMutableRawPointer: Transfer] = [:]
    private var queue: [Action] = []
    private var isKicked = false
    private var isClosed = false

    /// Idle connections kept for reuse, all hosts together.
    package init(idleConnectionsMax: Int = 32) {
        _ = globalInit
        multi = curl_multi_init()
        guard let multi else { return }
        let context = Unmanaged.passUnretained(self).toOpaque()
        _ = hawker_curl_multi_set_socket(multi, socketCallback)
        _ = hawker_curl_multi_set_pointer(multi, CURLMOPT_SOCKETDATA, context)
        _ = hawker_curl_multi_set_timer(multi, timerCallback)
        _ = hawker_curl_multi_set_pointer(multi, CURLMOPT_TIMERDATA, context)
        _ = hawker_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, idleConnectionsMax)
    }

    isolated deinit {
        for watch in watches.values { watch.poller.close() }
        guard let multi else { return }
        // Cleaning up may call back for a last time, which must not reach an object in its deinit.
        _ = hawker_curl_multi_set_socket(multi, nil)
        _ = hawker_curl_multi_set_timer(multi, nil)
        curl_multi_cleanup(multi)
    }

    /// Starts an exchange.
    ///
    /// `onEnd` runs exactly once unless the transfer is cancelled, always from the loop and never from inside
    /// this call; `onHead` at most once, before any `onBody`.
    @discardableResult
    package func start(
        _ request: TransferRequest,
        onHead: @escaping Transfer.HeadHandler,
        onBody: @escaping Transfer.BodyHandler,
        onEnd: @escaping Transfer.EndHandler
    ) -> Transfer {
        let handlers = Transfer.Handlers(head: onHead, body: onBody, end: onEnd)
        let transfer = Transfer(request, handlers: handlers, engine: self)
        enqueue(.start(transfer))
        return transfer
    }

    /// Ends every transfer with `.closed` and refuses new ones.
    package func close() {
        isClosed = true
        for transfer in running.values { transfer.fail(TransferError(.closed)) }
    }

    // MARK: The queue

    func enqueue(_ action: Action) {
        queue.append(action)
        guard !isKicked else { return }
        isKicked = true
        kick.start(after: 0) { [weak self] in self?.drain() }
    }

    private func drain() {
        isKicked = false
        let actions = queue
        queue = []
        for action in actions {
            switch action {
            case .start(let transfer): begin(transfer)
            case .resume(let transfer): transfer.releaseHeldBytes()
            case .remove(let transfer): remove(transfer)
            }
        }
        reportCompleted()
    }

    private func begin(_ transfer: Transfer) {
        guard transfer.state == .waiting else { return }
        guard let multi, !isClosed else { return transfer.fail(TransferError(.closed)) }
        guard transfer.mayAskProxy else { return transfer.fail(TransferError(.addressRefused)) }
        guard let easy = transfer.prepare() else { return transfer.fail(TransferError(.invalidRequest)) }
        guard curl_multi_add_handle(multi, easy) == CURLM_OK else {
            return transfer.fail(TransferError(.invalidRequest, detail: "curl_multi_add_handle"))
        }
        running[easy] = transfer
        transfer.didStart()
    }

    private func remove(_ transfer: Transfer) {
        if let easy = transfer.easy, running.removeValue(forKey: easy) != nil {
            curl_multi_remove_handle(multi, easy)
        }
        transfer.release()
    }

    // MARK: libcurl

    private func act(_ socket: curl_socket_t, _ events: CInt) {
        var count: CInt = 0
        _ = curl_multi_socket_action(multi, socket, events, &count)
        reportCompleted()
    }

    private func reportCompleted() {
        var completed: [(Transfer, CURLcode)] = []
        var left: CInt = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle,
                let transfer = running[easy]
            else { continue }
            completed.append((transfer, message.pointee.data.result))
        }
        for (transfer, code) in completed {
            let detail = transfer.errorText
            remove(transfer)
            transfer.didComplete(code, detail: detail)
        }
    }

    fileprivate func timeoutChanged(_ milliseconds: Int) {
        guard milliseconds >= 0 else { return timer.stop() }
        timer.start(after: UInt64(milliseconds)) { [weak self] in self?.act(hawker_curl_socket_timeout, 0) }
    }

    fileprivate func interestChanged(_ socket: curl_socket_t, _ what: CInt) {
        guard what != CURL_POLL_REMOVE else {
            watches.removeValue(forKey: socket)?.poller.close()
            return
        }
        // A socket that cannot be polled is noticed by libcurl's own timeouts.
        guard let poller = watches[socket]?.poller ?? (try? Poller(file: socket)) else { return }
        let watch = Watch(poller: poller, what: what)
        watches[socket] = watch
        begin(watch, socket)
    }

    private func begin(_ watch: Watch, _ socket: curl_socket_t) {
        let readable = watch.what == CURL_POLL_IN || watch.what == CURL_POLL_INOUT
        let writable = watch.what == CURL_POLL_OUT || watch.what == CURL_POLL_INOUT
        watch.poller.watch(readable: readable, writable: writable) { [weak self] canRead, canWrite, failed in
            guard let self else { return }
            let events =
                (canRead ? CURL_CSELECT_IN : 0) | (canWrite ? CURL_CSELECT_OUT : 0)
                | (failed ? CURL_CSELECT_ERR : 0)
            act(socket, CInt(events))
            // A poller stops at an error, but what came before the error may still be unread.
            if failed, let watch = watches[socket] { begin(watch, socket) }
        }
    }
}

/// Runs libcurl's process-wide set-up once; it is never undone, because other threads may be using OpenSSL.
private let globalInit: Bool = curl_global_init(hawker_curl_global_default) == CURLE_OK

private let socketCallback: curl_socket_callback = { _, socket, what, context, _ in
    guard let context else { return 0 }
    let engine = Unmanaged<TransferEngine>.fromOpaque(context).takeUnretainedValue()
    Loop.assumeIsolated { engine.interestChanged(socket, what) }
    return 0
}

private let timerCallback: curl_multi_timer_callback = { _, milliseconds, context in
    guard let context else { return 0 }
    let engine = Unmanaged<TransferEngine>.fromOpaque(context).takeUnretainedValue()
    Loop.assumeIsolated { engine.timeoutChanged(milliseconds) }
    return 0
}
