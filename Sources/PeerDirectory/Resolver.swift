import CAres
import EventLoop
import Glibc
import PieceModel

/// What a name server said to one question.
enum DNSAnswer<Record: Sendable & Equatable>: Equatable, Sendable {
    case records([Record])
    /// There is no such name, or it has no record of this kind.
    case none
    /// No answer, or none that says anything; with the reason in a few words.
    case failed(String)
}

/// One record of kind SRV, without what this program has no use for.
struct ServiceRecord: Hashable, Sendable {
    let host: String
    let port: UInt16
}

/// Asks name servers, with c-ares on the loop: one channel, made for one round of questions.
///
///     open --close()--> closed: every question still open ends with `.failed`
///
/// The channel is made on the thread pool, because that reads the system's resolver settings; a channel for each
/// round also notices when they change. Answers come on the loop, never inside the call that asks.
@LoopActor
final class Resolver {
    /// Records taken of one answer; a name server may send thousands.
    nonisolated static let recordsMax = MemberTable.countMax
    nonisolated private static let tryMillis: Int32 = 2_000
    nonisolated private static let tries: Int32 = 2

    private var channel: ares_channel?
    private var pollers: [Int32: Poller] = [:]
    private let timer = LoopTimer()

    /// Once in the process: c-ares counts its initialisations without a lock.
    nonisolated private static let libraryStatus = ares_library_init(ARES_LIB_INIT_NONE)

    /// A channel on its way from the pool to the loop. Unchecked: only one thread at a time has it.
    private struct Opened: @unchecked Sendable {
        let channel: ares_channel?
        let status: Int32
    }

    private init(_ channel: ares_channel) {
        self.channel = channel
    }

    isolated deinit {
        close()
    }

    /// `server` is `address:port`; `nil` means those of /etc/resolv.conf, whose search domains count in any case.
    static func open(server: PeerEndpoint?) async -> Result<Resolver, ResolverError> {
        let hook = Hook()
        // Kept by the channel, given back in `close`.
        nonisolated(unsafe) let data = Unmanaged.passRetained(hook).toOpaque()
        let servers = server?.description
        let opened = await Loop.offload { make(servers: servers, data) }
        guard let channel = opened.channel else {
            Unmanaged<Hook>.fromOpaque(data).release()
            return .failure(ResolverError(reason: text(opened.status)))
        }
        let resolver = Resolver(channel)
        resolver.hook = hook
        hook.resolver = resolver
        return .success(resolver)
    }

    private var hook: Hook?

    nonisolated private static func make(servers: String?, _ data: UnsafeMutableRawPointer) -> Opened {
        guard libraryStatus == ARES_SUCCESS else { return Opened(channel: nil, status: libraryStatus) }
        var options = ares_options()
        options.timeout = tryMillis
        options.tries = tries
        options.sock_state_cb = socketState
        options.sock_state_cb_data = data
        var channel: ares_channel?
        var status = ares_init_options(
            &channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB)
        if let servers, status == ARES_SUCCESS {
            status = ares_set_servers_ports_csv(channel, servers)
        }
        guard status == ARES_SUCCESS else {
            if let channel { ares_destroy(channel) }
            return Opened(channel: nil, status: status)
        }
        return Opened(channel: channel, status: status)
    }

    /// Ends everything that is still open. Must not be called inside an answer.
    func close() {
        guard let channel else { return }
        self.channel = nil
        timer.stop()
        ares_destroy(channel)
        for poller in pollers.values { poller.close() }
        pollers = [:]
        if let hook { Unmanaged.passUnretained(hook).release() }
        hook = nil
    }

    // MARK: Questions

    /// Addresses of both families, as text.
    func addresses(of name: String) async -> DNSAnswer<String> {
        async let four = ask(name, cares_type_a, Self.parseA)
        async let six = ask(name, cares_type_aaaa, Self.parseAAAA)
        switch (await four, await six) {
        case (.records(let first), .records(let second)): return .records(first + second)
        case (.records(let found), .none), (.none, .records(let found)): return .records(found)
        case (.none, .none): return .none
        // Half an answer must not pass for the whole.
        case (.failed(let reason), _), (_, .failed(let reason)): return .failed(reason)
        }
    }

    func services(of name: String) async -> DNSAnswer<ServiceRecord> {
        await ask(name, cares_type_srv, Self.parseSRV)
    }

    private func ask<Record: Sendable & Equatable>(
        _ name: String, _ type: Int32, _ parse: @escaping (UnsafeBufferPointer<UInt8>) -> [Record]?
    ) async -> DNSAnswer<Record> {
        await withCheckedContinuation { continuation in
            guard let channel else { return continuation.resume(returning: .failed("canceled")) }
            let question = Question { status, bytes in
                continuation.resume(returning: Self.answer(status, bytes, parse))
            }
            let data = Unmanaged.passRetained(question).toOpaque()
            ares_search(channel, name, cares_class_internet, type, questionAnswered, data)
            setTimer()
        }
    }

    nonisolated private static func answer<Record: Sendable & Equatable>(
        _ status: Int32, _ bytes: UnsafeBufferPointer<UInt8>,
        _ parse: (UnsafeBufferPointer<UInt8>) -> [Record]?
    ) -> DNSAnswer<Record> {
        switch status {
        case ARES_SUCCESS:
            guard let records = parse(bytes) else { return .failed("an answer that cannot be read") }
            return records.isEmpty ? .none : .records(records)
        case ARES_ENOTFOUND, ARES_ENODATA: return .none
        default: return .failed(text(status))
        }
    }

    nonisolated private static func text(_ status: Int32) -> String {
        ares_strerror(status).map { String(cString: $0) } ?? "error \(status)"
    }

    // MARK: Sockets and time

    fileprivate func watch(_ file: Int32, readable: Bool, writable: Bool) {
        guard readable || writable else {
            pollers.removeValue(forKey: file)?.close()
            return
        }
        do throws(LoopError) {
            if pollers[file] == nil { pollers[file] = try Poller(file: file) }
            pollers[file]?.watch(readable: readable, writable: writable) { [weak self] canRead, canWrite, failed in
                self?.process(canRead || failed ? file : -1, canWrite || failed ? file : -1)
            }
        } catch {
            // The question's own time limit ends it.
            return
        }
    }

    private func process(_ readable: Int32, _ writable: Int32) {
        guard let channel else { return }
        ares_process_fd(channel, readable, writable)
        setTimer()
    }

    private func setTimer() {
        guard let channel else { return }
        var left = timeval()
        guard ares_timeout(channel, nil, &left) != nil else { return timer.stop() }
        let millis = UInt64(clamping: left.tv_sec) &* 1000 &+ UInt64(clamping: left.tv_usec) / 1000 &+ 1
        timer.start(after: millis) { [weak self] in self?.process(-1, -1) }
    }

    /// What the channel's socket callback finds; it may outlive the resolver by a moment.
    @LoopActor fileprivate final class Hook {
        weak var resolver: Resolver?
    }

    fileprivate final class Question {
        let answered: (Int32, UnsafeBufferPointer<UInt8>) -> Void
        init(_ answered: @escaping (Int32, UnsafeBufferPointer<UInt8>) -> Void) { self.answered = answered }
    }
}

/// Why no question can be asked at all.
struct ResolverError: Error {
    let reason: String
}

private func socketState(
    _ data: UnsafeMutableRawPointer?, _ file: ares_socket_t, _ readable: Int32, _ writable: Int32
) {
    guard let data else { return }
    let hook = Unmanaged<Resolver.Hook>.fromOpaque(data).takeUnretainedValue()
    Loop.assumeIsolated { hook.resolver?.watch(file, readable: readable != 0, writable: writable != 0) }
}

/// Called once for each question, also when the channel is destroyed.
private func questionAnswered(
    _ data: UnsafeMutableRawPointer?, _ status: Int32, _ timeouts: Int32, _ bytes: UnsafeMutablePointer<UInt8>?,
    _ count: Int32
) {
    guard let data else { return }
    let question = Unmanaged<Resolver.Question>.fromOpaque(data).takeRetainedValue()
    question.answered(status, UnsafeBufferPointer(start: bytes, count: bytes == nil ? 0 : Int(max(count, 0))))
}
