import OCIModel

/// A response head.
///
/// Its fields come from typed values only, so that nothing from outside can end a line.
struct ResponseHead: Equatable, Sendable {
    enum Status: Int, Sendable {
        case ok = 200
        case partialContent = 206
        case badRequest = 400
        case unauthorized = 401
        case forbidden = 403
        case notFound = 404
        case methodNotAllowed = 405
        case rangeNotSatisfiable = 416

        fileprivate var reason: String {
            switch self {
            case .ok: "OK"
            case .partialContent: "Partial Content"
            case .badRequest: "Bad Request"
            case .unauthorized: "Unauthorized"
            case .forbidden: "Forbidden"
            case .notFound: "Not Found"
            case .methodNotAllowed: "Method Not Allowed"
            case .rangeNotSatisfiable: "Range Not Satisfiable"
            }
        }
    }

    let status: Status
    private let fields: String

    private init(_ status: Status, _ fields: [String]) {
        self.status = status
        self.fields = fields.map { $0 + "\r\n" }.joined()
    }

    /// The answer to `/v2/`, whose body is `baseBody`.
    static func base() -> ResponseHead {
        ResponseHead(.ok, ["Content-Type: application/json", "Content-Length: \(baseBody.count)"])
    }

    static let baseBody = Array("{}".utf8)

    static func manifest(mediaType: MediaType, digest: Digest, bytes: Int64) -> ResponseHead {
        ResponseHead(
            .ok,
            ["Content-Type: \(mediaType)", "Content-Length: \(bytes)", "Docker-Content-Digest: \(digest)"]
        )
    }

    /// `part` is `nil` for the whole blob.
    static func blob(digest: Digest, bytes: Int64, part: ByteRange?) -> ResponseHead {
        let common = [
            "Content-Type: \(MediaType.octetStream)", "Docker-Content-Digest: \(digest)",
            "Accept-Ranges: bytes",
        ]
        guard let part else { return ResponseHead(.ok, common + ["Content-Length: \(bytes)"]) }
        return ResponseHead(
            .partialContent,
            common + ["Content-Length: \(part.count)", "Content-Range: bytes \(part)/\(bytes)"]
        )
    }

    /// Its next page is where this one is, for the caller knows no other address of the registry.
    static func listing(_ listing: Listing, at place: ListingPlace) -> ResponseHead {
        var fields = ["Content-Type: \(listing.mediaType)", "Content-Length: \(listing.bytes.count)"]
        if let next = listing.next {
            fields.append("Link: <\(place.path)?\(next.joined(with: place.namespace))>; rel=\"next\"")
        }
        if listing.isFiltered { fields.append("OCI-Filters-Applied: artifactType") }
        return ResponseHead(.ok, fields)
    }

    /// `bodyBytes` are the bytes of the refusal's body.
    static func refusal(_ refusal: Refusal, bodyBytes: Int) -> ResponseHead {
        var fields = ["Content-Type: application/json", "Content-Length: \(bodyBytes)"]
        switch refusal {
        case .methodNotAllowed: fields.append("Allow: GET, HEAD")
        case .unauthorized(let challenge): fields.append("WWW-Authenticate: \(challenge.headerValue)")
        case .rangeNotSatisfiable(let bytes): fields.append("Content-Range: bytes */\(bytes)")
        default: break
        }
        return ResponseHead(refusal.status, fields)
    }

    /// The bytes on the wire, up to and with the empty line.
    ///
    /// `date` is an HTTP date.
    func encoded(date: String, endsConnection: Bool) -> [UInt8] {
        var text = "HTTP/1.1 \(status.rawValue) \(status.reason)\r\n"
        text += "Date: \(date)\r\nDocker-Distribution-Api-Version: registry/2.0\r\n"
        text += fields
        if endsConnection { text += "Connection: close\r\n" }
        text += "\r\n"
        return Array(text.utf8)
    }
}
