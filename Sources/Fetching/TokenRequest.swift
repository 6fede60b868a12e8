import EventLoop
import FoundationEssentials
import HTTPTransfer
import OCIModel

/// Asks the token server that a registry named for a token (distribution specification, "Token Authentication").
///
/// The password goes there and nowhere else: the mirror passes on only challenges whose realm is no worse protected
/// than the registry itself.
@LoopActor
struct TokenRequest {
    private struct Answer: Decodable {
        let token: String?
        let access_token: String?
    }

    private static let bytesMax = 1 << 20

    let challenge: BearerChallenge
    /// The value of `Authorization`; `nil` asks as nobody.
    let basic: String?
    /// A registry of this machine may have its token server here, others may not.
    let isLocal: Bool

    /// The value of `Authorization` with the token.
    func token(_ engine: TransferEngine) async throws(FetchError) -> String {
        guard let realm = TransferURL(challenge.realm) else {
            throw FetchError(.data, "the registry names a token server that is no URL")
        }
        guard let url = realm.adding([("service", challenge.service), ("scope", challenge.scope)]) else {
            throw FetchError(.data, "the registry names a token server that is no URL")
        }
        var request = TransferRequest(.get, url)
        request.addressPolicy = isLocal ? .any : .reachable(from: .private)
        request.timeouts.total = 30_000
        if let basic { request.headers.append(("Authorization", basic)) }
        var bytes: [UInt8] = []
        var status = 0
        let result = await withCheckedContinuation { done in
            engine.start(
                request,
                onHead: { status = $0.status },
                onBody: { chunk in
                    if bytes.count + chunk.count <= Self.bytesMax { bytes.append(contentsOf: chunk) }
                    return .more
                },
                onEnd: { done.resume(returning: $0) })
        }
        if case .failure(let error) = result {
            throw FetchError(.unavailable, "the token server \(realm) cannot be reached (\(error.kind))")
        }
        guard status == 200 else {
            throw FetchError(.denied, "the token server \(realm.origin) does not take the credential (status \(status))")
        }
        // The decoder's own error says where, not what to do.
        let answer = try? JSONDecoder().decode(Answer.self, from: Data(bytes))
        guard let token = answer?.token ?? answer?.access_token, !token.isEmpty,
            token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else { throw FetchError(.data, "the token server \(realm.origin) gave no token") }
        return "Bearer " + token
    }
}
