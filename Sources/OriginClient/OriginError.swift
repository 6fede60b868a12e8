package import HTTPTransfer
package import OCIModel

/// Why a registry did not give what was asked.
///
/// Carries data only; text is for logs and the command line to make.
package enum OriginError: Error, Hashable, Sendable {
    /// The registry answered: there is no such thing.
    case notFound
    /// The registry wants other rights than the caller's credential gives, or an anonymous client has (401 or 403).
    /// `challenge` is what it first said, when that was a Bearer challenge whose realm may be used.
    case denied(status: Int, challenge: BearerChallenge? = nil)
    /// A host the registry sent us to refused the link (400, 401, 403, 410; for HEAD 405 and 501, too), a fresh
    /// one as well.
    case linkRefused(status: Int)
    /// 429; `retryAfterMillis` when the registry said how long.
    case rateLimited(retryAfterMillis: UInt64?)
    /// 408 or 5xx, still after the retries.
    case serverFailed(status: Int, retryAfterMillis: UInt64?)
    /// No answer, or one that broke off, still after the retries.
    case unreachable(TransferError)
    /// The server could not prove that it is the registry.
    case untrusted(TransferError)
    /// An answer arrived that must not be used.
    case badContent(BadContent)
    /// The registry sent us where we do not go; nothing was sent there.
    case refused(Refusal)
    case cancelled

    package enum BadContent: Hashable, Sendable {
        case status(Int)
        /// A `Content-Range` other than that of the request, or none with a 206.
        case contentRange
        /// A `Content-Length` that is missing where needed, malformed, or contradicts what was asked.
        case contentLength
        /// A `Content-Encoding` although none was offered.
        case contentEncoding
        /// An HTML page, or a media type that is none.
        case contentType
        /// More bytes than asked for or allowed.
        case tooLong
        /// The bytes, or the digest the registry states, are not those asked for.
        case digest
        /// Not a JSON document although manifests and tokens are.
        case notJSON
        /// A document that readers could take for two different ones.
        case ambiguous
        /// A page of a list whose next page is somewhere else.
        case link
        /// A token that cannot be put into a header, or none.
        case token
    }

    package enum Refusal: Hashable, Sendable {
        case tooManyRedirects
        case badLocation
        /// A redirect or a token server on http although the registry is on https.
        case downgrade
        /// An address that the registry's own address gives no right to.
        case address
        /// An authentication scheme other than Bearer, or a challenge that cannot be read.
        case challenge
    }

    init(_ error: TransferError) {
        self =
            switch error.kind {
            case .addressRefused: .refused(.address)
            case .certificateRejected: .untrusted(error)
            default: .unreachable(error)
            }
    }

    /// The same, with what the registry first wanted, if it is about rights.
    func challenged(by challenge: BearerChallenge?) -> OriginError {
        if case .denied(let status, nil) = self { .denied(status: status, challenge: challenge) } else { self }
    }

    /// Whether the same request may get a better answer a little later.
    var isTransient: Bool {
        switch self {
        case .rateLimited, .serverFailed: true
        case .unreachable(let error): error.kind != .invalidRequest && error.kind != .closed
        default: false
        }
    }

    var retryAfterMillis: UInt64? {
        switch self {
        case .rateLimited(let wait), .serverFailed(_, let wait): wait
        default: nil
        }
    }
}
