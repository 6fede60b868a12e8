/// The name of a repository inside a registry, such as `library/busybox`.
///
/// Grammar of the OCI distribution specification ("Pulling manifests"), at most 255 bytes; no value can be a
/// path that leaves its folder.
package struct RepositoryName: Hashable, Sendable {
    package let text: String

    package static let bytesMax = 255

    /// `nil` unless every `/`-separated component is lower-case letters and digits joined by `.`, `_`, `__`
    /// or any number of `-`.
    package init?(_ text: some StringProtocol) {
        var text = String(text)
        guard text.withUTF8({ Self.isName($0) }) else { return nil }
        self.text = text
    }

    private static func isName(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard !bytes.isEmpty, bytes.count <= bytesMax else { return false }
        var isAtStart = true
        // The separator before the next letter or digit, and how often it stands there.
        var separator: UInt8 = 0
        var count = 0
        for byte in bytes {
            if ASCII.isLower(byte) || ASCII.isDigit(byte) {
                guard count == 0 || joins(separator, count) else { return false }
                count = 0
                isAtStart = false
            } else if byte == UInt8(ascii: "/") {
                guard !isAtStart, count == 0 else { return false }
                isAtStart = true
            } else {
                guard !isAtStart, count == 0 || byte == separator else { return false }
                separator = byte
                count += 1
            }
        }
        return !isAtStart && count == 0
    }

    private static func joins(_ separator: UInt8, _ count: Int) -> Bool {
        switch separator {
        case UInt8(ascii: "."): count == 1
        case UInt8(ascii: "_"): count <= 2
        default: separator == UInt8(ascii: "-")
        }
    }
}

extension RepositoryName: CustomStringConvertible {
    package var description: String { text }
}

/// A tag: a movable name for a manifest within one repository, at most 128 bytes.
package struct Tag: Hashable, Sendable {
    package let text: String

    package static let bytesMax = 128

    /// The tag that a reference without tag and digest means.
    package static let latest = Tag(known: "latest")

    /// `nil` unless a letter, digit or `_` is followed by at most 127 of those, `.` and `-`.
    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, bytes.count <= Self.bytesMax, Self.isWord(first),
            bytes.allSatisfy({ Self.isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") })
        else { return nil }
        self.text = String(text)
    }

    private init(known text: String) { self.text = text }

    private static func isWord(_ byte: UInt8) -> Bool {
        ASCII.isAlphanumeric(byte) || byte == UInt8(ascii: "_")
    }
}

extension Tag: CustomStringConvertible {
    package var description: String { text }
}

/// What follows `manifests/` in the distribution API: a tag or a digest.
package enum ManifestReference: Hashable, Sendable {
    case tag(Tag)
    case digest(Digest)

    /// A text with a colon can only be a digest, one without only a tag; `nil` when it is not a valid one.
    package init?(_ text: some StringProtocol) {
        let text = String(text)
        if text.utf8.contains(UInt8(ascii: ":")) {
            guard let digest = Digest(text) else { return nil }
            self = .digest(digest)
        } else {
            guard let tag = Tag(text) else { return nil }
            self = .tag(tag)
        }
    }
}

extension ManifestReference: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tag(let tag): tag.text
        case .digest(let digest): digest.description
        }
    }
}
