import EventLoop

/// What reads one blob from the registry: the running fetch, and the one before it while that reads its last pieces.
@LoopActor
struct OriginReads {
    var running: OriginIntake?
    var tail: OriginIntake?

    var count: Int { (running == nil ? 0 : 1) + (tail == nil ? 0 : 1) }

    /// The fetch that runs so far, if any, becomes the tail.
    mutating func begin(_ intake: OriginIntake) {
        if let running {
            running.isTail = true
            tail = running
        }
        running = intake
    }

    func stop() {
        running?.stop()
        tail?.stop()
    }
}
