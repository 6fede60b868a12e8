/// A request head that has exactly one meaning.
///
/// Every byte is printable ASCII, a space or a tab inside a value; the target is in origin form; the
/// request has no body.
package struct RequestHead: Equatable, Sendable {
    package enum Method: Equatable, Sendable { case get, head }

    package struct Field: Equatable, Sendable {
        /// Lower case.
        package let name: String
        /// Without the white space around it.
        package let value: String
    }

    package let method: Method
    /// Begins with `/`; not percent-decoded.
    package let path: String
    /// What follows the first `?`; not percent-decoded.
    package let query: String?
    package let fields: [Field]
    /// HTTP/1.0, or `Connection: close`.
    package let endsConnection: Bool

    /// The values of all lines with this name, in order.
    ///
    /// `name` is in lower case.
    package func values(_ name: String) -> [String] {
        // No array is made where there is none of them, which is most often.
        var values: [String] = []
        for field in fields where field.name == name { values.append(field.value) }
        return values
    }
}

/// Why a request head is refused; after any of these the connection is of no more use.
package enum RequestHeadError: Error, Equatable, Sendable {
    /// Not HTTP/1.x, or a reader elsewhere could cut it differently (RFC 9112 §2.2, §5.1, §6.3).
    case malformed
    case tooLarge
    /// A well-formed head of a method other than GET and HEAD.
    case methodNotAllowed
}

/// What one request head may take, and no more is read before the answer.
package struct RequestHeadLimits: Sendable {
    package var bytesMax = 16 << 10
    package var targetBytesMax = 4 << 10
    package var fieldsMax = 64

    package init() {}
}
