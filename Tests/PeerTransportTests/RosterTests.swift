import EventLoop
import OCIModel
import PeerTransport
import PieceExchange
import PieceModel
import Testing
import Wire

/// Who is talked to, and over which connection.
@Suite(.serialized, .timeLimit(.minutes(1))) @LoopActor
struct RosterTests {
    @Test("two nodes that dial each other keep one connection, dialled by the smaller name")
    func simultaneous() async throws {
        let first = try TestNode("a")
        let second = try TestNode("b", peers: [first.port])
        let firstPort = first.port
        await second.untilConnected(to: first.name)
        await first.stopAndRemove()
        let again = try TestNode("a", peers: [second.port]) { $0.listenPort = firstPort }
        await again.until { Self.states(again) == [.connected(outbound: true)] }
        await second.until { Self.states(second) == [.connected(outbound: false)] }
        let blob = Blob.random(100_000, seed: 1)
        try await again.hold(blob)
        #expect(try await second.pull(blob) == blob.bytes)
        await again.stopAndRemove()
        await second.stopAndRemove()
    }

    @Test("a node that dials whom it is connected with leaves that connection alone, whatever their names")
    func dialsConnected() async throws {
        let first = try TestNode("a")
        let second = try TestNode("b", peers: [first.port])
        await first.untilConnected(to: second.name)
        let endpoint = try #require(PeerEndpoint(host: "127.0.0.1", port: second.port))
        first.swarm.dialOnly([endpoint])
        await first.until { first.swarm.status.peers.first?.endpoints == [endpoint] }
        await first.until { first.disconnects() == [.closedHere(.duplicate)] }
        await second.until { second.disconnects() == [.closedByPeer(.duplicate)] }
        #expect(Self.states(first) == [.connected(outbound: false)])
        #expect(Self.states(second) == [.connected(outbound: true)])
        await first.stopAndRemove()
        await second.stopAndRemove()
    }

    static func states(_ node: TestNode) -> [SwarmStatus.Peer.State] { node.swarm.status.peers.map(\.state) }

    @Test("who is dialled can change; a peer no longer named stays connected, and is not dialled again")
    func dialledChange() async throws {
        let (first, second) = (try TestNode("first"), try TestNode("second"))
        let node = try TestNode("node", peers: [first.port])
        await node.untilConnected(to: first.name)
        let endpoint = try #require(PeerEndpoint(host: "127.0.0.1", port: second.port))
        node.swarm.dialOnly([endpoint])
        await node.untilConnected(to: first.name, second.name)
        #expect(node.swarm.status.peers.first { $0.name == second.name }?.endpoints == [endpoint])
        #expect(node.swarm.status.peers.first { $0.name == first.name }?.endpoints == [])
        await first.stopAndRemove()
        await node.until { !node.connected.contains(first.name) }
        #expect(node.swarm.status.unreached.isEmpty)
        await node.stopAndRemove()
        await second.stopAndRemove()
    }

    @Test("no more is dialled than may be connected")
    func dialsBounded() async throws {
        let holders = [try TestNode("h1"), try TestNode("h2"), try TestNode("h3")]
        let node = try TestNode("node", peers: holders.map(\.port)) { $0.connectionsMax = 2 }
        await node.until { node.connected.count == 2 }
        await Pause.millis(700)
        #expect(node.connected.count == 2)
        await node.stopAndRemove()
        for holder in holders { await holder.stopAndRemove() }
    }

    @Test("a peer that comes back is dialled again")
    func redial() async throws {
        let holder = try TestNode("holder")
        let port = holder.port
        let blob = Blob.random(100_000, seed: 2)
        let taker = try TestNode("taker", peers: [port])
        await taker.untilConnected(to: holder.name)
        await holder.stopAndRemove()
        await taker.until { taker.connected.isEmpty }
        let again = try TestNode("holder") { $0.listenPort = port }
        try await again.hold(blob)
        await taker.untilConnected(to: again.name)
        #expect(try await taker.pull(blob) == blob.bytes)
        await taker.stopAndRemove()
        await again.stopAndRemove()
    }

    @Test("a node of another cluster, of another version or of this node's own name is no peer")
    func strangers() async throws {
        let node = try TestNode("node") { $0.cluster = "here" }
        let hellos: [(Hello, Goodbye)] = try [
            (hello("x", cluster: "there"), .notAPeer),
            (hello("x", cluster: ""), .notAPeer),
            (hello("node", cluster: "here"), .notAPeer),
            (hello("x", cluster: "here", version: 2), .version),
        ]
        for (hello, goodbye) in hellos {
            let peer = try RawPeer("x")
            try await peer.connect(to: node.port, greet: false)
            peer.write(PeerCodec.encode(hello))
            await peer.untilClosed()
            #expect(peer.heard.last == .goodbye(goodbye))
        }
        #expect(node.swarm.status.peers.isEmpty)
        await node.stopAndRemove()
    }

    private func hello(_ name: String, cluster: String, version: UInt32 = 1) throws -> Hello {
        let name = try #require(PeerName(name))
        return Hello(version: version, node: name, cluster: cluster, takesZstd: false, requestsMax: 1)
    }

    @Test("a node does not dial itself for ever")
    func itself() async throws {
        let probe = try TestNode("probe")
        let port = probe.port
        await probe.stopAndRemove()
        let node = try TestNode("node", peers: [port]) { $0.listenPort = port }
        await node.until { node.disconnects().count >= 2 }
        await Pause.millis(600)
        #expect(node.disconnects().count == 2)
        #expect(node.swarm.status.peers.isEmpty && node.swarm.status.unreached.isEmpty)
        await node.stopAndRemove()
    }

    @Test("who does not say Hello in time is sent away")
    func silent() async throws {
        let node = try TestNode("node") { $0.helloMillis = 100 }
        let peer = try RawPeer("x")
        try await peer.connect(to: node.port, greet: false)
        await peer.untilClosed()
        #expect(node.disconnects() == [.noHello])
        await node.stopAndRemove()
    }

    @Test(
        "who begins with anything but Hello is sent away",
        arguments: [
            [0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0],
            [1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
            [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0],
            Array("GET /v2/ HTTP/1.1\r\n\r\n".utf8),
            PeerCodec.encode(.cancel(request: 1)),
            PeerCodec.encodePing(),
        ]
    )
    func notHello(bytes: [UInt8]) async throws {
        let node = try TestNode("node") { $0.helloMillis = 2_000 }
        let peer = try RawPeer("x")
        try await peer.connect(to: node.port, greet: false)
        peer.write(bytes + [UInt8](repeating: 0, count: 1024))
        await peer.untilClosed()
        #expect(node.swarm.status.peers.isEmpty)
        await node.stopAndRemove()
    }

    @Test("a node that has enough connections says that it is busy")
    func busy() async throws {
        let node = try TestNode("node") { $0.connectionsMax = 1 }
        let first = try RawPeer("first")
        try await first.connect(to: node.port)
        await node.untilConnected(to: first.name)
        let second = try RawPeer("second")
        try await second.connect(to: node.port)
        await second.untilClosed()
        #expect(second.heard == [.goodbye(.busy)])
        #expect(node.connected == [first.name])
        first.close()
        await node.stopAndRemove()
    }

    @Test("a peer that answers pings stays, one that does not is given up")
    func pings() async throws {
        let node = try TestNode("node") {
            $0.quietMillis = 100
            $0.silentMillis = 1_000
        }
        let live = try RawPeer("live")
        let dead = try RawPeer("dead")
        dead.answersPings = false
        try await live.connect(to: node.port)
        try await dead.connect(to: node.port)
        await node.untilConnected(to: live.name, dead.name)
        await dead.untilClosed()
        #expect(node.connected == [live.name])
        #expect(node.disconnects() == [.silent])
        #expect(live.heard.contains(.ping))
        live.close()
        await node.stopAndRemove()
    }

    @Test("an answer overtakes the pieces that wait to be sent")
    func overtakes() async throws {
        let blob = SwarmTests.twentyMegabytes
        let node = try TestNode("node")
        try await node.hold(blob)
        let peer = try RawPeer("peer")
        try await peer.connect(to: node.port)
        await node.untilConnected(to: peer.name)
        peer.stopListening()
        for number in 1...8 {
            peer.write(.request(request: UInt32(number), blob: blob.digest, piece: UInt32(number)))
        }
        // Long enough that the node has begun to send what the connection takes.
        await Pause.millis(200)
        peer.write(PeerCodec.encodePing())
        await Pause.millis(100)
        peer.listen()
        while peer.heard.lazy.filter(Self.isPiece).count < 8 { await Pause.millis(5) }
        let pong = try #require(peer.heard.firstIndex(of: .pong))
        let last = try #require(peer.heard.lastIndex(where: Self.isPiece))
        #expect(pong < last)
        peer.close()
        await node.stopAndRemove()
    }

    private static func isPiece(_ frame: PeerFrame) -> Bool {
        if case .piece = frame { true } else { false }
    }

    @Test("a new connection of a peer replaces the one it made before")
    func replaced() async throws {
        let node = try TestNode("node")
        let old = try RawPeer("peer")
        try await old.connect(to: node.port)
        await node.untilConnected(to: old.name)
        let new = try RawPeer("peer")
        try await new.connect(to: node.port)
        await old.untilClosed()
        #expect(old.heard.last == .goodbye(.duplicate))
        await node.untilConnected(to: new.name)
        #expect(!new.isClosed)
        new.close()
        await node.stopAndRemove()
    }

    @Test("no more requests are outstanding at a peer than it said it takes")
    func credit() async throws {
        let blob = Blob.random(1_000_000, seed: 3)
        let node = try TestNode("node")
        let peer = try RawPeer("peer")
        var asked: [(number: UInt32, piece: UInt32)] = []
        var most = 0
        peer.answer = { peer, frame in
            if RawPeer.interest(frame) == blob.digest { peer.offer(blob) }
            guard let request = RawPeer.request(frame) else { return }
            asked.append(request)
            most = max(most, asked.count)
            guard asked.count == 2 else { return }
            let timer = LoopTimer()
            timer.start(after: 2) {
                timer.stop()
                for request in asked {
                    guard let piece = blob.layout.piece(request.piece) else { continue }
                    peer.give(blob.bytes(of: piece), for: request.number)
                }
                asked = []
            }
        }
        try await peer.connect(to: node.port, greet: false)
        peer.write(
            PeerCodec.encode(Hello(node: peer.name, cluster: "", takesZstd: false, requestsMax: 2))
        )
        await node.untilConnected(to: peer.name)
        #expect(try await node.pull(blob) == blob.bytes)
        #expect(most == 2)
        await node.stopAndRemove()
    }
}
