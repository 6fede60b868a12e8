import EventLoop
import HTTPTransfer
import OCIModel

/// A token request under way, which all calls that need the same token wait for.
@LoopActor
final class TokenFlight {
    private var result: Result<Void, OriginError>?
    private var waiters: [OneShot<Result<Void, OriginError>>] = []

    func finish(_ result: Result<Void, OriginError>) {
        self.result = result
        for waiter in waiters { waiter.fulfill(result) }
        waiters = []
    }

    func wait(_ scope: CancelScope) async throws(OriginError) {
        if let result { return try result.get() }
        let waiter = OneShot<Result<Void, OriginError>>()
        waiters.append(waiter)
        try await scope.value(of: waiter, cancelled: .failure(.cancelled)).get()
    }
}

extension OriginClient {
    /// Fills the token cache for a call the registry answered with 401, or says why it cannot be.
    func obtainToken(
        _ call: OriginCall,
        challengedBy head: ResponseHead,
        _ scope: CancelScope
    ) async throws(OriginError) {
        var challenges: [AuthenticateChallenge] = []
        for value in head.headers.values("www-authenticate") {
            guard let parsed = AuthenticateChallenge.parse(value) else { throw .refused(.challenge) }
            challenges += parsed
        }
        guard let bearer = challenges.first(where: { $0.scheme == "bearer" }) else {
            throw .denied(status: head.status)
        }
        let realm = try RedirectRules.realm(bearer.parameters["realm"], registry: call.endpoint.url)
        guard let key = call.tokenKey,
            let url = realm.adding([("service", bearer.parameters["service"]), ("scope", key.scope)])
        else {
            throw .refused(.challenge)
        }
        if let flight = tokenFlights[key] { return try await flight.wait(scope) }
        let flight = TokenFlight()
        tokenFlights[key] = flight
        // On its own, so that the one caller's loss of interest does not fail the others.
        Loop.task {
            flight.finish(await self.fetchToken(url, key, call.endpoint, registryAddress: head.address))
            self.tokenFlights[key] = nil
        }
        try await flight.wait(scope)
    }

    private func fetchToken(
        _ url: TransferURL,
        _ key: TokenKey,
        _ endpoint: OriginEndpoint,
        registryAddress: AddressClass?
    ) async -> Result<Void, OriginError> {
        var request = TransferRequest(.get, url, for: endpoint, at: registryAddress)
        request.timeouts = timeouts.token
        request.headers = [("Accept", "application/json")]
        count(endpoint) { $0.tokenRequests += 1 }
        let sink = CollectingSink(bytesMax: TokenAnswer.bytesMax)
        do throws(OriginError) {
            switch await exchange(request, endpoint, sink, CancelScope()) {
            case .delivered: break
            case .answered(let head): throw Self.error(of: head)
            case .failed(let error): throw error
            }
            let token = try TokenAnswer.parse(sink.bytes, nowNanoseconds: Loop.nowNanoseconds)
            tokens.store(token, for: key)
            return .success(())
        } catch .notFound {
            // It is the token server that is not there: of what was asked for this says nothing.
            return .failure(.denied(status: 401))
        } catch {
            return .failure(error)
        }
    }
}
