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

        fileprivate var line: String {
            switch self {
            case .ok: "HTTP/1.1 200 OK\r\n"
            case .partialContent: "HTTP/1.1 206 Partial Content\r\n"
            case .badRequest: "HTTP/1.1 400 Bad Request\r\n"
            case .unauthorized: "HTTP/1.1 401 Unauthorized\r\n"
            case .forbidden: "HTTP/1.1 403 Forbidden\r\n"
            case .notFound: "HTTP/1.1 404 Not Found\r\n"
            case .methodNotAllowed: "HTTP/1.1 405 Method Not Allowed\r\n"
            case .rangeNotSatisfiable: "HTTP/1.1 416 Range Not Satisfiable\r\n"
            }
        }
    }

    let status: Status
    /// Lines with their ends.
    private let fields: [UInt8]

    /// More than most heads take, with what is around their fields.
    private static let usualBytes = 512

    private init(_ status: Status, _ fields: [(name: String, value: String)]) {
        self.status = status
        var lines: [UInt8] = []
        lines.reserveCapacity(Self.usualBytes)
        for field in fields {
            lines.append(contentsOf: field.name.utf8)
            lines.append(contentsOf: ": ".utf8)
            lines.append(contentsOf: field.value.utf8)
            lines.append(contentsOf: "\r\n".utf8)
        }
        self.fields = lines
    }

    /// The answer to `/v2/`, whose body is `baseBody`.
    static func base() -> ResponseHead {
        ResponseHead(.ok, [("Content-Type", "application/json"), ("Content-Length", String(baseBody.count))])
    }

    static let baseBody = Array("{}".utf8)

    static func manifest(mediaType: MediaType, digest: Digest, bytes: Int64) -> ResponseHead {
        ResponseHead(
            .ok,
            [
                ("Content-Type", mediaType.text), ("Content-Length", String(bytes)),
                ("Docker-Content-Digest", digest.description),
            ]
        )
    }

    /// `part` is `nil` for the whole blob.
    static func blob(digest: Digest, bytes: Int64, part: ByteRange?) -> ResponseHead {
        let common = [
            ("Content-Type", MediaType.octetStream.text), ("Docker-Content-Digest", digest.description),
            ("Accept-Ranges", "bytes"),
        ]
        guard let part else { return ResponseHead(.ok, common + [("Content-Length", String(bytes))]) }
        return ResponseHead(
            .partialContent,
            common + [("Content-Length", String(part.count)), ("Content-Range", "bytes \(part)/\(bytes)")]
        )
    }

    /// Its next page is where this one is, for the caller knows no other address of the registry.
    static func listing(_ listing: Listing, at place: ListingPlace) -> ResponseHead {
        var fields = [("Content-Type", listing.mediaType.text), ("Content-Length", String(listing.bytes.count))]
        if let next = listing.next {
            fields.append(("Link", "<\(place.path)?\(next.joined(with: place.namespace))>; rel=\"next\""))
        }
        if listing.isFiltered { fields.append(("OCI-Filters-Applied", "artifactType")) }
        return ResponseHead(.ok, fields)
    }

    /// `bodyBytes` are the bytes of the refusal's body.
    static func refusal(_ refusal: Refusal, bodyBytes: Int) -> ResponseHead {
        var fields = [("Content-Type", "application/json"), ("Content-Length", String(bodyBytes))]
        switch refusal {
        case .methodNotAllowed: fields.append(("Allow", "GET, HEAD"))
        case .unauthorized(let challenge): fields.append(("WWW-Authenticate", challenge.headerValue))
        case .rangeNotSatisfiable(let bytes): fields.append(("Content-Range", "bytes */\(bytes)"))
        default: break
        }
        return ResponseHead(refusal.status, fields)
    }

    /// The bytes on the wire, up to and with the empty line, and `body` behind them.
    ///
    /// `date` is an HTTP date.
    func encoded(date: String, endsConnection: Bool, body: [UInt8] = []) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.usualBytes + body.count)
        bytes.append(contentsOf: status.line.utf8)
        bytes.append(contentsOf: "Date: ".utf8)
        bytes.append(contentsOf: date.utf8)
        bytes.append(contentsOf: "\r\nDocker-Distribution-Api-Version: registry/2.0\r\n".utf8)
        bytes.append(contentsOf: fields)
        if endsConnection { bytes.append(contentsOf: "Connection: close\r\n".utf8) }
        bytes.append(contentsOf: "\r\n".utf8)
        bytes.append(contentsOf: body)
        return bytes
    }
}
