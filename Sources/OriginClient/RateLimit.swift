import EventLoop
import HTTPTransfer

/// What a registry says of the requests it lets through, as Docker Hub does:
/// `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600`.
package struct RateLimit: Hashable, Sendable {
    /// Requests a window; `nil` when the registry did not say.
    package let limit: Int64?
    /// Requests left in it.
    package let remaining: Int64
    /// Length of the window; `nil` when the registry did not say.
    package let windowSeconds: Int64?

    /// `nil` without a readable `ratelimit-remaining`.
    init?(_ headers: HeaderFields) {
        guard let rest = headers.single("ratelimit-remaining").flatMap(Quantity.init) else { return nil }
        let whole = headers.single("ratelimit-limit").flatMap(Quantity.init)
        limit = whole?.count
        remaining = rest.count
        windowSeconds = rest.window ?? whole?.window
    }

    /// `COUNT[;w=SECONDS]`.
    private struct Quantity {
        let count: Int64
        let window: Int64?

        init?(_ text: String) {
            let parts = text.split(separator: ";").map { $0.trimmingPrefix(" ") }
            guard let first = parts.first, let count = Decimal.parse(first) else { return nil }
            self.count = count
            window = parts.dropFirst().first { $0.hasPrefix("w=") }.flatMap { Decimal.parse($0.dropFirst(2)) }
        }
    }
}

/// How long a registry does not want to be asked.
struct QuietTime {
    let error: OriginError
    let endNanoseconds: UInt64

    /// A registry cannot silence a node for longer.
    static let millisMax: UInt64 = 60_000

    /// The error with the time that is left; `nil` when it is over.
    func error(nowNanoseconds: UInt64) -> OriginError? {
        guard nowNanoseconds < endNanoseconds else { return nil }
        let left = (endNanoseconds - nowNanoseconds) / 1_000_000
        return switch error {
        case .serverFailed(let status, _): .serverFailed(status: status, retryAfterMillis: left)
        default: .rateLimited(retryAfterMillis: left)
        }
    }
}

extension OriginClient {
    /// Keeps what an answer of the registry itself says of its limits.
    func note(_ head: ResponseHead, of endpoint: OriginEndpoint) {
        if let limit = RateLimit(head.headers) { rateLimits[endpoint.registry] = limit }
    }

    /// Keeps away from a registry whose `Retry-After` is too long to wait for, whoever asks next.
    func noteQuiet(_ error: OriginError, of endpoint: OriginEndpoint) {
        guard let wait = error.retryAfterMillis, wait > retryPolicy.retryAfterMillisMax else { return }
        let end = Loop.nowNanoseconds + min(wait, QuietTime.millisMax) * 1_000_000
        quiet[endpoint.registry] = QuietTime(error: error, endNanoseconds: end)
    }

    /// Fails while a registry does not want to be asked.
    func checkQuiet(_ endpoint: OriginEndpoint) throws(OriginError) {
        guard let time = quiet[endpoint.registry] else { return }
        if let error = time.error(nowNanoseconds: Loop.nowNanoseconds) { throw error }
        quiet[endpoint.registry] = nil
    }
}
