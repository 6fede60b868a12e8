package import OCIModel

/// The right to read one file that this node fetches, for whoever holds it: a random number, given out over the admin
/// socket and good for a short time.
///
/// It stands for a caller who may read all that the node has, so a file needs no other leave.
package struct FileTicket: Hashable, Sendable {
    /// 64 lower-case hexadecimal digits.
    package let text: String

    /// A new one, that nobody can guess.
    package init() {
        var random = SystemRandomNumberGenerator()
        let digits = Array("0123456789abcdef".utf8)
        let bytes = (0..<64).map { _ in digits[Int(UInt8.random(in: 0...15, using: &random))] }
        text = String(decoding: bytes, as: UTF8.self)
    }

    init?(_ text: some StringProtocol) {
        guard Digest("sha256:" + text) != nil else { return nil }
        self.text = String(text)
    }

    /// Where the mirror serves it.
    package var path: String { Self.prefix + text }

    static let prefix = "/files/"
}

extension FileTicket: CustomStringConvertible {
    package var description: String { "FileTicket(redacted)" }
}

/// What a ticket is for.
package struct TicketedFile {
    package let digest: Digest
    package let answer: BlobAnswer

    package init(digest: Digest, answer: BlobAnswer) {
        self.digest = digest
        self.answer = answer
    }
}
