import EventLoop
import Glibc
import HTTPTransfer
import OCIModel

/// One request to a registry before tokens and redirects.
struct OriginCall {
    let endpoint: OriginEndpoint
    /// `nil` for a file, which no token server knows of.
    let repository: RepositoryName?
    let method: TransferRequest.Method
    /// What follows the repository; of a file, path and query.
    let path: String
    var headers: [(name: String, value: String)] = []
    /// The caller's own, which is used as it is; without one an anonymous token is got where needed.
    var credential: Credential?
    /// Of each request; for answers that are short.
    var totalMillis: UInt64?
    var decodesBody = false

    var tokenKey: TokenKey? {
        repository.map {
            TokenKey(
                registry: endpoint.registry, origin: endpoint.url.origin, repository: endpoint.remoteName($0))
        }
    }

    var url: TransferURL? {
        guard let repository else { return endpoint.url.replacingTarget(path) }
        return endpoint.url(of: repository, path)
    }

    /// The same question, put with GET.
    func asGet(adding headers: [(name: String, value: String)] = [], decodesBody: Bool = false) -> OriginCall {
        OriginCall(
            endpoint: endpoint, repository: repository, method: .get, path: path, headers: self.headers + headers,
            credential: credential, totalMillis: totalMillis, decodesBody: decodesBody)
    }
}

extension TransferRequest {
    /// A request for one URL on behalf of a registry whose own address was `address`, with all that its settings
    /// say about requests.
    init(_ method: Method, _ url: TransferURL, for endpoint: OriginEndpoint, at address: AddressClass?) {
        self.init(method, url)
        caFile = endpoint.caFile
        proxy = endpoint.proxy
        let isAtRegistry = url.origin == endpoint.url.origin
        clientCertificate = isAtRegistry ? endpoint.clientCertificate : nil
        addressPolicy = isAtRegistry ? endpoint.dialled : .reachable(from: address ?? .public)
    }
}

/// How one HTTP exchange ended.
enum ExchangeEnd: Sendable {
    /// The sink took the response, whole.
    case delivered
    /// A response that is not the sink's business.
    case answered(ResponseHead)
    case failed(OriginError)
}

extension OriginClient {
    /// Makes one attempt at a call: obtains an anonymous token when asked for one and the caller has none, follows
    /// redirects, and feeds the final 200 or 206 to the sink.
    func attempt(_ call: OriginCall, _ sink: any ResponseSink, _ scope: CancelScope) async throws(OriginError)
    {
        guard let start = call.url else { throw .refused(.badLocation) }
        var url = start
        var redirects = 0
        var links = 0
        var registryAddress: AddressClass?
        let tokenKey = call.credential == nil ? call.tokenKey : nil
        var mayAuthenticate = tokenKey != nil
        var challenge: BearerChallenge?
        while true {
            let isAtRegistry = url.origin == call.endpoint.url.origin
            var request = TransferRequest(call.method, url, for: call.endpoint, at: registryAddress)
            request.headers = call.headers
            request.timeouts = timeouts.transfer
            request.timeouts.total = call.totalMillis
            request.decodesBody = call.decodesBody
            let token = tokenKey.flatMap { tokens.token($0, nowNanoseconds: Loop.nowNanoseconds) }
            // Not to other origins: a redirect carries its right in its own URL.
            if isAtRegistry, let value = call.credential?.headerValue ?? token?.headerValue {
                request.headers.append(("Authorization", value))
            }
            let head: ResponseHead
            switch await exchange(request, call.endpoint, sink, scope) {
            case .delivered: return
            case .failed(let error): throw error
            case .answered(let answer): head = answer
            }
            if isAtRegistry { registryAddress = head.address }
            if !isAtRegistry, RedirectRules.isLinkRefusal(head.status, call.method) {
                guard call.method == .get, links < RedirectRules.freshLinksMax else {
                    throw .linkRefused(status: head.status)
                }
                links += 1
                (url, redirects) = (start, 0)
                continue
            }
            switch head.status {
            case 301, 302, 303, 307, 308:
                let location = head.headers.single("location")
                url = try RedirectRules.next(from: url, location: location, redirects: redirects)
                redirects += 1
            case 401 where isAtRegistry && mayAuthenticate:
                mayAuthenticate = false
                challenge = Self.challenge(of: head, at: call.endpoint)
                if let tokenKey, token != nil { tokens.remove(tokenKey) }
                do throws(OriginError) {
                    try await obtainToken(call, challengedBy: head, scope)
                } catch {
                    throw error.challenged(by: challenge)
                }
            default:
                let own = isAtRegistry ? Self.challenge(of: head, at: call.endpoint) : nil
                throw Self.error(of: head).challenged(by: challenge ?? own)
            }
        }
    }

    /// The Bearer challenge of an answer, if its realm is one that tokens may be asked of.
    private static func challenge(of head: ResponseHead, at endpoint: OriginEndpoint) -> BearerChallenge? {
        let all = head.headers.values("www-authenticate").compactMap { AuthenticateChallenge.parse($0) }.joined()
        guard let bearer = all.first(where: { $0.scheme == "bearer" }), let realm = bearer.parameters["realm"],
            RedirectRules.isUsable(realm, registry: endpoint.url)
        else { return nil }
        return BearerChallenge(
            realm: realm, service: bearer.parameters["service"], scope: bearer.parameters["scope"])
    }

    /// What a status means that is neither success nor followed.
    static func error(of head: ResponseHead) -> OriginError {
        let text = head.headers.single("retry-after")
        let wait = RetryAfter.millis(text, nowSeconds: Int64(time(nil)))
        return switch head.status {
        case 401, 403: .denied(status: head.status)
        case 404: .notFound
        case 429: .rateLimited(retryAfterMillis: wait)
        case 408, 500...599: .serverFailed(status: head.status, retryAfterMillis: wait)
        default: .badContent(.status(head.status))
        }
    }

    /// Bodies of answers that are not content are read up to this size, for then their connection can be used
    /// again.
    private static let drainedBytesMax: Int64 = 64 << 10

    func exchange(
        _ request: TransferRequest,
        _ endpoint: OriginEndpoint,
        _ sink: any ResponseSink,
        _ scope: CancelScope
    ) async -> ExchangeEnd {
        guard !scope.isCancelled else { return .failed(.cancelled) }
        var request = request
        request.headers.append(("User-Agent", userAgent))
        countRequest(endpoint)
        let exchange = Exchange(sink: sink)
        let isAtRegistry = request.url.origin == endpoint.url.origin
        let transfer = engine.start(
            request,
            onHead: { [weak self] head in
                if isAtRegistry { self?.note(head, of: endpoint) }
                exchange.takeHead(head)
            },
            onBody: { exchange.takeBody($0) },
            onEnd: { exchange.takeEnd($0) }
        )
        exchange.transfer = transfer
        sink.willReceive(over: transfer)
        let end = await scope.value(of: exchange.end, cancelled: .failed(.cancelled))
        transfer.cancel()
        return end
    }

    /// One transfer on its way to a sink.
    ///
    /// `end` is set once, by whatever comes first.
    @LoopActor
    private final class Exchange {
        let end = OneShot<ExchangeEnd>()
        weak var transfer: Transfer?
        private let sink: any ResponseSink
        private var answer: ResponseHead?
        private var drainedBytes: Int64 = 0

        init(sink: any ResponseSink) {
            self.sink = sink
        }

        func takeHead(_ head: ResponseHead) {
            guard head.status == 200 || head.status == 206 else {
                answer = head
                return
            }
            if let error = sink.accept(head) { stop(.failed(error)) }
        }

        func takeBody(_ bytes: UnsafeRawBufferPointer) -> BodyFlow {
            if let answer {
                drainedBytes += Int64(bytes.count)
                if drainedBytes > OriginClient.drainedBytesMax { stop(.answered(answer)) }
                return .more
            }
            switch sink.take(bytes) {
            case .more: break
            case .enough: stop(sink.finish().map { .failed($0) } ?? .delivered)
            case .failed(let error): stop(.failed(error))
            }
            return .more
        }

        func takeEnd(_ result: Result<TransferSummary, TransferError>) {
            if let answer {
                end.fulfill(.answered(answer))
                return
            }
            switch result {
            case .success: end.fulfill(sink.finish().map { .failed($0) } ?? .delivered)
            case .failure(let error): end.fulfill(.failed(OriginError(error)))
            }
        }

        private func stop(_ value: ExchangeEnd) {
            transfer?.cancel()
            end.fulfill(value)
        }
    }
}
