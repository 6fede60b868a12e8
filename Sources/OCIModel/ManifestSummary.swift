/// A reference from a manifest to other content.
package struct Descriptor: Hashable, Sendable {
    package let mediaType: MediaType
    package let digest: Digest
    /// Never negative.
    package let bytes: Int64

    package init(mediaType: MediaType, digest: Digest, bytes: Int64) {
        self.mediaType = mediaType
        self.digest = digest
        self.bytes = bytes
    }
}

/// Why bytes are not a manifest that this node would pass on.
package enum ManifestError: Error, Equatable, Sendable {
    case tooLarge(bytes: Int)
    /// Not strict JSON, or a duplicate name, or too deep.
    case notJSON
    /// Readers could take it for two different documents; the text names the member.
    case ambiguous(String)
    /// A member is missing or has the wrong type; the text names the member.
    case malformed(String)
    /// Neither an image manifest nor an index of the OCI or Docker (schema 2) families.
    case unsupported(mediaType: String)
    case mediaTypeMismatch(declared: MediaType, document: MediaType)
}

/// What the node has to know of a manifest: its type, and what it refers to.
///
/// The document itself is passed on byte for byte and never written anew.
package struct ManifestSummary: Equatable, Sendable {
    package let mediaType: MediaType
    /// The image's configuration; `nil` in an index.
    package let config: Descriptor?
    /// An image's layers, or an index's manifests, in the document's order.
    ///
    /// Content whose digest is not SHA-256 is left out: this node never holds it.
    package let entries: [Descriptor]

    package static let bytesMax = 4 << 20
    /// Up to so many bytes are hashed and read in less than a millisecond: on the loop's thread sooner than off it.
    package static let briefBytesMax = 16 << 10
    package static let entriesMax = 10_000

    package var isIndex: Bool { mediaType.isIndex }

    /// Everything the manifest names in its repository: configuration first, then `entries`.
    package var children: [Descriptor] { (config.map { [$0] } ?? []) + entries }

    /// Reads a manifest or index.
    ///
    /// `declared` is the media type under which it came, if any: a document that says otherwise of itself is
    /// refused, one that says nothing is taken by it, else by its members.
    package static func parse(
        _ bytes: some Collection<UInt8>,
        declared: MediaType? = nil
    ) throws(ManifestError) -> ManifestSummary {
        guard bytes.count <= bytesMax else { throw .tooLarge(bytes: bytes.count) }
        guard let json = StrictJSON.parse(bytes) else { throw .notJSON }
        guard let document = json.object else { throw .malformed("document") }
        for name in ["schemaVersion", "mediaType", "config", "layers", "manifests"]
        where document.hasLookalike(of: name) {
            throw .ambiguous(name)
        }
        guard document["schemaVersion"]?.integer == 2 else { throw .malformed("schemaVersion") }
        let mediaType = try mediaType(of: document, declared: declared)
        if mediaType.isIndex {
            // GHSA-5j5w-g665-5m35: a document with the members of both kinds is one image to some, another to
            // others.
            for name in ["layers", "config"] where document[name] != nil { throw .ambiguous(name) }
            return ManifestSummary(
                mediaType: mediaType,
                config: nil,
                entries: try descriptors(document, "manifests")
            )
        }
        guard document["manifests"] == nil else { throw .ambiguous("manifests") }
        guard let config = document["config"] else { throw .malformed("config") }
        return ManifestSummary(
            mediaType: mediaType,
            config: try descriptor(config, "config"),
            entries: try descriptors(document, "layers")
        )
    }

    private static func mediaType(
        of document: StrictJSONObject,
        declared: MediaType?
    ) throws(ManifestError) -> MediaType {
        var own: MediaType?
        if let value = document["mediaType"] {
            guard let text = value.string, let parsed = MediaType(text) else { throw .malformed("mediaType") }
            guard parsed.isIndex || parsed.isImageManifest else {
                throw .unsupported(mediaType: parsed.text)
            }
            own = parsed
        }
        if let declared, declared.isIndex || declared.isImageManifest {
            if let own, own != declared {
                throw .mediaTypeMismatch(declared: declared, document: own)
            }
            return declared
        }
        return own ?? (document["manifests"] != nil ? .ociIndex : .ociManifest)
    }

    private static func descriptors(
        _ document: StrictJSONObject,
        _ name: String
    ) throws(ManifestError) -> [Descriptor] {
        guard let values = document[name]?.array, values.count <= entriesMax else { throw .malformed(name) }
        var result: [Descriptor] = []
        for value in values {
            if let parsed = try descriptor(value, name) { result.append(parsed) }
        }
        return result
    }

    /// `nil` for a well-formed descriptor with a digest of another algorithm.
    private static func descriptor(
        _ value: StrictJSON,
        _ name: String
    ) throws(ManifestError) -> Descriptor? {
        guard let object = value.object else { throw .malformed(name) }
        for member in ["mediaType", "digest", "size"] where object.hasLookalike(of: member) {
            throw .ambiguous("\(name).\(member)")
        }
        guard let mediaType = object["mediaType"]?.string.flatMap({ MediaType($0) }) else {
            throw .malformed("\(name).mediaType")
        }
        guard let bytes = object["size"]?.integer, bytes >= 0 else { throw .malformed("\(name).size") }
        guard let digestText = object["digest"]?.string, !digestText.isEmpty else {
            throw .malformed("\(name).digest")
        }
        if let digest = Digest(digestText) {
            return Descriptor(mediaType: mediaType, digest: digest, bytes: bytes)
        }
        guard !digestText.hasPrefix("sha256:"), digestText.contains(":") else {
            throw .malformed("\(name).digest")
        }
        return nil
    }
}
