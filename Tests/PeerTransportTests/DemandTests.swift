import EventLoop
import OCIModel
import PeerTransport
import PieceExchange
import PieceModel
import Testing
import Wire

/// A cluster of more members than a node keeps connections.
@Suite(.serialized, .timeLimit(.minutes(1))) @LoopActor
struct DemandTests {
    /// Knows who has a blob, and keeps no grants.
    @LoopActor
    private final class HolderList: GrantRegister {
        let names: [PeerName]

        init(_ names: [PeerName]) { self.names = names }

        func ask(_ request: PeerMessage.GrantRequest) async -> GrantAnswer? { nil }
        func tell(_ progress: PeerMessage.GrantProgress) async {}
        func holders(of blob: Digest) async -> [PeerName] { names }
        func tellLost(_ holder: PeerName, of blob: Digest, bytes: Int64) async {}
    }

    /// Members, and a node that keeps two connections and has visited all of the members.
    private func cluster(of count: Int, _ change: (inout SwarmOptions) -> Void) async throws -> (
        members: [TestNode], node: TestNode
    ) {
        let members = try (0..<count).map { try TestNode("member-\($0)") }
        let node = try TestNode("node", peers: members.map(\.port)) {
            $0.connectionsMax = 7
            $0.connectionsKept = 2
            $0.visitMillis = 1
            change(&$0)
        }
        await node.until { Set(came(node)).count == count }
        return (members, node)
    }

    private func came(_ node: TestNode) -> [PeerName] {
        node.events.compactMap { if case .peerConnected(let peer, _, _) = $0 { peer } else { nil } }
    }

    private func stop(_ members: [TestNode], _ node: TestNode) async {
        await node.stopAndRemove()
        for member in members { await member.stopAndRemove() }
    }

    @Test("keeps as many as it seeks, and lets go those that it only got to know")
    func letsGo() async throws {
        let (members, node) = try await cluster(of: 6) { $0.idleMillis = 1 }
        await node.until { node.connected.count == 2 }
        #expect(came(node).count == 6, "nobody is visited twice")
        #expect(node.disconnects().count == 4)
        #expect(node.disconnects().allSatisfy { $0 == .closedHere(.unspecified) })
        await stop(members, node)
    }

    @Test("a member that is not connected is dialled when it is said to hold a blob, and serves it")
    func dialsHolder() async throws {
        let (members, node) = try await cluster(of: 6) { $0.idleMillis = 1 }
        await node.until { node.connected.count == 2 }
        let holder = try #require(members.first { !node.connected.contains($0.name) })
        let blob = Blob.random(300_000, seed: 7)
        try await holder.hold(blob)
        node.swarm.use(HolderList([holder.name]))
        #expect(try await node.pull(blob) == blob.bytes)
        #expect(came(node).filter { $0 == holder.name }.count == 2)
        await node.until { node.connected.count == 2 }
        await stop(members, node)
    }

    @Test("a member that is said to hold a blob and is gone holds nothing up")
    func goneHolder() async throws {
        let (members, node) = try await cluster(of: 6) { $0.idleMillis = 1 }
        await node.until { node.connected.count == 2 }
        let gone = try #require(members.first { !node.connected.contains($0.name) })
        await gone.stopAndRemove()
        let blob = Blob.random(300_000, seed: 8)
        node.origin.add(blob)
        node.swarm.use(HolderList([gone.name]))
        #expect(try await node.pull(blob, fromOrigin: true) == blob.bytes)
        await stop(members.filter { $0 !== gone }, node)
    }

    @Test("a node that comes last finds room")
    func latecomer() async throws {
        var nodes: [TestNode] = []
        for number in 0..<8 {
            let ports = nodes.map(\.port)
            nodes.append(
                try TestNode("node-\(number)", peers: ports) {
                    $0.connectionsKept = 2
                    $0.connectionsMax = 4
                    $0.visitMillis = 60_000
                })
        }
        for node in nodes.dropFirst(2) { await node.until { node.connected.count >= 2 } }
        for node in nodes { await node.stopAndRemove() }
    }
}
