import ContentStore
import EventLoop
import OCIModel
import PeerTransport
import PieceExchange
import PieceModel
import Testing

/// Pieces that come in order, checked as part of the whole blob instead of one by one.
@Suite("a blob that comes in order", .serialized, .timeLimit(.minutes(1))) @LoopActor
struct OrderTests {
    private static let blob = Blob.random(5_000_000, seed: 55)
    private static let other = Blob.random(5_000_000, seed: 56)

    /// A node, and a peer that answers requests by `give` after it offered the blob with `prefixes`.
    private func node(
        offeredBy peer: RawPeer, digests: [Digest]? = nil, prefixes: [Digest] = blob.prefixDigests,
        origin: TestOrigin = TestOrigin(), give: @escaping @LoopActor (PieceIndex) -> [UInt8]
    ) async throws -> TestNode {
        let node = try TestNode("node", origin: origin) { $0.checksByOrder = true }
        peer.answer = { peer, frame in
            if RawPeer.interest(frame) == Self.blob.digest {
                peer.offer(Self.blob, digests: digests, prefixes: prefixes)
            } else if let request = RawPeer.request(frame), let piece = Self.blob.layout.piece(request.piece) {
                peer.give(give(piece), for: request.number)
            }
        }
        try await peer.connect(to: node.port)
        await node.untilConnected(to: peer.name)
        return node
    }

    @Test("from a node that has all of it the pieces' own digests are not made, until another node asks")
    func wholeAndThenOn() async throws {
        let holder = try TestNode("holder") { $0.checksByOrder = true }
        try await holder.hold(Self.blob)
        let taker = try TestNode("taker", peers: [holder.port]) { $0.checksByOrder = true }
        await taker.untilConnected(to: holder.name)
        #expect(try await taker.pull(Self.blob) == Self.blob.bytes)
        await taker.until { taker.store.isCommitted(Self.blob.digest) }
        #expect(taker.store.pieceDigests(Self.blob.digest) == nil)
        #expect(taker.store.prefixDigests(Self.blob.digest) == Self.blob.prefixDigests)
        await holder.stopAndRemove()
        let next = try TestNode("next", peers: [taker.port])
        await next.untilConnected(to: taker.name)
        #expect(try await next.pull(Self.blob) == Self.blob.bytes)
        #expect(taker.store.pieceDigests(Self.blob.digest) == Self.blob.pieceDigests)
        for node in [next, taker] { await node.stopAndRemove() }
    }

    @Test("wrong bytes are found although nobody made the piece's own digest")
    func wrongBytes() async throws {
        let peer = try RawPeer("liar")
        let origin = TestOrigin()
        origin.add(Self.blob)
        let node = try await node(offeredBy: peer, origin: origin) { piece in
            var bytes = Self.blob.bytes(of: piece)
            if piece.value == 7 { bytes[9] ^= 1 }
            return bytes
        }
        #expect(try await node.pull(Self.blob, fromOrigin: true) == Self.blob.bytes)
        #expect(node.bans() == [.wrongBytes])
        await node.stopAndRemove()
    }

    @Test("prefixes of another blob, or of none, cost nothing but the saving", arguments: [0, 1, 2])
    func wrongPrefixes(kind: Int) async throws {
        let peer = try RawPeer("muddled")
        let wrong = [
            Self.other.prefixDigests, Array(Self.other.prefixDigests.dropLast()) + [Self.blob.digest],
            Array(Self.blob.prefixDigests[..<40]) + Self.other.prefixDigests[40...],
        ]
        let node = try await node(offeredBy: peer, prefixes: wrong[kind]) { Self.blob.bytes(of: $0) }
        #expect(try await node.pull(Self.blob) == Self.blob.bytes)
        #expect(node.bans() == [])
        await node.stopAndRemove()
    }

    @Test("forged digests beside true prefixes are not passed on to a node that listens later")
    func forgedDigests() async throws {
        let peer = try RawPeer("forger")
        let half = Self.blob.layout.pieceCount / 2
        let node = try TestNode("node") { $0.checksByOrder = true }
        peer.answer = { peer, frame in
            if RawPeer.interest(frame) == Self.blob.digest {
                peer.offer(Self.blob, digests: Self.other.pieceDigests, prefixes: Self.blob.prefixDigests)
            } else if let request = RawPeer.request(frame), let piece = Self.blob.layout.piece(request.piece) {
                if piece.value < half { peer.give(Self.blob.bytes(of: piece), for: request.number) }
            }
        }
        try await peer.connect(to: node.port)
        await node.untilConnected(to: peer.name)
        let download = try await node.swarm.download(Self.blob.digest, bytes: Self.blob.count, source: nil)
        let end = half * Self.blob.layout.pieceBytes
        _ = try await node.read(download, until: Int64(end))
        // Half of it is here, by order alone; the listener is told of it by digests that fit.
        let origin = TestOrigin()
        origin.add(Self.blob)
        let listener = try TestNode("listener", origin: origin, peers: [node.port])
        await listener.untilConnected(to: node.name)
        #expect(try await listener.pull(Self.blob, fromOrigin: true) == Self.blob.bytes)
        #expect(listener.bans() == [])
        #expect(listener.swarm.status.received.rawBytes > 0, "it took what the other had")
        download.release()
        for node in [listener, node] { await node.stopAndRemove() }
    }
}
