import FoundationEssentials
import Glibc
import Hashing
package import OCIModel

/// A folder with an image in it (OCI image specification, "Image Layout"), as it is written: blobs first, `index.json`
/// last, so that a folder with one is complete.
package struct OCILayout: Sendable {
    package let path: String

    private static let version = #"{"imageLayoutVersion":"1.0.0"}"#

    /// Makes the folder, or takes up one that an earlier attempt left without its index. One that is complete, or holds
    /// anything else, is refused, unless a complete one is to be overwritten.
    package init(path: String, overwrites: Bool) throws(FetchError) {
        self.path = path
        let entries = try Self.entries(of: path)
        if let entries, !entries.isEmpty {
            guard entries.contains("oci-layout") else {
                throw FetchError(.output, "\(path) holds something else: name an empty or a new folder")
            }
            guard overwrites || !entries.contains("index.json") else {
                throw FetchError(.output, "\(path) holds an image already: --overwrite replaces it")
            }
        }
        for folder in [path, path + "/blobs", path + "/blobs/sha256"] {
            guard mkdir(folder, 0o777) == 0 || errno == EEXIST else { throw Self.error(folder) }
        }
        try Self.write(Array(Self.version.utf8), to: path + "/oci-layout")
    }

    package func path(of digest: Digest) -> String { "\(path)/blobs/sha256/\(digest.hex)" }

    /// Whether the blob is in its place; it came there whole and checked.
    package func has(_ digest: Digest, bytes: Int64) -> Bool {
        var status = stat()
        return stat(path(of: digest), &status) == 0 && Int64(status.st_size) == bytes
    }

    /// A blob that is in memory; its digest has to be its own.
    func add(_ bytes: [UInt8], _ digest: Digest) throws(FetchError) {
        try Self.write(bytes, to: path(of: digest))
    }

    private struct Index: Encodable {
        struct Entry: Encodable {
            let mediaType: String
            let digest: String
            let size: Int64
            let annotations: [String: String]?
        }

        let schemaVersion = 2
        let mediaType = MediaType.ociIndex.text
        let manifests: [Entry]
    }

    /// Completes the folder: this is what it holds.
    func finish(_ image: Descriptor, tag: Tag?) throws(FetchError) {
        let annotations = tag.map { ["org.opencontainers.image.ref.name": $0.text] }
        let entry = Index.Entry(
            mediaType: image.mediaType.text, digest: image.digest.description, size: image.bytes,
            annotations: annotations)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts and numbers can always be encoded.
        guard let bytes = try? encoder.encode(Index(manifests: [entry])) else { return }
        try Self.write(Array(bytes), to: path + "/index.json")
    }

    /// `nil` when there is no such folder.
    private static func entries(of path: String) throws(FetchError) -> [String]? {
        guard let folder = opendir(path) else {
            if errno == ENOENT { return nil }
            throw error(path)
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func write(_ bytes: [UInt8], to path: String) throws(FetchError) {
        let file = try PartialFile(path: path, digest: SHA256Hasher.hash(bytes))
        try file.restart()
        try file.append(bytes)
        try file.commit()
    }

    private static func error(_ path: String) -> FetchError {
        FetchError(.output, "\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
}
