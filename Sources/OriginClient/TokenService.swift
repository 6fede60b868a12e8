import EventLoop
import FoundationEssentials
import Glibc
import HTTPTransfer
import OCIModel

/// What a token is good for; a token never leaves its key.
///
/// There is no credential in it because all are anonymous.
struct TokenKey: Hashable {
    let registry: RegistryHost
    /// `scheme://host:port` of the registry, so that a changed setting does not inherit tokens.
    let origin: String
    let repository: RepositoryName

    /// The only right this client asks for, whatever wider scope a challenge names.
    var scope: String { "repository:\(repository):pull" }
}

/// A bearer token that keeps out of logs.
struct BearerToken: Sendable, CustomStringConvertible {
    let headerValue: String
    let expiresNanoseconds: UInt64

    var description: String { "BearerToken(redacted)" }
}

/// Reads a token server's answer (distribution specification, "Token Authentication").
enum TokenAnswer {
    static let bytesMax = 1 << 20
    /// The specification's default, and its minimum for compatibility.
    static let lifetimeSecondsMin = 60
    private static let lifetimeSecondsMax = 86_400
    private static let tokenBytesMax = 16 << 10

    private struct Document: Decodable {
        let token: String?
        let accessToken: String?
        let expiresIn: Int?

        enum CodingKeys: String, CodingKey {
            case token
            case accessToken = "access_token"
            case expiresIn = "expires_in"
        }
    }

    static func parse(_ bytes: [UInt8], nowNanoseconds: UInt64) throws(OriginError) -> BearerToken {
        // The decoder's own error says where, not what to do.
        guard let document = try? JSONDecoder().decode(Document.self, from: Data(bytes)) else {
            throw .badContent(.notJSON)
        }
        guard let token = document.token ?? document.accessToken, !token.isEmpty,
            token.utf8.count <= tokenBytesMax, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else { throw .badContent(.token) }
        let stated = document.expiresIn ?? lifetimeSecondsMin
        let lifetime = min(max(stated, lifetimeSecondsMin), lifetimeSecondsMax)
        // A tenth early, so that a token does not expire on its way.
        let usable = UInt64(lifetime) * 900_000_000
        return BearerToken(headerValue: "Bearer " + token, expiresNanoseconds: nowNanoseconds &+ usable)
    }
}

/// The tokens held now.
///
/// Bounded: beyond `countMax` those that expire first go.
struct TokenCache {
    static let countMax = 1024
    private var tokens: [TokenKey: BearerToken] = [:]

    func token(_ key: TokenKey, nowNanoseconds: UInt64) -> BearerToken? {
        guard let token = tokens[key], token.expiresNanoseconds > nowNanoseconds else { return nil }
        return token
    }

    mutating func store(_ token: BearerToken, for key: TokenKey) {
        if tokens[key] == nil, tokens.count >= Self.countMax,
            let oldest = tokens.min(by: { $0.value.expiresNanoseconds < $1.value.expiresNanoseconds })?.key
        {
            tokens[oldest] = nil
        }
        tokens[key] = token
    }

    mutating func remove(_ key: TokenKey) {
        tokens[key] = nil
    }
}
