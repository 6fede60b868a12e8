import Glibc
import Hashing
package import OCIModel
import Synchronization

/// A file that grows beside its place, and takes it only when it is whole and has its digest.
///
///     opened (with what an earlier attempt left) --append--> … --commit--> in its place
///                                                                +--wrong--> removed
///
/// What is not committed stays, under a name with the digest in it, and is taken up by the next attempt. Only one
/// process has it open at a time. All of it is for off the loop, one call at a time.
package final class PartialFile: Sendable {
    private struct State: ~Copyable {
        var hasher = SHA256Hasher()
        var bytes: Int64 = 0
    }

    package let path: String
    private let digest: Digest
    private let partPath: String
    private let descriptor: Int32
    private let state = Mutex(State())
    /// Bytes that an earlier attempt had left.
    package let resumedBytes: Int64

    private static let blockBytes = 1 << 20

    /// `path` is where the file will be; `bytesMax` what it may have, if that is known.
    package init(path: String, digest: Digest, bytesMax: Int64? = nil) throws(FetchError) {
        self.path = path
        self.digest = digest
        let (folder, name) = Self.split(path)
        guard !name.isEmpty else { throw FetchError(.usage, "\(path) names no file") }
        partPath = folder + ".\(name).\(digest.hex.prefix(16)).part"
        descriptor = open(partPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
        guard descriptor >= 0 else { throw Self.error("cannot be written", partPath) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw FetchError(.output, "another hawker get is writing \(path)")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw FetchError(.output, "\(partPath) is no plain file")
        }
        let left = Int64(status.st_size)
        resumedBytes = left <= bytesMax ?? .max ? left : 0
        do throws(FetchError) {
            if left > resumedBytes { try restart() } else { try takeUp(left) }
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// Bytes it has now.
    package var count: Int64 { state.withLock { $0.bytes } }

    /// `.output` when the disk does not take them.
    package func append(_ bytes: [UInt8]) throws(FetchError) {
        let start = count
        var written = 0
        while written < bytes.count {
            let done = bytes.withUnsafeBytes { buffer in
                pwrite(
                    descriptor, buffer.baseAddress?.advanced(by: written), buffer.count - written,
                    off_t(start) + off_t(written))
            }
            guard done > 0 else { throw Self.error("cannot be written", partPath) }
            written += done
        }
        update(bytes[...])
    }

    /// Begins anew.
    package func restart() throws(FetchError) {
        guard ftruncate(descriptor, 0) == 0 else { throw Self.error("cannot be written", partPath) }
        state.withLock { state in
            state.hasher.reset()
            state.bytes = 0
        }
    }

    /// Puts the file into its place, in one step and on the disk, in place of whatever is there. Bytes of another
    /// digest are thrown away.
    package func commit() throws(FetchError) {
        let found = state.withLock { $0.hasher.finalize() }
        guard found == digest else {
            unlink(partPath)
            throw FetchError(.data, "what came has the digest \(found) and not \(digest); nothing was written")
        }
        guard fsync(descriptor) == 0, rename(partPath, path) == 0 else { throw Self.error("cannot be written", path) }
        let name = Self.split(path).folder
        let folder = open(name.isEmpty ? "." : name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return }
        fsync(folder)
        close(folder)
    }

    /// Forgets it, for what is of no use to a later attempt.
    package func discard() { unlink(partPath) }

    private func takeUp(_ count: Int64) throws(FetchError) {
        var block = [UInt8](repeating: 0, count: Self.blockBytes)
        while self.count < count {
            let offset = off_t(self.count)
            let got = block.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, offset) }
            guard got > 0 else { throw Self.error("cannot be read", partPath) }
            update(block[..<got])
        }
    }

    private func update(_ bytes: ArraySlice<UInt8>) {
        state.withLock { state in
            bytes.withUnsafeBytes { state.hasher.update($0) }
            state.bytes += Int64(bytes.count)
        }
    }

    /// The folder with its last slash, and the name in it.
    private static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return ("", path) }
        return (String(path[...slash]), String(path[path.index(after: slash)...]))
    }

    private static func error(_ what: String, _ path: String) -> FetchError {
        FetchError(.output, "\(path) \(what): \(String(cString: strerror(errno)))")
    }

    /// The digest of a plain file; `nil` when there is none.
    package static func digest(ofFile path: String) -> Digest? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var hasher = SHA256Hasher()
        var block = [UInt8](repeating: 0, count: blockBytes)
        while true {
            let got = block.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            guard got >= 0 else { return nil }
            if got == 0 { return hasher.finalize() }
            block.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<got])) }
        }
    }
}
