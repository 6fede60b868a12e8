import HTTPTransfer

/// Which redirects and token servers of a registry are followed.
///
/// Addresses are judged when they are dialled.
enum RedirectRules {
    static let redirectsMax = 3

    /// The next URL of a chain that began at the registry and has `redirects` behind it.
    static func next(
        from url: TransferURL,
        location: String?,
        redirects: Int
    ) throws(OriginError) -> TransferURL {
        guard redirects < redirectsMax else { throw .refused(.tooManyRedirects) }
        guard let location, let next = url.resolving(location) else { throw .refused(.badLocation) }
        guard url.scheme == .http || next.scheme == .https else { throw .refused(.downgrade) }
        return next
    }

    /// The token server a challenge names.
    static func realm(_ text: String?, registry: TransferURL) throws(OriginError) -> TransferURL {
        guard let text, let realm = TransferURL(text) else { throw .refused(.challenge) }
        guard registry.scheme == .http || realm.scheme == .https else { throw .refused(.downgrade) }
        return realm
    }

    static func isUsable(_ realm: String, registry: TransferURL) -> Bool {
        do throws(OriginError) {
            _ = try self.realm(realm, registry: registry)
            return true
        } catch {
            return false
        }
    }

    /// Which addresses may be dialled for `url` on behalf of a registry whose own address was `address`.
    static func addressPolicy(
        for url: TransferURL,
        registry: TransferURL,
        address: AddressClass?
    ) -> AddressPolicy {
        url.origin == registry.origin ? .any : .reachable(from: address ?? .public)
    }
}
