import EventLoop
import MirrorServer
import OCIModel
import PeerTransport

/// Files that somebody at the admin socket asked for, for as long as they are asked for now and then.
///
///     added --used--> kept --unused for `lifeMillis`--> gone
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

    private func touch(_ ticket: FileTicket) {
        entries[ticket]?.timer.start(after: Self.lifeMillis) { [weak self] in
            self?.entries.removeValue(forKey: ticket)?.timer.stop()
        }
    }
}
