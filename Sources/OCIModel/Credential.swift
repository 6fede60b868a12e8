/// What a caller proves its rights with: a Bearer token that it got from the registry's own token server.
///
/// It goes to the registry that the request names, and nowhere else: not into logs (every description of it is
/// redacted), not to peers, not onto the disk.
package struct Credential: Hashable, Sendable {
    /// Longer tokens than any token server is known to make are not passed on.
    private static let bytesMax = 16 << 10
    private static let scheme = "bearer "

    /// The value of an `Authorization` header, printable ASCII without line ends.
    package let headerValue: String

    /// `nil` for any scheme but Bearer, and for what is no token (RFC 6750 §2.1).
    package init?(authorization: String) {
        guard authorization.utf8.count <= Self.bytesMax, authorization.lowercased().hasPrefix(Self.scheme) else {
            return nil
        }
        let token = authorization.utf8.dropFirst(Self.scheme.utf8.count)
        guard !token.isEmpty, token.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ",") }) else {
            return nil
        }
        headerValue = "Bearer " + String(decoding: token, as: UTF8.self)
    }

    /// Also takes a password (Basic): only for what its owner sends to this node over the admin socket, to be passed to
    /// one host.
    package init?(ownAuthorization text: String) {
        let scheme = text.prefix { $0 != " " }.lowercased()
        let value = text.dropFirst(scheme.count + 1)
        guard scheme == "bearer" || scheme == "basic", text.utf8.count <= Self.bytesMax, !value.isEmpty,
            value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ",") })
        else { return nil }
        headerValue = (scheme == "basic" ? "Basic " : "Bearer ") + value
    }
}

extension Credential: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "Credential(redacted)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
