import HTTPHead
import OCIModel

/// Why a request gets an error instead of content.
///
/// The statuses are chosen by what containerd makes of them: after 400, 403, 404, 405 and 416 it asks the
/// next host at once. It repeats 408 and 429 here, five times and more; after 401 with a Bearer challenge it asks the
/// token server which that names for a token; a 5xx of ours would stand in for what the registry itself has to say.
enum Refusal: Error, Equatable, Sendable {
    /// The framing, the `Host` or the registry of the request can be read in two ways.
    case malformed
    case tooLarge
    case methodNotAllowed
    /// Addressed to a name that is not this server's.
    case foreignHost
    /// Sent by a browser on behalf of some page.
    case browser
    case unknownPath
    case invalidName
    /// A password, or what is not understood, is not passed on: the registry itself has to ask for it.
    case foreignCredential
    /// The registry's own challenge. Never Basic: containerd would send the password here.
    case unauthorized(BearerChallenge)
    /// No registry was named, or one that may not be asked.
    case unknownRegistry
    /// The settings name this repository among those not to be served.
    case repositoryNotServed
    case unknownManifest
    case unknownBlob
    case manifestDeclined(reason: String)
    case blobDeclined(reason: String)
    /// The registry, or a file's host, sent bytes of another digest.
    case blobWrong(Digest)
    case listingDeclined(reason: String)
    case rangeNotSatisfiable(bytes: Int64)

    init(_ error: RequestHeadError) {
        self =
            switch error {
            case .malformed: .malformed
            case .tooLarge: .tooLarge
            case .methodNotAllowed: .methodNotAllowed
            }
    }

    var status: ResponseHead.Status {
        switch self {
        case .malformed, .tooLarge: .badRequest
        case .methodNotAllowed: .methodNotAllowed
        case .foreignHost, .browser: .forbidden
        case .unauthorized: .unauthorized
        case .foreignCredential, .unknownPath, .invalidName, .unknownRegistry, .repositoryNotServed,
            .unknownManifest, .unknownBlob, .manifestDeclined, .blobDeclined, .blobWrong, .listingDeclined:
            .notFound
        case .rangeNotSatisfiable: .rangeNotSatisfiable
        }
    }

    /// Whether what follows on the connection can no longer be trusted to be a request.
    var endsConnection: Bool {
        switch self {
        case .malformed, .tooLarge, .methodNotAllowed, .foreignHost, .browser: true
        default: false
        }
    }

    /// The code and the message of the distribution specification's error body.
    private var explanation: (code: String, message: String) {
        switch self {
        case .malformed: ("UNSUPPORTED", "the request is not unambiguous HTTP/1.1")
        case .tooLarge: ("UNSUPPORTED", "the request head is too large")
        case .methodNotAllowed: ("UNSUPPORTED", "only GET and HEAD are served here")
        case .foreignHost: ("DENIED", "this mirror is not served under that host name")
        case .browser: ("DENIED", "this mirror does not serve web pages")
        case .foreignCredential: ("UNSUPPORTED", "only Bearer tokens are passed on to a registry")
        case .unauthorized: ("UNAUTHORIZED", "the registry wants a token of its token server")
        case .unknownPath: ("UNSUPPORTED", "only manifests, blobs, lists of tags and referrers are served here")
        case .invalidName: ("NAME_INVALID", "the repository name is not valid")
        case .unknownRegistry: ("NAME_UNKNOWN", "this mirror does not serve that registry")
        case .repositoryNotServed: ("NAME_UNKNOWN", "this mirror does not serve that repository")
        case .unknownManifest: ("MANIFEST_UNKNOWN", "not a tag or a sha256 digest")
        case .unknownBlob: ("BLOB_UNKNOWN", "not a sha256 digest")
        case .manifestDeclined(let reason): ("MANIFEST_UNKNOWN", reason)
        case .blobDeclined(let reason): ("BLOB_UNKNOWN", reason)
        case .blobWrong(let digest): ("DIGEST_INVALID", "what was sent for it does not have the digest \(digest)")
        case .listingDeclined(let reason): ("NAME_UNKNOWN", reason)
        case .rangeNotSatisfiable: ("RANGE_INVALID", "the blob ends before the range begins")
        }
    }

    /// What the client is told.
    var message: String { explanation.message }

    /// Error JSON of the distribution specification ("Error Codes"), in printable ASCII whatever the reason
    /// held.
    var body: [UInt8] {
        let (code, message) = explanation
        return Array(#"{"errors":[{"code":"\#(code)","message":"\#(Self.quoted(message))"}]}"#.utf8)
    }

    private static let messageBytesMax = 200

    private static func quoted(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8.prefix(messageBytesMax) {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0x20...0x7e: bytes.append(byte)
            default: bytes.append(UInt8(ascii: "?"))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
