import HTTPTransfer

/// Which redirects and token servers of a registry are followed.
///
/// Addresses are judged when they are dialled.
enum RedirectRules {
    static let redirectsMax = 3
    /// How often the registry is asked for another link when a link is refused.
    static let freshLinksMax = 1

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

    /// Whether a host that we were sent to refuses the link, and not what is behind it.
    ///
    /// Signed links expire (S3 and Azure say 403, Google 400), and are signed for one method.
    static func isLinkRefusal(_ status: Int, _ method: TransferRequest.Method) -> Bool {
        switch status {
        case 400, 401, 403, 410: true
        case 405, 501: method == .head
        default: false
        }
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
}
