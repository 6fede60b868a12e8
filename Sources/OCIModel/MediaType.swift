/// A media type without parameters, in lower case: `type/subtype` of RFC 6838 §4.2 restricted names.
///
/// Holds nothing that could break out of a header or a log line, so it may be reflected as it is.
package struct MediaType: Hashable, Sendable {
    package let text: String

    private static let partBytesMax = 127

    /// Takes a `Content-Type` value; `nil` if malformed.
    ///
    /// Parameters after `;` are dropped, as containerd does.
    package init?(_ text: some StringProtocol) {
        let essence = text.prefix { $0 != ";" }.utf8.map(ASCII.lowercased)
        let trimmed = essence.drop { $0 == 0x20 || $0 == 0x09 }
        let end = trimmed.lastIndex { $0 != 0x20 && $0 != 0x09 }.map { $0 + 1 } ?? trimmed.startIndex
        let bytes = trimmed[trimmed.startIndex..<end]
        let parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy(Self.isRestrictedName) else { return nil }
        self.text = String(decoding: bytes, as: UTF8.self)
    }

    private init(known text: String) { self.text = text }

    private static func isRestrictedName(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let first = bytes.first, bytes.count <= partBytesMax, ASCII.isAlphanumeric(first) else {
            return false
        }
        let others = Array("!#$&-^_.+".utf8)
        return bytes.allSatisfy { ASCII.isAlphanumeric($0) || others.contains($0) }
    }

    package static let ociManifest = MediaType(known: "application/vnd.oci.image.manifest.v1+json")
    package static let ociIndex = MediaType(known: "application/vnd.oci.image.index.v1+json")
    package static let dockerManifest = MediaType(
        known: "application/vnd.docker.distribution.manifest.v2+json"
    )
    package static let dockerList = MediaType(
        known: "application/vnd.docker.distribution.manifest.list.v2+json"
    )
    package static let octetStream = MediaType(known: "application/octet-stream")

    /// Whether this names the manifest of one image (or artifact).
    package var isImageManifest: Bool { self == .ociManifest || self == .dockerManifest }

    /// Whether this names a list of manifests.
    package var isIndex: Bool { self == .ociIndex || self == .dockerList }
}

extension MediaType: CustomStringConvertible {
    package var description: String { text }
}
