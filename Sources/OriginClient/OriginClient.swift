package import EventLoop
package import HTTPTransfer
import Hashing
package import OCIModel

// One engine (and so one connection pool), one token cache, and per registry a queue for blob transfers, a
// retry budget and counters. Every operation ends: each attempt has the timeouts of its transfer, attempts
// are counted, and a paused blob transfer is its owner's to cancel.

/// What was asked of one registry since the start.
package struct OriginCounters: Hashable, Sendable {
    /// HTTP requests sent on the registry's behalf, redirect targets and token servers included.
    package var requests: UInt64 = 0
    package var tokenRequests: UInt64 = 0
    package var retries: UInt64 = 0
    /// Operations (not attempts) that failed, cancelled ones left out.
    package var failures: UInt64 = 0
    /// Body bytes of manifests and blobs handed to the caller.
    package var bytes: UInt64 = 0
    /// Body bytes read and thrown away because a registry ignored `Range`.
    package var skippedBytes: UInt64 = 0
}

/// Limits of time towards registries, in milliseconds.
package struct OriginTimeouts: Sendable {
    package var transfer = TransferRequest.Timeouts(connect: 10_000, head: 10_000, stall: 20_000)
    package var token = TransferRequest.Timeouts(connect: 5_000, head: 5_000, stall: 5_000, total: 15_000)
    /// Each request for a manifest or the size of a blob, from its first byte to its last.
    package var manifestTotal: UInt64 = 60_000

    package init() {}
}

/// Reads manifests and blobs from registries with a caller's credential or as an anonymous client: token flow,
/// redirects, ranges and retries.
@LoopActor
package final class OriginClient {
    package static let manifestBytesMax = 4 << 20

    let engine: TransferEngine
    let timeouts: OriginTimeouts
    let userAgent: String
    let retryPolicy = RetryPolicy()
    var random = SystemRandomNumberGenerator()
    var tokens = TokenCache()
    var tokenFlights: [TokenKey: TokenFlight] = [:]
    private var slots: [RegistryHost: TransferSlots] = [:]
    private var budgets: [RegistryHost: RetryBudget] = [:]
    /// What each registry last said of its rate limit, by canonical name.
    package internal(set) var rateLimits: [RegistryHost: RateLimit] = [:]
    var quiet: [RegistryHost: QuietTime] = [:]
    /// By canonical registry name; entries are never removed, and exist only for endpoints that were used.
    package private(set) var counters: [RegistryHost: OriginCounters] = [:]

    package init(userAgent: String = "hawker", timeouts: OriginTimeouts = OriginTimeouts()) {
        engine = TransferEngine()
        self.userAgent = userAgent
        self.timeouts = timeouts
    }

    /// Ends everything under way with an error and refuses more.
    package func close() {
        engine.close()
    }

    func slots(for endpoint: OriginEndpoint) -> TransferSlots {
        if let known = slots[endpoint.registry] { return known }
        let made = TransferSlots(max: endpoint.transfersMax)
        slots[endpoint.registry] = made
        return made
    }

    func count(_ endpoint: OriginEndpoint, _ change: (inout OriginCounters) -> Void) {
        change(&counters[endpoint.registry, default: OriginCounters()])
    }

    func countRequest(_ endpoint: OriginEndpoint) {
        count(endpoint) { $0.requests += 1 }
        budgets[endpoint.registry, default: RetryBudget()].countRequest()
    }

    /// Waits before retry number `retry` (from 0); false when there shall be none.
    func waitForRetry(
        _ retry: Int,
        after error: OriginError,
        _ endpoint: OriginEndpoint,
        _ scope: CancelScope
    ) async -> Bool {
        guard let delay = retryPolicy.delayMillis(retry: retry, after: error, using: &random),
            budgets[endpoint.registry, default: RetryBudget()].takeRetry()
        else {
            noteQuiet(error, of: endpoint)
            return false
        }
        count(endpoint) { $0.retries += 1 }
        return await scope.sleep(milliseconds: delay)
    }

    /// Runs an attempt again while its error is transient and the policy allows.
    func retrying<Value>(
        _ endpoint: OriginEndpoint,
        _ scope: CancelScope,
        _ attempt: () async throws(OriginError) -> Value
    ) async throws(OriginError) -> Value {
        var retry = 0
        while true {
            do throws(OriginError) {
                try checkQuiet(endpoint)
                return try await attempt()
            } catch {
                guard error != .cancelled, await waitForRetry(retry, after: error, endpoint, scope) else {
                    if scope.isCancelled { throw .cancelled }
                    count(endpoint) { $0.failures += 1 }
                    throw error
                }
                retry += 1
            }
        }
    }

    /// Gives an operation a scope that is cancelled with the task that runs it.
    func cancellable<Value: Sendable>(
        _ operation: @LoopActor (CancelScope) async throws(OriginError) -> Value
    ) async throws(OriginError) -> Value {
        let scope = CancelScope()
        let result: Result<Value, OriginError> = await withTaskCancellationHandler {
            do throws(OriginError) {
                return .success(try await operation(scope))
            } catch {
                return .failure(error)
            }
        } onCancel: {
            Loop.enqueue { scope.cancel() }
        }
        return try result.get()
    }
}
