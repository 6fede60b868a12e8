/// What the status port answers.
package struct StatusAnswer: Sendable {
    package enum Status: Int, Sendable {
        case ok = 200
        case notFound = 404
        case methodNotAllowed = 405
        case badRequest = 400
        case unavailable = 503

        var reason: String {
            switch self {
            case .ok: "OK"
            case .notFound: "Not Found"
            case .methodNotAllowed: "Method Not Allowed"
            case .badRequest: "Bad Request"
            case .unavailable: "Service Unavailable"
            }
        }
    }

    package let status: Status
    package let contentType: String
    package let body: String

    package static let plain = "text/plain; charset=utf-8"
    /// Prometheus's text format.
    package static let metrics = "text/plain; version=0.0.4; charset=utf-8"

    /// The body is sent with a line feed at its end.
    package init(_ status: Status, _ body: String, contentType: String = Self.plain) {
        self.status = status
        self.contentType = contentType
        self.body = body.hasSuffix("\n") ? body : body + "\n"
    }
}
