import EventLoop
import Glibc
import OCIModel
import PeerTransport
import PieceModel
import Testing

/// What a reader gets of a piece that is still being read from the registry.
@Suite("the first bytes of a blob")
struct EarlyBytesTests {
    private static let blob = Blob.random(1_000_000, seed: 71)
    private static let chunk = 10_000

    /// How far the reader can read when it hears that it can.
    @LoopActor
    private func progress(of download: BlobDownload, from offset: Int64) async -> DownloadProgress {
        await withCheckedContinuation { waiter in
            download.onProgress(from: offset) { waiter.resume(returning: $0) }
        }
    }

    @LoopActor
    @Test("a reader has them before the first piece is whole, from any offset in it; after them, whole pieces")
    func beforeThePiece() async throws {
        for offset: Int64 in [0, 7_000] {
            let origin = TestOrigin()
            origin.add(Self.blob)
            origin.chunkBytes = Self.chunk
            origin.bytesMax = Int64(Self.chunk)
            let node = try TestNode("node", origin: origin)
            let download = try await node.swarm.download(
                Self.blob.digest, bytes: Self.blob.count, source: TestNode.source)
            #expect(await progress(of: download, from: offset) == .more(end: Int64(Self.chunk)))
            #expect(try bytes(of: download, offset..<10_000) == Array(Self.blob.bytes[Int(offset)..<10_000]))
            origin.bytesMax = .max
            let piece = Int64(Self.blob.layout.pieceBytes)
            guard case .more(let end) = await progress(of: download, from: Int64(Self.chunk)) else {
                Issue.record("no more came")
                return
            }
            #expect(end % piece == 0 && end > 0)
            download.release()
            await node.stopAndRemove()
        }
    }

    @LoopActor
    @Test("who was told of bytes that turn out to be others hears of it; the blob and other readers do not suffer")
    func others() async throws {
        let origin = TestOrigin()
        origin.add(Blob.random(1_000_000, seed: 72), as: Self.blob.digest)
        origin.chunkBytes = Self.chunk
        origin.bytesMax = Int64(Self.chunk)
        let node = try TestNode("node", origin: origin)
        let download = try await node.swarm.download(
            Self.blob.digest, bytes: Self.blob.count, source: TestNode.source)
        #expect(await progress(of: download, from: 0) == .more(end: Int64(Self.chunk)))
        origin.add(Self.blob)
        origin.breakAll()
        origin.bytesMax = .max
        #expect(await progress(of: download, from: Int64(Self.chunk)) == .failed(.contentChanged))
        #expect(try await node.pull(Self.blob, fromOrigin: true) == Self.blob.bytes)
        download.release()
        await node.stopAndRemove()
    }

    @LoopActor
    private func bytes(of download: BlobDownload, _ range: Range<Int64>) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            count = pread(download.file, buffer.baseAddress, range.count, off_t(range.lowerBound))
            guard count == range.count else { throw DownloadFailure.storeFailed("short read") }
        }
    }
}
