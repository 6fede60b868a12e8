import ContentStore
import EventLoop
import Hashing
import OCIModel
import PeerTransport
import PieceExchange
import PieceModel
import Testing

/// Pieces that are checked as links of the blob's chain instead of by their own digests.
@Suite("a blob whose chain is told", .serialized, .timeLimit(.minutes(1))) @LoopActor
struct ChainTests {
    private static let blob = Blob.random(5_000_000, seed: 55)
    private static let other = Blob.random(5_000_000, seed: 56)

    /// A node, and a peer that answers requests by `give` after it offered the blob with `chain`.
    private func node(
        offeredBy peer: RawPeer, digests: [Digest]? = nil, chain: [Digest] = blob.chain,
        origin: TestOrigin = TestOrigin(), upTo end: Int = .max, give: @escaping @LoopActor (PieceIndex) -> [UInt8]
    ) async throws -> TestNode {
        let node = try TestNode("node", origin: origin)
        peer.answer = { peer, frame in
            if RawPeer.interest(frame) == Self.blob.digest {
                peer.offer(Self.blob, digests: digests, chain: chain)
            } else if let request = RawPeer.request(frame), let piece = Self.blob.layout.piece(request.piece) {
                if piece.value < end { peer.give(give(piece), for: request.number) }
            }
        }
        try await peer.connect(to: node.port)
        await node.untilConnected(to: peer.name)
        return node
    }

    @Test("from a node that has all of it the pieces' own digests are not made, until another node asks")
    func wholeAndThenOn() async throws {
        let holder = try TestNode("holder")
        try await holder.hold(Self.blob)
        let taker = try TestNode("taker", peers: [holder.port])
        await taker.untilConnected(to: holder.name)
        #expect(try await taker.pull(Self.blob) == Self.blob.bytes)
        await taker.until { taker.store.isCommitted(Self.blob.digest) }
        #expect(taker.store.pieceDigests(Self.blob.digest) == nil)
        #expect(taker.store.chainStates(Self.blob.digest) == Self.blob.chain)
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

    @Test("the chain of another blob, or of none, costs nothing but the saving", arguments: [0, 1, 2, 3])
    func wrongChain(kind: Int) async throws {
        let peer = try RawPeer("muddled")
        let wrong = [
            Self.other.chain, Array(Self.other.chain.dropLast()) + [Self.blob.digest],
            Array(Self.blob.chain[..<40]) + Self.other.chain[40...].dropLast() + [Self.blob.digest],
            [Digest](repeating: Self.blob.digest, count: Self.blob.layout.pieceCount),
        ]
        let node = try await node(offeredBy: peer, chain: wrong[kind]) { Self.blob.bytes(of: $0) }
        #expect(try await node.pull(Self.blob) == Self.blob.bytes)
        #expect(node.bans() == [])
        #expect(node.store.chainStates(Self.blob.digest) == Self.blob.chain)
        await node.stopAndRemove()
    }

    @Test("forged digests beside a true chain are not passed on to a node that listens later, and found then")
    func forgedDigests() async throws {
        let peer = try RawPeer("forger")
        let half = Self.blob.layout.pieceCount / 2
        let origin = TestOrigin()
        origin.add(Self.blob)
        let node = try await node(
            offeredBy: peer, digests: Self.other.pieceDigests, origin: origin, upTo: half
        ) { Self.blob.bytes(of: $0) }
        let download = try await node.swarm.download(Self.blob.digest, bytes: Self.blob.count, source: nil)
        _ = try await node.read(download, until: Int64(half * Self.blob.layout.pieceBytes))
        let listener = try TestNode("listener", origin: origin, peers: [node.port])
        await listener.untilConnected(to: node.name)
        #expect(try await listener.pull(Self.blob, fromOrigin: true) == Self.blob.bytes)
        #expect(listener.bans() == [])
        #expect(node.bans() == [.wrongBytes])
        download.release()
        for node in [listener, node] { await node.stopAndRemove() }
    }

    @Test("forged bytes with digests and a chain to fit them are found, and their sender is banned")
    func forgedBytes() async throws {
        let liar = try RawPeer("liar")
        let victim = 20
        var forged = Self.blob.bytes(of: try #require(Self.blob.layout.piece(victim)))
        forged[5] ^= 1
        var digests = Self.blob.pieceDigests
        digests[victim] = SHA256Hasher.hash(forged)
        var chain = Self.blob.chain
        var hash = SHA256Chain(
            after: chain[victim - 1], byteCount: Int64(victim * Self.blob.layout.pieceBytes))
        forged.withUnsafeBytes { hash.update($0) }
        chain[victim] = hash.state
        let origin = TestOrigin()
        origin.add(Self.blob)
        let bytes = forged
        let node = try await node(offeredBy: liar, digests: digests, chain: chain, origin: origin) { piece in
            piece.value == victim ? bytes : Self.blob.bytes(of: piece)
        }
        // Who was given the forged bytes is told so, and whoever asks then gets the true ones.
        await #expect(throws: DownloadFailure.contentChanged) { try await node.pull(Self.blob, fromOrigin: true) }
        #expect(try await node.pull(Self.blob, fromOrigin: true) == Self.blob.bytes)
        #expect(!node.bans().isEmpty && node.store.chainStates(Self.blob.digest) == Self.blob.chain)
        await node.stopAndRemove()
    }
}
