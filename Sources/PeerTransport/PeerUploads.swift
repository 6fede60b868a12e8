import EventLoop

/// What is being sent to one peer over one connection.
@LoopActor
final class PeerUploads {
    /// Pieces, from being made ready on; the swarm counts them.
    var running = 0
    private let channel: any PeerChannel
    private var path = PathPace()

    init(over channel: any PeerChannel) {
        self.channel = channel
    }

    /// Bytes a second that the path takes at the moment; `nil` while nobody knows.
    func pace() -> Double? {
        channel.path.flatMap { path.observe($0, now: Loop.nowNanoseconds) }
    }
}
