import EventLoop
import MirrorServer
import OCIModel
import PeerTransport

/// Files that somebody at the admin socket asked for, for as long as they are asked for now and then.
///
///     added --used--> kept --unused for `lifeMillis`--> gone
///
/// Also knows for a moment whose host sent other bytes: who asks again at once, as `hawker get` does, has them not sent
/// again.
@LoopActor
final class TicketedFiles {
    struct File {
        let digest: Digest
        /// As the file's host says; nobody has checked it.
        let bytes: Int64
        let source: OriginSource
        let isShared: Bool
    }

    /// Beyond, the node is busy.
    static let countMax = 256
    private static let lifeMillis: UInt64 = 60_000
    private static let wrongNanoseconds: UInt64 = 10_000_000_000

    private struct Place: Hashable {
        let digest: Digest
        let host: String
        let target: String?

        init(_ file: File) {
            digest = file.digest
            host = file.source.registry
            target = file.source.target
        }
    }

    private var wrongAt: [Place: UInt64] = [:]
    private var entries: [FileTicket: (file: File, timer: LoopTimer)] = [:]

    /// `nil` when too many are kept already.
    func add(_ file: File) -> FileTicket? {
        guard entries.count < Self.countMax else { return nil }
        let ticket = FileTicket()
        entries[ticket] = (file, LoopTimer())
        touch(ticket)
        return ticket
    }

    func use(_ ticket: FileTicket) -> File? {
        touch(ticket)
        return entries[ticket]?.file
    }

    /// Whoever was asked sent, more than once, what does not have the digest.
    func noteWrong(_ digest: Digest) {
        let now = Loop.nowNanoseconds
        wrongAt = wrongAt.filter { Self.isFresh($0.value, now) }
        for (file, _) in entries.values where file.digest == digest && wrongAt.count < Self.countMax {
            wrongAt[Place(file)] = now
        }
    }

    func isWrong(_ file: File) -> Bool { wrongAt[Place(file)].map { Self.isFresh($0, Loop.nowNanoseconds) } ?? false }

    private static func isFresh(_ at: UInt64, _ now: UInt64) -> Bool { now < at || now - at < wrongNanoseconds }

    private func touch(_ ticket: FileTicket) {
        entries[ticket]?.timer.start(after: Self.lifeMillis) { [weak self] in
            self?.entries.removeValue(forKey: ticket)?.timer.stop()
        }
    }
}
