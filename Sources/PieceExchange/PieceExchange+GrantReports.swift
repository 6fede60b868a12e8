import OCIModel
import PieceModel

/// What whoever keeps the grants of a blob is told: how far this node is with what it reads, and what it is not
/// going to read.
extension PieceExchange {
    /// Tells who keeps the grants how far this node is with what it reads.
    mutating func report(_ id: WantID, isOver: Bool) {
        guard let reading = wants[id].permit.reading else { return }
        wants[id].permit.reportedAt = now
        tell(id, reading, read: countRead(reading, id), isOver: isOver)
    }

    func countRead(_ pieces: Range<Int>, _ id: WantID) -> Int {
        pieces.prefix { wants[id].held.contains($0) || wants[id].covered.contains($0) }.count
    }

    /// The grant before the one that is read has been read to its end, or will not be.
    mutating func reportTrailing(_ id: WantID) {
        guard let trailing = wants[id].permit.trailing else { return }
        wants[id].permit.trailing = nil
        tell(id, trailing, read: countRead(trailing, id), isOver: true)
    }

    mutating func tell(_ id: WantID, _ pieces: Range<Int>, read: Int, isOver: Bool) {
        let blob = wants[id].blob
        let progress = PeerMessage.GrantProgress(
            blob: blob,
            blobBytes: wants[id].layout.blobBytes,
            pieces: .init(first: UInt32(pieces.lowerBound), count: UInt32(pieces.count)),
            read: UInt32(read),
            isOver: isOver
        )
        guard case .member(let directory) = keeper(of: id) else { return act(.tellRegister(progress)) }
        guard directory != name, let peer = peerIDs[directory] else {
            return noteProgress(pieces, read: read, isOver: isOver, of: blob, wants[id].layout, by: name)
        }
        send(.grantProgress(progress), to: peer)
    }

    mutating func reportIfDue(_ id: WantID) {
        guard wants[id].permit.reading != nil, wants[id].origin.isReading else { return }
        let due = wants[id].permit.reportedAt.adding(milliseconds: limits.grantReportMillis)
        guard due <= now else { return arm(want: id, at: due) }
        // A registry that sends nothing is not reported as progress: others may do better.
        let stall = wants[id].origin.progressAt.adding(milliseconds: 2 * limits.grantSilenceMillis)
        if stall > now { report(id, isOver: false) }
        arm(want: id, at: now.adding(milliseconds: limits.grantReportMillis))
    }

    /// What this node read for itself alone until now is others' business too from now on.
    mutating func discloseReading(_ id: WantID) {
        guard let remaining = wants[id].origin.remaining, !remaining.isEmpty else { return }
        if wants[id].permit.reading == nil { wants[id].permit.reading = remaining }
        report(id, isOver: false)
    }

    /// Gives back what was granted and is not going to be read.
    mutating func giveBackGrants(_ id: WantID) {
        if wants[id].origin.tail == nil { reportTrailing(id) }
        report(id, isOver: true)
        if let next = wants[id].permit.next { tell(id, next, read: 0, isOver: true) }
        wants[id].permit.reading = nil
        wants[id].permit.next = nil
        wants[id].permit.question = nil
    }

    /// Whoever kept grants is gone: the next in rank is asked.
    mutating func loseDirectory(_ peerName: PeerName) {
        for id in wants.indices where wants[id].isLive && wants[id].permit.directory == peerName {
            wants[id].permit.directory = nil
            if wants[id].permit.question?.keeper == .member(peerName) { wants[id].permit.question = nil }
            touch(want: id)
        }
        for key in grantBooks.keys { grantBooks[key]?.lose(peerName) }
    }
}
