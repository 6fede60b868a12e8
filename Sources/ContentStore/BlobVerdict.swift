import Glibc
import Hashing
package import OCIModel

/// What a look at one cached blob's bytes says, taken from outside the process that has the cache open.
package enum BlobVerdict: Equatable, Sendable {
    case sound(bytes: Int64)
    /// Its bytes have another digest.
    case damaged(Digest)
    /// Gone: evicted or removed meanwhile.
    case missing
    case unreadable(errno: Int32)

    /// Hashes a blob below the cache folder `path`; reads only, and blocks.
    package static func take(_ digest: Digest, below path: String) -> BlobVerdict {
        let file = open("\(path)/blobs/sha256/\(digest.hex.prefix(2))/\(digest.hex)", O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return errno == ENOENT ? .missing : .unreadable(errno: errno) }
        defer { close(file) }
        var hasher = SHA256Hasher()
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var bytes: Int64 = 0
        while true {
            let count = read(file, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return .unreadable(errno: errno) }
            if count == 0 { break }
            buffer[..<count].withUnsafeBytes { hasher.update($0) }
            bytes += Int64(count)
        }
        let actual = hasher.finalize()
        return actual == digest ? .sound(bytes: bytes) : .damaged(actual)
    }
}
