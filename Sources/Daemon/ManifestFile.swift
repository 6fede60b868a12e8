import ContentStore
import Glibc
import Hashing
import OCIModel
import OriginClient

/// Reading of manifests; off the loop thread.
enum ManifestFile {
    enum Found: Sendable {
        case sound(OriginManifest)
        /// Its bytes were another digest's; the cache's file was removed.
        case damaged
        /// Not there, unreadable, too large, or no manifest.
        case none
    }

    static func read(_ digest: Digest, from store: ContentStore) -> Found {
        guard let (content, isRuntimes) = content(digest, from: store) else { return .none }
        guard SHA256Hasher.hash(content) == digest else {
            // The runtime's are not ours to remove. A failure shows in the store's usage.
            if !isRuntimes { _ = try? store.remove(digest) }
            return .damaged
        }
        let recorded = store.mediaType(digest).flatMap { MediaType($0) }
        guard let mediaType = recorded ?? summary(content, nil)?.mediaType else { return .none }
        return .sound(
            OriginManifest(mediaType: mediaType, digest: digest, bytes: content, size: Int64(content.count)))
    }

    /// What a manifest names; `nil` for content this version cannot read, which is passed on all the same.
    static func summary(_ content: [UInt8], _ mediaType: MediaType?) -> ManifestSummary? {
        do throws(ManifestError) {
            return try ManifestSummary.parse(content, declared: mediaType)
        } catch {
            return nil
        }
    }

    private static func content(_ digest: Digest, from store: ContentStore) -> (bytes: [UInt8], isRuntimes: Bool)? {
        let opened: BlobFile?
        do throws(StoreError) {
            opened = try store.openBlob(digest)
        } catch {
            return nil
        }
        guard let file = opened, file.bytes <= Int64(ManifestSummary.bytesMax) else { return nil }
        var content = [UInt8](repeating: 0, count: Int(file.bytes))
        var count = 0
        while count < content.count {
            let got = content.withUnsafeMutableBytes { buffer in
                pread(file.descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count, off_t(count))
            }
            guard got > 0 else { return nil }
            count += got
        }
        return (content, file.isRuntimes)
    }
}
