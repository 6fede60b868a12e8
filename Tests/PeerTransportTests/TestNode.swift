import ContentStore
import EventLoop
import Foundation
import OCIModel
import PeerTransport
import PieceExchange
import PieceModel
import Testing

/// One node: a real store in a temporary folder and a swarm on a loopback port.
@LoopActor
final class TestNode {
    let name: PeerName
    let origin: TestOrigin
    let folder: String
    let store: ContentStore
    let swarm: Swarm
    private(set) var events: [SwarmEvent] = []
    private let recorder: Recorder

    @LoopActor
    private final class Recorder {
        weak var node: TestNode?
    }

    static let source = OriginSource(registry: "registry.test", repository: "library/test")

    init(
        _ name: String,
        origin: TestOrigin = TestOrigin(),
        peers: [UInt16] = [],
        folder: String? = nil,
        quotaBytes: Int64 = 1 << 30,
        _ change: (inout SwarmOptions) -> Void = { _ in }
    ) throws {
        let peerName = try #require(PeerName(name))
        self.name = peerName
        self.origin = origin
        let path = folder ?? NSTemporaryDirectory() + "hawker-swarm-" + UUID().uuidString
        self.folder = path
        store = try ContentStore.open(.init(path: path, quotaBytes: quotaBytes, freeFloorBytes: 0))
        var options = SwarmOptions(name: peerName)
        options.listenHost = "127.0.0.1"
        options.redialMillisMin = 50
        // All nodes of all tests share one loop on a machine that may be busy: an answer may take a while.
        options.exchange.pieceDeadlineMillis = 20_000
        options.exchange.probeMillis = 5_000
        options.locateMillis = 5_000
        change(&options)
        let recorder = Recorder()
        self.recorder = recorder
        swarm = Swarm(store: store, options: options, origin: origin) { recorder.node?.events.append($0) }
        recorder.node = self
        swarm.dialOnly(peers.compactMap { PeerEndpoint(host: "127.0.0.1", port: $0) })
        try swarm.start()
    }

    var port: UInt16 { swarm.port }

    /// Stops the swarm and closes the store; the folder stays.
    func stop() async {
        await swarm.stop(drainMillis: 1_000)
        let store = store
        await Loop.offload { store.close() }
    }

    func stopAndRemove() async {
        await stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Puts a blob into the store and offers it.
    func hold(_ blob: Blob) async throws {
        let store = store
        let name = name
        let result = await Loop.offload {
            Result {
                let partial = try store.beginPartial(blob.digest, layout: blob.layout)
                for piece in blob.layout.pieces {
                    let bytes = blob.bytes(of: piece)
                    try partial.store(piece, bytes: bytes, digest: blob.digest(of: piece), author: name)
                }
                return try partial.finish()
            }
        }
        #expect(try result.get())
        swarm.blobCommitted(blob.digest)
    }

    /// Reads the whole blob as a client would: from the front, as it comes.
    func pull(_ blob: Blob, fromOrigin: Bool = false) async throws(DownloadFailure) -> [UInt8] {
        let source = fromOrigin ? Self.source : nil
        let download = try await swarm.download(blob.digest, bytes: blob.count, source: source)
        defer { download.release() }
        return try await read(download)
    }

    func read(_ download: BlobDownload, until limit: Int64 = .max) async throws(DownloadFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        while Int64(bytes.count) < min(download.bytes, limit) {
            let offset = Int64(bytes.count)
            var end = download.contiguousEnd(from: offset)
            if end == offset {
                switch await progress(download, offset) {
                case .more(let more): end = more
                case .finished: end = download.bytes
                case .failed(let failure): throw failure
                }
            }
            bytes += pread(download.file, offset, Int(end - offset))
        }
        return bytes
    }

    func progress(_ download: BlobDownload, _ offset: Int64) async -> DownloadProgress {
        await withCheckedContinuation { continuation in
            download.onProgress(from: offset) { continuation.resume(returning: $0) }
        }
    }

    private func pread(_ file: Int32, _ offset: Int64, _ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, Foundation.pread(file, buffer.baseAddress, count, off_t(offset)))
        }
    }

    /// Waits until the condition holds.
    func until(_ condition: () -> Bool) async {
        while !condition() { await Pause.millis(5) }
    }

    func untilConnected(to names: PeerName...) async {
        await until { Set(connected).isSuperset(of: names) }
    }

    var connected: [PeerName] {
        swarm.status.peers.filter { if case .connected = $0.state { true } else { false } }.map(\.name)
    }

    func bans() -> [BanCause] {
        events.compactMap { if case .peerBanned(_, let cause, _) = $0 { cause } else { nil } }
    }

    func disconnects() -> [DisconnectCause] {
        events.compactMap {
            switch $0 {
            case .peerDisconnected(_, _, let cause), .strangerDisconnected(_, let cause): cause
            default: nil
            }
        }
    }
}

enum Pause {
    @LoopActor
    static func millis(_ millis: UInt64) async {
        let timer = LoopTimer()
        await withCheckedContinuation { continuation in
            timer.start(after: millis) { continuation.resume() }
        }
    }
}
