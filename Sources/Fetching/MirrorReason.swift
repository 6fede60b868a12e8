import FoundationEssentials

/// What an error body of the distribution specification says ("Error Codes").
struct MirrorReason: Decodable {
    /// The bytes that came are not the digest's.
    static let wrongContent = "DIGEST_INVALID"

    let code: String
    let message: String

    private struct Body: Decodable {
        let errors: [MirrorReason]
    }

    /// `nil` when there is none: the status is said then.
    static func read(_ bytes: [UInt8]) -> MirrorReason? {
        // What cannot be read says nothing.
        (try? JSONDecoder().decode(Body.self, from: Data(bytes)))?.errors.first
    }
}
