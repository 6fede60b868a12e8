import EventLoop
import Glibc
import MirrorServer
import OCIModel

/// An image source over temporary files, whose answers each test sets.
@LoopActor final class TestSource: ImageSource {
    var manifests: [ManifestReference: ManifestAnswer] = [:]
    var blobs: [Digest: BlobAnswer] = [:]
    /// Digests and tags for which the answer comes only after the asking task was cancelled.
    var silent: Set<ManifestReference> = []
    var listings: [ListingQuery.List: ListingAnswer] = [:]
    var files: [FileTicket: TicketedFile] = [:]
    private(set) var listingQueries: [ListingQuery] = []
    private(set) var manifestQueries: [ManifestQuery] = []
    private(set) var blobQueries: [BlobQuery] = []

    nonisolated init() {}

    /// Answers at once what it otherwise would answer when asked.
    var knowsAtOnce = false

    func manifestAtOnce(_ query: ManifestQuery) -> ManifestAnswer? {
        guard knowsAtOnce, let answer = manifests[query.reference] else { return nil }
        manifestQueries.append(query)
        return answer
    }

    func manifest(_ query: ManifestQuery) async -> ManifestAnswer {
        manifestQueries.append(query)
        if silent.contains(query.reference) { await Self.untilCancelled() }
        return manifests[query.reference] ?? .declined(reason: "no such manifest")
    }

    func blob(_ query: BlobQuery) async -> BlobAnswer {
        blobQueries.append(query)
        if silent.contains(.digest(query.digest)) { await Self.untilCancelled() }
        return blobs[query.digest] ?? .declined(reason: "no such blob")
    }

    func listing(_ query: ListingQuery) async -> ListingAnswer {
        listingQueries.append(query)
        return listings[query.list] ?? .declined(reason: "no such list")
    }

    func file(_ ticket: FileTicket) async -> TicketedFile? { files[ticket] }

    private static func untilCancelled() async {
        while !Task.isCancelled { try? await Task.sleep(for: .seconds(60)) }
    }
}

/// Content that differs everywhere, so that a byte in the wrong place shows.
func testBytes(_ count: Int) -> [UInt8] {
    var words = [UInt64](repeating: 0, count: count / 8 + 1)
    words.withUnsafeMutableBufferPointer { words in
        for index in words.indices { words[index] = UInt64(index) &* 0x9e37_79b9_7f4a_7c15 }
    }
    return words.withUnsafeBytes { Array($0.prefix(count)) }
}

/// A file without a name, for reading and writing.
final class TestFile: WholeBlob {
    let descriptor: Int32
    let bytes: Int64

    /// `claimedBytes` is what it says of itself.
    init(_ content: [UInt8], claimedBytes: Int64? = nil) throws {
        var path = Array("/tmp/hawker-mirror-XXXXXX".utf8CString)
        descriptor = mkstemp(&path)
        unlink(path)
        bytes = claimedBytes ?? Int64(content.count)
        guard descriptor >= 0, pwrite(descriptor, content, content.count, 0) == content.count else {
            throw RawClient.Failure(operation: "file", code: errno)
        }
    }

    /// A file of nothing but zeros, which takes no room.
    init(zeros: Int64) throws {
        var path = Array("/tmp/hawker-mirror-XXXXXX".utf8CString)
        descriptor = mkstemp(&path)
        unlink(path)
        bytes = zeros
        guard ftruncate(descriptor, off_t(zeros)) == 0 else {
            throw RawClient.Failure(operation: "file", code: errno)
        }
    }

    deinit { close(descriptor) }
}

@LoopActor final class TestArrival: ArrivingBlob {
    private let file: TestFile
    private var runs: [Range<Int64>] = []
    private var failure: ArrivalState?
    private var waiter: (offset: Int64, then: @LoopActor (ArrivalState) -> Void)?
    private(set) var releases = 0
    private(set) var waits = 0
    private var whenReleased: [CheckedContinuation<Void, Never>] = []
    private var whenWaiting: [CheckedContinuation<Void, Never>] = []

    nonisolated init(_ file: TestFile) { self.file = file }

    nonisolated var bytes: Int64 { file.bytes }
    nonisolated var descriptor: Int32 { file.descriptor }

    func availableEnd(from offset: Int64) -> Int64 {
        runs.first { $0.contains(offset) }?.upperBound ?? offset
    }

    func whenMore(than offset: Int64, _ then: @escaping @LoopActor (ArrivalState) -> Void) {
        precondition(waiter == nil && releases == 0)
        waits += 1
        waiter = (offset, then)
        for continuation in whenWaiting { continuation.resume() }
        whenWaiting = []
        serve()
    }

    func release() {
        releases += 1
        waiter = nil
        for continuation in whenReleased { continuation.resume() }
        whenReleased = []
    }

    func deliver(_ run: Range<Int64>) {
        runs.append(run)
        runs.sort { $0.lowerBound < $1.lowerBound }
        var merged: [Range<Int64>] = []
        for run in runs {
            if let last = merged.last, last.upperBound >= run.lowerBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, run.upperBound)
            } else {
                merged.append(run)
            }
        }
        runs = merged
        serve()
    }

    func fail(_ state: ArrivalState = .failed) {
        failure = state
        serve()
    }

    func untilReleased() async {
        if releases == 0 { await withCheckedContinuation { whenReleased.append($0) } }
    }

    func untilWaiting() async {
        if waiter == nil { await withCheckedContinuation { whenWaiting.append($0) } }
    }

    private func serve() {
        guard let (offset, then) = waiter else { return }
        let end = availableEnd(from: offset)
        guard let state = end > offset ? .available(end: end) : failure else { return }
        waiter = nil
        then(state)
    }
}

/// A running mirror with its source, and short names for what tests ask of it.
struct TestMirror {
    let server: MirrorServer
    let source: TestSource
    let port: UInt16

    static let digest = Digest(words: (1, 2, 3, 4))
    static let otherDigest = Digest(words: (5, 6, 7, 8))
    static let blobTarget = "/v2/a/b/blobs/\(digest)"

    @LoopActor static func start(_ change: (inout MirrorOptions) -> Void = { _ in }) throws -> TestMirror {
        var options = MirrorOptions { $0 == .dockerHub }
        options.port = 0
        change(&options)
        let source = TestSource()
        let server = MirrorServer(options: options, source: source)
        try server.start()
        return TestMirror(server: server, source: source, port: server.port)
    }

    func client(receiveBytes: Int32? = nil) throws -> RawClient {
        try RawClient(port: port, receiveBytes: receiveBytes)
    }

    @LoopActor func serve(_ file: TestFile) { source.blobs[Self.digest] = .whole(file) }

    @LoopActor func serve(_ arrival: TestArrival) { source.blobs[Self.digest] = .arriving(arrival) }

    @LoopActor func serve(_ file: TestFile, at ticket: FileTicket) {
        source.files[ticket] = TicketedFile(digest: Self.digest, answer: .whole(file))
    }

    @LoopActor func list(_ answer: ListingAnswer) { source.listings[.tags] = answer }

    @LoopActor func counters() -> MirrorCounters { server.counters }

    func stop() async { await server.stop(drainMillis: 0) }
}
