import EventLoop
import OCIModel
import PieceExchange
import PieceModel

/// What peers say of a blob; nobody has checked it.
package struct LocatedBlob: Equatable, Sendable {
    package let bytes: Int64
    /// A peer says that anybody could pull it from its registry.
    package let isPublic: Bool
}

/// Asks all peers for a blob that no manifest told of, or that the registry cannot be asked for.
@LoopActor
final class BlobLocator {
    @LoopActor
    private final class Query {
        var open: Set<PeerName>
        let done: @LoopActor () -> Void
        var sizes: [Int64: Int] = [:]
        var isPublic = false
        var waiters: [CheckedContinuation<LocatedBlob?, Never>] = []
        let timer = LoopTimer()

        init(_ peers: Set<PeerName>, done: @escaping @LoopActor () -> Void) {
            open = peers
            self.done = done
        }
    }

    private var queries: [Digest: Query] = [:]

    /// Waits until every peer answered or the time is over. `ask` has to send the question to the peers;
    /// `done` is called when no more answers are wanted.
    ///
    /// A peer may lie: the size that most of them say is returned, and what is fetched has to match the
    /// digest anyway.
    func locate(
        _ digest: Digest,
        peers: Set<PeerName>,
        millis: UInt64,
        ask: () -> Void,
        done: @escaping @LoopActor () -> Void
    ) async -> LocatedBlob? {
        guard !peers.isEmpty else { return nil }
        return await withCheckedContinuation { continuation in
            if let query = queries[digest] {
                query.waiters.append(continuation)
                return
            }
            let query = Query(peers, done: done)
            query.waiters.append(continuation)
            queries[digest] = query
            query.timer.start(after: millis) { [weak self] in self?.finish(digest) }
            ask()
        }
    }

    /// A peer said what it holds.
    func heard(_ digest: Digest, from peer: PeerName, _ held: PeerMessage.Holdings?) {
        guard let query = queries[digest], query.open.remove(peer) != nil else { return }
        if let held {
            query.sizes[held.blobBytes, default: 0] += 1
            query.isPublic = query.isPublic || held.isPublic
        }
        if query.open.isEmpty { finish(digest) }
    }

    func lost(_ peer: PeerName) {
        for (digest, query) in queries where query.open.remove(peer) != nil && query.open.isEmpty {
            finish(digest)
        }
    }

    func stop() {
        for digest in Array(queries.keys) { finish(digest) }
    }

    private func finish(_ digest: Digest) {
        guard let query = queries.removeValue(forKey: digest) else { return }
        query.timer.stop()
        let size = query.sizes.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key
        query.done()
        let found = size.map { LocatedBlob(bytes: $0, isPublic: query.isPublic) }
        for waiter in query.waiters { waiter.resume(returning: found) }
    }
}
