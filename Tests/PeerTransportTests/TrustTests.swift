import EventLoop
import OCIModel
import PeerTransport
import PieceModel
import TLS
import TestSupport
import Testing
import Wire

/// Who is let in, and what is given to those who are not: nothing.
@Suite("peers that know each other", .serialized, .timeLimit(.minutes(1))) @LoopActor
struct TrustTests {
    nonisolated static let blob = Blob.random(3_000_000, seed: 21)
    private let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    private func node(
        _ name: String, _ context: TLSContext? = nil, peers: [UInt16] = [],
        _ change: (inout SwarmOptions) -> Void = { _ in }
    ) throws -> TestNode {
        let context = try context ?? authority.context(name)
        return try TestNode(name, peers: peers) { options in
            options.trust = context
            change(&options)
        }
    }

    @Test("nodes of one authority exchange blobs, and say with whose certificates")
    func exchange() async throws {
        let holder = try node("holder")
        try await holder.hold(Self.blob)
        let taker = try node("taker", peers: [holder.port])
        await taker.untilConnected(to: holder.name)
        #expect(try await taker.pull(Self.blob) == Self.blob.bytes)
        #expect(taker.swarm.status.peers.first?.certificate?.hosts == ["holder"])
        #expect(holder.swarm.status.peers.first?.certificate?.hosts == ["taker"])
        await taker.stopAndRemove()
        await holder.stopAndRemove()
    }

    @Test("who is connected is not greeted again by being dialled, so that nothing on its way is lost")
    func dialledAgain() async throws {
        let (first, second) = (try node("a"), try node("b"))
        second.dial(first.port)
        await second.untilConnected(to: first.name)
        // Dialled by the smaller name, it would take the other's place.
        first.dial(second.port)
        await first.until { first.swarm.status.peers.first?.endpoints.count == 1 }
        #expect(first.swarm.status.peers.map(\.state) == [.connected(outbound: false)])
        #expect(second.swarm.status.peers.map(\.state) == [.connected(outbound: true)])
        #expect(first.disconnects().isEmpty)
        await first.stopAndRemove()
        await second.stopAndRemove()
    }

    /// How a node is not one of the cluster's, and what it is refused for.
    private func strangers() throws -> [(how: String, node: TestNode, reason: String)] {
        let other = try TestAuthority()
        func stranger(_ how: String, _ name: String, _ context: TLSContext, _ reason: String) throws
            -> (String, TestNode, String)
        {
            (how, try node(name, context), reason)
        }
        return [
            try stranger(
                "another authority's", "x", try other.context("x", others: [authority]),
                "unable to get local issuer certificate"),
            try stranger(
                "expired", "x", try authority.context("x", CertificateMaker.Life(start: -3_600, end: -60)),
                "certificate has expired"),
            try stranger(
                "not valid yet", "x", try authority.context("x", CertificateMaker.Life(start: 3_600, end: 7_200)),
                "certificate is not yet valid"),
            try stranger("another node's", "x", try authority.context("y"), "it says that it is x"),
            try stranger(
                "good elsewhere", "x", try authority.context("x", addresses: ["10.9.9.9"]), "for other addresses"),
        ]
    }

    @Test("a node whose certificate is not good gets nothing, neither by dialling nor by being dialled")
    func strangersGetNothing() async throws {
        let holder = try node("holder")
        try await holder.hold(Self.blob)
        for (how, stranger, reason) in try strangers() {
            let before = holder.refusals.count
            stranger.dial(holder.port)
            await holder.until { holder.refusals.count > before }
            let refusal = try #require(holder.refusals.last)
            #expect(refusal.contains(reason), "\(how): \(refusal)")

            let seeker = try node("seeker", peers: [stranger.port])
            await seeker.until { !seeker.refusals.isEmpty }
            let seen = try #require(seeker.refusals.last)
            #expect(seen.contains(reason), "\(how): \(seen)")
            #expect(seeker.connected.isEmpty && holder.connected.isEmpty, "\(how)")
            // Whom the other side's first words reach may take them for a welcome, until it is sent away.
            await stranger.until { stranger.connected.isEmpty }
            await seeker.stopAndRemove()
            await stranger.stopAndRemove()
        }
        #expect(holder.swarm.status.sent.wireBytes == 0)
        await holder.stopAndRemove()
    }

    @Test("a certificate that lists this address is good from it")
    func goodHere() async throws {
        let holder = try node("holder")
        let taker = try node(
            "taker", try authority.context("taker", addresses: ["10.9.9.9", "127.0.0.1"]), peers: [holder.port])
        await taker.untilConnected(to: holder.name)
        await taker.stopAndRemove()
        await holder.stopAndRemove()
    }

    @Test("who says this node's own name is sent away, also with a certificate for it")
    func ownName() async throws {
        let node = try node("node")
        let twin = try self.node("node", peers: [node.port])
        // It says its name first, and the twin knows it for its own.
        await node.until { node.disconnects().contains { $0 == .closedByPeer(.notAPeer) } }
        #expect(node.connected.isEmpty && twin.connected.isEmpty)
        await twin.stopAndRemove()
        await node.stopAndRemove()
    }

    @Test(
        "clients that are no nodes at all are sent away before a frame is read",
        arguments: [
            ("without a certificate", ["-tls1_3"], "no certificate was shown"),
            ("with TLS 1.2", ["-tls1_2"], "only 1.3"),
        ])
    func otherClients(how: String, options: [String], reason: String) async throws {
        let node = try node("node")
        let command = ["openssl", "s_client", "-connect", "127.0.0.1:\(node.port)"] + options
        _ = try await ChildProcess.run(command, within: 20)
        await node.until { !node.refusals.isEmpty }
        #expect(try #require(node.refusals.last).contains(reason), "\(how)")
        await node.stopAndRemove()
    }

    @Test("plaintext is not understood where TLS is spoken, nor TLS where plaintext is")
    func kindsMixed() async throws {
        let node = try node("node")
        let plain = try TestNode("plain", peers: [node.port])
        await node.until { node.refusals.contains { $0.contains("is not TLS") } }
        node.dial(plain.port)
        await node.until { node.refusals.contains { $0.contains("does it speak plaintext") } }
        #expect(node.connected.isEmpty && plain.connected.isEmpty)
        await plain.stopAndRemove()
        await node.stopAndRemove()
    }

    @Test("connections that never finish a handshake are bounded, ended, and keep nobody else out")
    func flood() async throws {
        let node = try node("node") { $0.handshakeMillis = 1_500 }
        let early = try dialler("early", node.port)
        await node.untilConnected(to: early.name)
        var silent: [RawPeer] = []
        for number in 0..<200 {
            let peer = try RawPeer("s\(number)")
            try await peer.connect(to: node.port, greet: false)
            silent.append(peer)
        }
        await node.until { node.refusals.contains("too many handshakes at once") }
        let most = SwarmOptions(name: node.name).handshakesPerHostMax
        await node.until { silent.count { !$0.isClosed } <= most }
        // What is connected goes on, what this node dials comes through, and once the silent ones are gone anybody.
        try await early.hold(Self.blob)
        #expect(try await node.pull(Self.blob) == Self.blob.bytes)
        for peer in silent { await peer.untilClosed() }
        let late = try dialler("late", node.port)
        await node.untilConnected(to: late.name)
        for other in [early, late, node] { await other.stopAndRemove() }
    }

    private func dialler(_ name: String, _ port: UInt16) throws -> TestNode { try node(name, peers: [port]) }

    @Test("authorities are changed one node after the other while blobs are pulled")
    func rotation() async throws {
        let next = try TestAuthority()
        let holder = try node("holder")
        // A connection that has to be made anew leaves a pull to the registry for a moment.
        let origin = TestOrigin()
        let first = try authority.context("taker")
        let taker = try TestNode("taker", origin: origin, peers: [holder.port]) { $0.trust = first }
        await taker.untilConnected(to: holder.name)
        // First both trust both, then each shows the new one's, then the old one is trusted no more.
        let steps: [[(TestNode, TLSContext)]] = [
            [
                (holder, try authority.context("holder", others: [next])),
                (taker, try authority.context("taker", others: [next])),
            ],
            [
                (holder, try next.context("holder", others: [authority])),
                (taker, try next.context("taker", others: [authority])),
            ],
            [(holder, try next.context("holder")), (taker, try next.context("taker"))],
        ]
        var seed: UInt64 = 100
        for (node, context) in steps.flatMap(\.self) {
            seed += 1
            let blob = Blob.random(6_000_000, seed: seed)
            try await holder.hold(blob)
            origin.add(blob)
            async let pull = taker.pull(blob, fromOrigin: true)
            node.swarm.trust(context)
            #expect(try await pull == blob.bytes)
            await taker.untilConnected(to: holder.name)
        }
        let last = Blob.random(1_000_000, seed: seed + 1)
        try await holder.hold(last)
        #expect(try await taker.pull(last) == last.bytes)
        let old = try node("old", peers: [holder.port])
        await holder.until { !holder.refusals.isEmpty }
        #expect(old.connected.isEmpty)
        for node in [old, taker, holder] { await node.stopAndRemove() }
    }

    @Test("a peer whose certificate expires is connected to no longer")
    func expires() async throws {
        let holder = try node("holder")
        let short = try authority.context("taker", CertificateMaker.Life(start: -60, end: 3))
        let taker = try node("taker", short, peers: [holder.port])
        await taker.untilConnected(to: holder.name)
        await holder.until { holder.disconnects().contains(.distrusted) }
        await holder.until { holder.refusals.contains { $0.contains("has expired") } }
        await taker.stopAndRemove()
        await holder.stopAndRemove()
    }
}

extension TestNode {
    /// Why somebody was refused, oldest first.
    var refusals: [String] {
        events.compactMap { if case .strangerRefused(_, let refusal) = $0 { refusal.description } else { nil } }
    }

    func dial(_ port: UInt16) {
        swarm.dialOnly([PeerEndpoint(host: "127.0.0.1", port: port)].compactMap(\.self))
    }
}
