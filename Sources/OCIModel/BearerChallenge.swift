/// A registry's demand for a Bearer token (distribution specification, "Token Authentication"): where to get one.
///
/// It can be passed on: its parts are printable ASCII without what would end a quoted string.
package struct BearerChallenge: Hashable, Sendable {
    private static let partBytesMax = 2 << 10

    /// The token server's URL, whose scheme and host the registry client has judged.
    package let realm: String
    package let service: String?
    package let scope: String?

    /// `nil` when a part cannot be put into a header.
    package init?(realm: String, service: String?, scope: String?) {
        guard !realm.isEmpty, [realm, service, scope].allSatisfy({ $0.map(Self.isQuotable) ?? true }) else {
            return nil
        }
        self.realm = realm
        self.service = service
        self.scope = scope
    }

    /// The value of a `WWW-Authenticate` header.
    package var headerValue: String {
        var text = "Bearer realm=\"\(realm)\""
        if let service { text += ",service=\"\(service)\"" }
        if let scope { text += ",scope=\"\(scope)\"" }
        return text
    }

    /// Reads a header as `headerValue` writes it; `nil` for any other form.
    package init?(headerValue text: String) {
        guard text.hasPrefix("Bearer ") else { return nil }
        var values: [String: String] = [:]
        var rest = text.dropFirst("Bearer ".count)
        while !rest.isEmpty {
            let name = rest.prefix { $0 != "=" }
            rest = rest.dropFirst(name.count)
            guard rest.hasPrefix("=\"") else { return nil }
            rest = rest.dropFirst(2)
            let value = rest.prefix { $0 != "\"" }
            rest = rest.dropFirst(value.count)
            guard rest.first == "\"", values.updateValue(String(value), forKey: String(name)) == nil else { return nil }
            rest = rest.dropFirst()
            guard rest.isEmpty || rest.first == "," else { return nil }
            rest = rest.dropFirst()
        }
        guard let realm = values["realm"] else { return nil }
        self.init(realm: realm, service: values["service"], scope: values["scope"])
    }

    private static func isQuotable(_ text: String) -> Bool {
        text.utf8.count <= partBytesMax
            && text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
    }
}
