import FoundationEssentials

/// The message in an error body of the distribution specification.
enum MirrorReason {
    private struct Body: Decodable {
        struct Problem: Decodable {
            let message: String
        }

        let errors: [Problem]
    }

    /// `nil` when there is none.
    static func text(_ bytes: [UInt8]) -> String? {
        // What cannot be read has no message; the status is said then.
        (try? JSONDecoder().decode(Body.self, from: Data(bytes)))?.errors.first?.message
    }
}
