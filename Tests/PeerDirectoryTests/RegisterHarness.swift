import EventLoop
import OCIModel
import PieceModel
import TestSupport
import Testing

@testable import PeerDirectory
@testable import PieceExchange

/// Whoever may keep grants; the conformance suite runs once for each.
enum RegisterKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    /// What a member keeps in its memory.
    case member, oneRedis, threeRedis

    var testDescription: String { rawValue }
    var serverCount: Int { [.oneRedis: 1, .threeRedis: 3][self] ?? 0 }
}

/// One node's way to the grants.
@LoopActor
protocol GrantAsker {
    func ask(_ request: PeerMessage.GrantRequest) async -> GrantAnswer?
    func tell(_ progress: PeerMessage.GrantProgress) async
    func tellLost(_ holder: PeerName, of blob: Digest, bytes: Int64) async
}

extension RedisEngine: GrantAsker {}

/// Nodes over the same servers, or the same member's books.
@LoopActor
final class RegisterHarness {
    let servers: [RedisProcess]
    var processes: [ChildProcess] = []
    let limits: ExchangeLimits
    private let kind: RegisterKind
    private(set) var engines: [String: RedisEngine] = [:]
    fileprivate var books: [GrantKey: GrantBook] = [:]

    init(_ kind: RegisterKind, _ limits: ExchangeLimits = ExchangeLimits()) async throws {
        servers = try (0..<kind.serverCount).map { _ in try RedisProcess() }
        (self.limits, self.kind) = (limits, kind)
        for server in servers { processes.append(try await server.start()) }
    }

    func asker(_ name: String, cluster: String = "test") async throws -> any GrantAsker {
        guard let node = PeerName(name) else { throw TestFailure(name) }
        if kind == .member { return BookAsker(harness: self, node: node) }
        return try await engine(name, cluster: cluster)
    }

    func engine(_ name: String, cluster: String = "test") async throws -> RedisEngine {
        if let known = engines[name + cluster] { return known }
        let own = OwnEndpoint(advertised: Endpoints.node(engines.count + 1), listenHost: "0.0.0.0", listenPort: 1)
        let limits = limits
        let engine = RedisHarness.engine(name, own, servers, cluster: cluster) { $0.grants = limits }
        engine.start(DiscoveryHandlers { _ in })
        try await eventually("\(name) is there") { engine.status.state == .working }
        engines[name + cluster] = engine
        return engine
    }

    func end() async throws {
        for engine in engines.values { await engine.stop() }
        for process in processes { try await process.kill() }
    }
}

@LoopActor
private struct BookAsker: GrantAsker {
    let harness: RegisterHarness
    let node: PeerName

    private func book(_ blob: Digest, _ bytes: Int64, _ body: (inout GrantBook, Instant) -> Void) {
        guard let layout = PieceLayout(blobBytes: bytes) else { return }
        let now = Instant(nanoseconds: Loop.nowNanoseconds)
        body(&harness.books[GrantKey(blob: blob, blobBytes: bytes), default: GrantBook(layout: layout, now: now)], now)
    }

    func ask(_ request: PeerMessage.GrantRequest) async -> GrantAnswer? {
        var answer: GrantAnswer?
        let wanted = request.wanted.map { Int($0.first)..<Int($0.first + $0.count) }
        book(request.blob, request.blobBytes) {
            answer = $0.request(wanted, isRetry: request.isRetry, by: node, limits: harness.limits, now: $1)
        }
        return answer
    }

    func tell(_ progress: PeerMessage.GrantProgress) async {
        let pieces = Int(progress.pieces.first)..<Int(progress.pieces.first + progress.pieces.count)
        book(progress.blob, progress.blobBytes) {
            $0.report(
                pieces, read: Int(progress.read), isOver: progress.isOver, by: node, limits: harness.limits, now: $1)
        }
    }

    func tellLost(_ holder: PeerName, of blob: Digest, bytes: Int64) async {
        book(blob, bytes) { book, _ in book.lose(holder) }
    }
}

/// A blob of a size, and what is said of it.
struct GrantSubject {
    let blob: Digest
    let layout: PieceLayout

    /// Pieces of 64 KiB.
    init(_ seed: UInt64 = 1, pieces: Int = 400) throws {
        var generator = SeededGenerator(seed: seed)
        let hex = generator.bytes(count: 32).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        guard let blob = Digest(hex: hex), let layout = PieceLayout(blobBytes: Int64(pieces) * 65_536) else {
            throw TestFailure(hex)
        }
        (self.blob, self.layout) = (blob, layout)
    }

    private func run(_ pieces: Range<Int>) -> PeerMessage.PieceRun {
        PeerMessage.PieceRun(first: UInt32(pieces.lowerBound), count: UInt32(pieces.count))
    }

    func wants(_ wanted: [Range<Int>], isRetry: Bool = false) -> PeerMessage.GrantRequest {
        PeerMessage.GrantRequest(
            blob: blob, blobBytes: layout.blobBytes, wanted: wanted.map(run), isRetry: isRetry)
    }

    func read(_ count: Int, of pieces: Range<Int>, isOver: Bool = false) -> PeerMessage.GrantProgress {
        PeerMessage.GrantProgress(
            blob: blob, blobBytes: layout.blobBytes, pieces: run(pieces), read: UInt32(count), isOver: isOver)
    }
}
