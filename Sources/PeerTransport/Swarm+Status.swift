import EventLoop
import PieceModel

extension Swarm {
    /// What the swarm does at this moment.
    package var status: SwarmStatus {
        let peers = roster.status(now: Loop.nowNanoseconds)
        var received = PieceTraffic()
        var sent = PieceTraffic()
        for peer in peers {
            received.add(peer.received)
            sent.add(peer.sent)
        }
        let downloads = transfers.values.sorted { $0.digest < $1.digest }.map { transfer in
            SwarmStatus.Download(
                blob: transfer.digest,
                bytes: transfer.bytes,
                heldBytes: transfer.heldBytes,
                readers: transfer.readerCount,
                sources: transfer.sources
            )
        }
        return SwarmStatus(
            name: options.name,
            peers: peers,
            unreached: roster.unreached,
            downloads: downloads,
            received: received,
            sent: sent,
            originBytes: counted.originBytes
        )
    }
}
