import ContentStore
import EventLoop

/// Whether this node would answer containerd now, found out by trying.
///
/// That the loop runs is proved by there being an answer at all.
@LoopActor
final class NodeReadiness {
    /// What was tried, and what stood in the way; `nil` for nothing.
    struct Finding: Equatable, Sendable {
        let check: String
        let problem: String?
    }

    private static let mirrorMillis: UInt64 = 2_000
    private static let storeMillis: UInt64 = 3_000

    private let store: ContentStore
    private let mirrorHost: String
    /// The last try that has not ended: one that a disk holds up is not followed by more.
    private var storeTrial: Task<String?, Never>?

    /// `mirrorHost` is what the mirror listens on.
    init(store: ContentStore, mirrorHost: String) {
        self.store = store
        self.mirrorHost = mirrorHost
    }

    /// `mirrorPort` is 0 when the mirror does not listen.
    func findings(mirrorPort: UInt16, isDraining: Bool) async -> [Finding] {
        async let mirror = mirrorProblem(mirrorPort)
        async let store = storeProblem()
        return [
            Finding(check: "running", problem: isDraining ? "the node is stopping" : nil),
            Finding(check: "mirror", problem: await mirror),
            Finding(check: "store", problem: await store),
        ]
    }

    /// Asks the base of the API as a runtime would, over TCP: a full backlog, a bound on connections that is reached, a
    /// socket that somebody closed all show.
    private func mirrorProblem(_ mirrorPort: UInt16) async -> String? {
        guard mirrorPort > 0 else { return "the mirror listens no more" }
        let place = "the mirror at \(SocketAddress(host: dialled, port: mirrorPort))"
        switch await MirrorTrial(host: dialled, port: mirrorPort).answer(within: Self.mirrorMillis) {
        case .success(let head) where head.hasPrefix("HTTP/1.1 200 "): return nil
        case .success(let head) where head.isEmpty: return "\(place) closes connections without an answer"
        case .success: return "\(place) does not answer as a registry"
        case .failure(let error):
            return error.code == .timedOut ? "\(place) does not answer in time" : "\(place) cannot be reached: \(error)"
        }
    }

    /// An address that stands for all is reached at loopback.
    private var dialled: String {
        switch mirrorHost {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: mirrorHost
        }
    }

    private func storeProblem() async -> String? {
        let trial = storeTrial ?? Loop.task { [store] in await Self.tryWriting(store) }
        storeTrial = trial
        guard let problem = await Patience.value(of: trial, millis: Self.storeMillis) else {
            return "the cache's disk has not taken a few bytes in \(Self.storeMillis / 1000) s"
        }
        if storeTrial == trial { storeTrial = nil }
        return problem
    }

    private static func tryWriting(_ store: ContentStore) async -> String? {
        await Loop.offload { () -> String? in
            do throws(StoreError) {
                try store.tryWriting()
                return nil
            } catch {
                return "the cache cannot be written: \(error)"
            }
        }
    }
}
