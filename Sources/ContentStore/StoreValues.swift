package import OCIModel

/// A blob as the store knows it.
package struct BlobInfo: Equatable, Sendable {
    package let digest: Digest
    package let bytes: Int64
    package let isPinned: Bool
    /// Seconds since 1970 by the wall clock: to be shown, not to be compared.
    package let lastUsed: Int64

    init(_ digest: Digest, _ entry: Ledger.Entry) {
        self.digest = digest
        bytes = entry.bytes
        isPinned = entry.isPinned
        lastUsed = entry.lastUsed
    }

    /// One that lies in the runtime's store only.
    init(ofRuntime digest: Digest, bytes: Int64) {
        self.digest = digest
        self.bytes = bytes
        isPinned = false
        lastUsed = 0
    }
}

/// What the store holds and has done since it was opened.
package struct Usage: Equatable, Sendable {
    /// Committed blobs and partial ones that nobody is fetching, which lie on disk at full size.
    package let usedBytes: Int64
    /// Those of them whose files the runtime has as well: their removal frees nothing.
    package let sharedBytes: Int64
    /// Full size of the blobs being fetched.
    package let reservedBytes: Int64
    package let quotaBytes: Int64
    package let blobCount: Int
    package let evictions: UInt64
    /// The last failure of disk, space or catalogue, also when the caller never saw it.
    package let lastError: StoreError?
}

/// What a registry last said a tag means.
package struct TagRecord: Equatable, Sendable {
    package let digest: Digest
    package let mediaType: String
    /// Seconds since 1970 by the wall clock.
    package let recordedAt: Int64
}

/// A verified blob opened for reading.
package final class BlobFile: Sendable {
    /// Open for reading until the last reference to this object goes; the offset is nobody's, use `pread` and
    /// `sendfile`.
    package var descriptor: Int32 { file.number }
    package let bytes: Int64
    private let file: Descriptor
    /// Counts what is sent of the runtime's blobs.
    private let served: Guarded<Int64>?

    init(_ file: Descriptor, bytes: Int64, served: Guarded<Int64>? = nil) {
        self.file = file
        self.bytes = bytes
        self.served = served
    }

    /// It lies in the runtime's store.
    package var isRuntimes: Bool { served != nil }

    /// So many bytes of it went to somebody.
    package func noteSent(_ bytes: Int64) {
        served?.withLock { $0 &+= bytes }
    }
}
