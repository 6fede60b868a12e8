import CCurl

/// An absolute `http` or `https` URL, taken apart by the same parser that later dials it.
///
/// Two parsers that read one URL differently are how a check is talked past, so checks use this and nothing
/// else. User names, passwords and fragments are refused.
package struct TransferURL: Hashable, Sendable {
    package enum Scheme: String, Hashable, Sendable { case http, https }

    package let scheme: Scheme
    /// Host name or address in lower case; an IPv6 address keeps its brackets.
    package let host: String
    /// The port that will be dialled, the scheme's own when the URL names none.
    package let port: UInt16
    /// Path and query as they go into the request line; starts with `/`.
    package let target: String

    /// `nil` for anything but an absolute http or https URL without user information.
    package init?(_ text: String) {
        // libcurl takes what follows a slash too many for the host.
        guard !text.contains(":///"), let parser = curl_url() else { return nil }
        defer { curl_url_cleanup(parser) }
        guard curl_url_set(parser, CURLUPART_URL, text, Self.flags) == CURLUE_OK else { return nil }
        self.init(parser)
    }

    /// The URL a `Location` header found at this one means, which may be relative (RFC 9110 §10.2.2).
    package func resolving(_ reference: String) -> TransferURL? {
        guard let parser = curl_url() else { return nil }
        defer { curl_url_cleanup(parser) }
        guard curl_url_set(parser, CURLUPART_URL, text, Self.flags) == CURLUE_OK,
            curl_url_set(parser, CURLUPART_URL, reference, Self.flags) == CURLUE_OK,
            curl_url_set(parser, CURLUPART_FRAGMENT, nil, 0) == CURLUE_OK
        else { return nil }
        return TransferURL(parser)
    }

    /// The same scheme, host and port with another path and query; `nil` when `target` is not one.
    package func replacingTarget(_ target: String) -> TransferURL? {
        guard target.hasPrefix("/"), !target.hasPrefix("//") else { return nil }
        return TransferURL(origin + target)
    }

    /// The same with more parameters in its query, those that have a value; `nil` when that is no URL.
    package func adding(_ parameters: [(name: String, value: String?)]) -> TransferURL? {
        var target = target
        for case let (name, value?) in parameters {
            target += (target.contains("?") ? "&" : "?") + "\(name)=\(Self.percentEncoded(value))"
        }
        return replacingTarget(target)
    }

    /// Everything but RFC 3986's unreserved characters, and the three that scopes of tokens are made of.
    private static func percentEncoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var encoded: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: ","):
                encoded.append(byte)
            default: encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    /// `scheme://host:port`, which two URLs share exactly when a credential of one may go to the other.
    package var origin: String { "\(scheme.rawValue)://\(host):\(port)" }

    /// The whole URL with its port written out.
    package var text: String { origin + target }

    private static let flags = CUnsignedInt(CURLU_DISALLOW_USER | CURLU_PATH_AS_IS)

    private init?(_ parser: OpaquePointer) {
        guard let name = Self.part(CURLUPART_SCHEME, of: parser),
            let scheme = Scheme(rawValue: name.lowercased()),
            let host = Self.part(CURLUPART_HOST, of: parser), !host.isEmpty,
            let digits = Self.part(CURLUPART_PORT, of: parser, CUnsignedInt(CURLU_DEFAULT_PORT)),
            let port = UInt16(digits), port > 0,
            let path = Self.part(CURLUPART_PATH, of: parser), path.hasPrefix("/"),
            Self.part(CURLUPART_FRAGMENT, of: parser) == nil
        else { return nil }
        self.scheme = scheme
        self.host = host.lowercased()
        self.port = port
        target = Self.part(CURLUPART_QUERY, of: parser).map { path + "?" + $0 } ?? path
    }

    private static func part(
        _ part: CURLUPart,
        of parser: OpaquePointer,
        _ flags: CUnsignedInt = 0
    ) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(parser, part, &text, flags) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }
}

extension TransferURL: CustomStringConvertible {
    /// The URL without its query, which may hold a signed token of a content network.
    package var description: String { origin + target.prefix { $0 != "?" } }
}
