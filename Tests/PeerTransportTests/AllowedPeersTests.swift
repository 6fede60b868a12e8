import EventLoop
import PeerTransport
import PieceModel
import Testing

/// `peers.allow`: who is dialled, and who may dial.
@Suite("where peers may be", .serialized, .timeLimit(.minutes(1))) @LoopActor
struct AllowedPeersTests {
    private func allowed(_ ranges: [(String, UInt16)]) throws -> AllowedPeers {
        var allowed = AllowedPeers()
        for (range, port) in ranges { allowed.allow(try #require(AddressRange(range)), port: port) }
        return allowed
    }

    @Test("nothing outside of it is dialled, by address, name or port, and each is said to be refused")
    func dialled() async throws {
        let (right, wrongPort) = (try TestNode("right"), try TestNode("wrong"))
        let inside = try allowed([("127.0.0.0/24", right.port), ("10.0.0.0/8", wrongPort.port)])
        let node = try TestNode("node") { $0.allowed = inside }
        let outside = [
            ("127.0.0.1", wrongPort.port), ("127.0.1.1", right.port), ("169.254.169.254", right.port),
            ("::1", right.port), ("localhost", 22),
        ]
        let endpoints = (outside + [("127.0.0.1", right.port)]).compactMap { PeerEndpoint(host: $0.0, port: $0.1) }
        node.swarm.dialOnly(endpoints)
        await node.untilConnected(to: right.name)
        await node.until { node.refusals.count >= outside.count }
        #expect(Set(node.refusals) == ["its address is not in peers.allow"])
        #expect(node.connected == [right.name] && wrongPort.disconnects().isEmpty)
        for other in [node, right, wrongPort] { await other.stopAndRemove() }
    }

    @Test("who dials from outside of it is not listened to")
    func dials() async throws {
        let elsewhere = try allowed([("10.0.0.0/8", 4000)])
        let node = try TestNode("node") { $0.allowed = elsewhere }
        let other = try TestNode("other", peers: [node.port])
        await node.until { !node.refusals.isEmpty }
        await other.until { !other.disconnects().isEmpty }
        #expect(node.connected.isEmpty && other.connected.isEmpty)
        for node in [node, other] { await node.stopAndRemove() }
    }
}
