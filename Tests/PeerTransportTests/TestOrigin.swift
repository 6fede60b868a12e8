import EventLoop
import OCIModel
import PeerTransport

/// A registry in memory that counts what it gives.
@LoopActor
final class TestOrigin: OriginFetching {
    private var blobs: [Digest: [UInt8]] = [:]
    private(set) var requests: [ByteRange] = []
    private var running: [Fetch] = []
    private(set) var bytesGiven: Int64 = 0
    /// Bytes in one go, and the pause before each.
    var chunkBytes = 64 << 10
    var chunkMillis: UInt64 = 0
    /// Says no to everything.
    var refuses = false
    /// Breaks off the next so many requests after one chunk.
    var breaks = 0
    /// Gives nothing more, but does not end either.
    var isHeld = false
    /// The same once it gave so many bytes in all.
    var bytesMax = Int64.max

    /// `digest` is given to hand out bytes that are not those of the name.
    func add(_ blob: Blob, as digest: Digest? = nil) { blobs[digest ?? blob.digest] = blob.bytes }

    func fetch(
        blob: Digest,
        range: ByteRange,
        source: OriginSource,
        onBytes: @escaping @LoopActor (UnsafeRawBufferPointer) -> Void,
        onEnd: @escaping @LoopActor (OriginFetchEnd) -> Void
    ) -> any OriginFetch {
        requests.append(range)
        let fetch = Fetch(origin: self, onBytes: onBytes, onEnd: onEnd)
        if !refuses, let bytes = blobs[blob], range.end <= Int64(bytes.count) {
            fetch.rest = bytes[Int(range.start)..<Int(range.end)]
            fetch.isBroken = breaks > 0
            breaks -= 1
        } else {
            fetch.isRefused = true
        }
        fetch.proceed()
        running.append(fetch)
        return fetch
    }

    /// Ends what it is giving at the moment.
    func breakAll() {
        for fetch in running { fetch.breakOff() }
        running = []
    }

    fileprivate func gave(_ count: Int) { bytesGiven += Int64(count) }

    @LoopActor
    private final class Fetch: OriginFetch {
        let origin: TestOrigin
        let onBytes: @LoopActor (UnsafeRawBufferPointer) -> Void
        let onEnd: @LoopActor (OriginFetchEnd) -> Void
        var rest: ArraySlice<UInt8> = []
        var isRefused = false
        var isBroken = false
        private var isPaused = false
        private var isOver = false
        private let timer = LoopTimer()

        init(
            origin: TestOrigin,
            onBytes: @escaping @LoopActor (UnsafeRawBufferPointer) -> Void,
            onEnd: @escaping @LoopActor (OriginFetchEnd) -> Void
        ) {
            self.origin = origin
            self.onBytes = onBytes
            self.onEnd = onEnd
        }

        func proceed() {
            timer.start(after: origin.chunkMillis) { [self] in step() }
        }

        private func step() {
            guard !isOver, !isPaused else { return }
            if isRefused { return end(.refused) }
            if origin.isHeld || origin.bytesGiven >= origin.bytesMax {
                timer.start(after: 5) { [self] in step() }
                return
            }
            let chunk = Array(rest.prefix(origin.chunkBytes))
            rest = rest.dropFirst(chunk.count)
            origin.gave(chunk.count)
            chunk.withUnsafeBytes { onBytes($0) }
            guard !isOver else { return }
            if isBroken { return end(.transient) }
            if rest.isEmpty { return end(.complete) }
            proceed()
        }

        private func end(_ reason: OriginFetchEnd) {
            isOver = true
            timer.stop()
            onEnd(reason)
        }

        func breakOff() {
            if !isOver { end(.transient) }
        }

        func pause() { isPaused = true }

        func resume() {
            isPaused = false
            if !isOver { proceed() }
        }

        func cancel() {
            isOver = true
            timer.stop()
        }
    }
}
