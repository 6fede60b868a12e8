import EventLoop
import PieceModel
import Wire

/// In a cluster of more members than connections are kept: who is needed is dialled, and let go again.
extension PeerRoster {
    /// Whom nobody needs is met only to be told its name.
    private static let visitMillis: UInt64 = 2_000

    private var isLarge: Bool { dialers.count > options.connectionsMax * 3 / 4 }

    /// Connections that are sought; what others begin comes on top, up to `connectionsMax`.
    var keptMax: Int { isLarge ? min(options.connectionsKept, options.connectionsMax) : options.connectionsMax }

    /// Names of the members, as far as they were reached when they were dialled last; none while all of them can be
    /// connected.
    var reachable: [PeerName] { isLarge ? dialers.filter(\.isReachable).compactMap(\.name) : [] }

    /// Has a member dialled, whatever else is connected; false when there is no way to it, or no room. Otherwise it
    /// comes, or `couldNotReach` is said of it.
    func call(_ member: PeerName) -> Bool {
        let dialer = dialers.first { $0.name == member && !$0.isSelf }
        if peers[member] != nil {
            if dialer?.idleMillis != nil { dialer?.idleMillis = options.idleMillis }
            return true
        }
        guard !isStopped, let dialer, bans.ban(of: member, now: Loop.nowNanoseconds) == nil else { return false }
        guard !dialer.isDialling else {
            called.insert(member)
            return true
        }
        guard connections.count + door.dialling < options.connectionsMax else { return false }
        called.insert(member)
        dialer.idleMillis = options.idleMillis
        dial(dialer)
        return true
    }

    /// A member that was called did not come by the way by which it was known.
    func missed(_ member: PeerName?) {
        guard let member, called.remove(member) != nil else { return }
        owner?.couldNotReach(member)
    }

    /// Closes what was dialled because it was needed, and is not any more.
    func letIdleGo(_ now: UInt64) {
        for dialer in dialers where connections.count > keptMax {
            guard let millis = dialer.idleMillis, let connection = dialer.connection,
                connection.isIdle(forMillis: millis, now: now)
            else { continue }
            connection.close(.unspecified)
        }
    }

    /// Dials one of those whose name is not known.
    func visitSomebody(_ now: UInt64) {
        guard now >= visitDue, connections.count + door.dialling < options.connectionsMax else { return }
        guard let stranger = dialers.first(where: { $0.name == nil && $0.isDue(now) }) else { return }
        visitDue = now &+ options.visitMillis &* 1_000_000
        stranger.idleMillis = min(options.idleMillis, Self.visitMillis)
        dial(stranger)
    }
}
