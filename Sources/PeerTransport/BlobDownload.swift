package import EventLoop
package import OCIModel

/// Why a blob cannot be had now.
package enum DownloadFailure: Error, Hashable, Sendable {
    /// The size is not one that a blob of the swarm may have.
    case badSize
    /// The same blob is being downloaded with another size.
    case sizeMismatch
    /// No peer has it and the registry may not be asked.
    case noSource
    /// The registry says no.
    case originRefused
    /// Every source failed, over and over.
    case sourcesExhausted
    /// What came did not match the digest, twice.
    case wrongContent
    /// Bytes that this reader may already have sent on turned out not to be the blob's.
    case contentChanged
    /// The local store failed.
    case storeFailed(String)
    /// The node is stopping.
    case stopping
}

/// What a waiting reader hears.
package enum DownloadProgress: Equatable, Sendable {
    /// Bytes from the reader's offset up to `end` can be read from the file.
    case more(end: Int64)
    /// The whole blob is verified and can be read.
    case finished
    /// Nothing more will come to this reader.
    case failed(DownloadFailure)
}

/// One reader's hold on a blob that is arriving, or has just arrived.
///
/// The download goes on while somebody holds one, and a little longer. `release` it as soon as the reader has
/// gone; dropping the last reference does the same.
@LoopActor
package final class BlobDownload {
    package nonisolated let digest: Digest
    /// Size of the whole blob.
    package nonisolated let bytes: Int64

    private let transfer: BlobTransfer
    private let reader: Int

    init(_ transfer: BlobTransfer) {
        digest = transfer.digest
        bytes = transfer.bytes
        self.transfer = transfer
        reader = transfer.addReader()
    }

    isolated deinit {
        release()
    }

    /// The file with the blob's bytes at their offsets; open while this object lives, also after `release`.
    /// Only bytes that `contiguousEnd` or `onProgress` spoke of may be read.
    package var file: Int32 { transfer.file }

    package var isComplete: Bool { transfer.phase == .complete }

    /// Where the blob's bytes came from so far, for all readers together.
    package var sources: DownloadSources { transfer.sources }

    /// End of the run of bytes on disk that begins at `offset`; `offset` when there is none. They are of checked
    /// pieces, or the first that the registry sent, for a reader that has none yet.
    ///
    /// Never within the last piece, except at the end of a blob that matched its digest as a whole.
    package func contiguousEnd(from offset: Int64) -> Int64 {
        transfer.contiguousEnd(from: offset, reader: reader)
    }

    /// Calls `handler` once, never inside this call: as soon as the byte at `offset` can be read, the blob is
    /// finished, or nothing more will come. A later call replaces a waiting one; `release` drops it.
    ///
    /// `offset` is also where the reader is: bytes from there on are fetched first.
    /// All bytes can be read a moment before the blob is in the store; with `offset` at its end the handler hears when
    /// it is.
    package func onProgress(
        from offset: Int64,
        _ handler: @escaping @LoopActor (DownloadProgress) -> Void
    ) {
        transfer.wait(reader: reader, offset: offset, handler)
    }

    /// The reader has gone.
    package func release() {
        transfer.removeReader(reader)
    }
}
