import EventLoop
import OCIModel
import PeerTransport
import PieceExchange
import PieceModel
import Testing
import Wire

/// What a peer may do wrong while a node gets a blob: the bytes are right in the end, and it does end.
@Suite(.serialized, .timeLimit(.minutes(1))) @LoopActor
struct HostilePeerTests {
    nonisolated static let blob = Blob.random(700_000, seed: 99)

    private func node(_ change: (inout SwarmOptions) -> Void = { _ in }) throws -> TestNode {
        let origin = TestOrigin()
        origin.add(Self.blob)
        return try TestNode("node", origin: origin) { options in
            options.exchange.pieceDeadlineMillis = 500
            change(&options)
        }
    }

    /// A peer that offers the whole blob and then does `misdeed` whenever it is asked for a piece; before the
    /// first time the registry gives nothing.
    private func pull(
        from node: TestNode,
        digests: [Digest]? = nil,
        while misdeed: @escaping @LoopActor (RawPeer, _ request: UInt32, _ piece: UInt32) -> Void
    ) async throws -> RawPeer {
        let peer = try RawPeer("liar")
        let origin = node.origin
        origin.isHeld = true
        peer.answer = { peer, frame in
            if RawPeer.interest(frame) == Self.blob.digest {
                peer.offer(Self.blob, digests: digests)
            } else if let request = RawPeer.request(frame) {
                origin.isHeld = false
                misdeed(peer, request.number, request.piece)
            }
        }
        try await peer.connect(to: node.port)
        await node.untilConnected(to: peer.name)
        #expect(try await node.pull(Self.blob, fromOrigin: true) == Self.blob.bytes)
        return peer
    }

    static func bytes(_ piece: UInt32) -> [UInt8] {
        blob.layout.piece(piece).map(blob.bytes(of:)) ?? []
    }

    @Test("a peer that stops in the middle of the blob")
    func stopsAnswering() async throws {
        let node = try node()
        var given = 0
        _ = try await pull(from: node) { peer, request, piece in
            guard given < 5 else { return }
            given += 1
            peer.give(Self.bytes(piece), for: request)
        }
        #expect(given == 5)
        await node.stopAndRemove()
    }

    @Test("a peer that stops in the middle of a piece")
    func stopsInPiece() async throws {
        let node = try node()
        var given = 0
        _ = try await pull(from: node) { peer, request, piece in
            given += 1
            let bytes = Self.bytes(piece)
            if given < 3 { return peer.give(bytes, for: request) }
            guard given == 3 else { return }
            let header = PeerMessage.PieceHeader(
                request: request,
                encoding: .identity,
                payloadBytes: bytes.count
            )
            peer.write(PeerCodec.encode(.piece(header)) + bytes.prefix(1_000))
        }
        await node.stopAndRemove()
    }

    @Test("a peer that hangs up in the middle of a piece")
    func truncated() async throws {
        let node = try node()
        _ = try await pull(from: node) { peer, request, piece in
            let bytes = Self.bytes(piece)
            let header = PeerMessage.PieceHeader(
                request: request,
                encoding: .identity,
                payloadBytes: bytes.count
            )
            peer.write(PeerCodec.encode(.piece(header)) + bytes.prefix(1_000))
            peer.close()
        }
        #expect(node.connected.isEmpty)
        await node.stopAndRemove()
    }

    @Test("a peer that sends other bytes than the piece's is banned")
    func wrongBytes() async throws {
        let node = try node()
        let peer = try await pull(from: node) { peer, request, piece in
            var bytes = Self.bytes(piece)
            bytes[0] ^= 1
            peer.give(bytes, for: request)
        }
        await peer.untilClosed()
        #expect(node.bans() == [.wrongBytes])
        #expect(peer.heard.last == .goodbye(.banned))
        let again = try RawPeer("liar")
        try await again.connect(to: node.port)
        await again.untilClosed()
        #expect(again.heard.last == .goodbye(.banned))
        await node.stopAndRemove()
    }

    @Test(
        "a peer that sends too few bytes, or zstd that unpacks to too many, is banned",
        arguments: [false, true]
    )
    func wrongSize(isZstd: Bool) async throws {
        let node = try node()
        let peer = try await pull(from: node) { peer, request, piece in
            // A zstd frame of one run-length block: 128 KiB of zeros where a piece has 64 KiB.
            let bomb: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0xA0, 0, 0, 2, 0, 0x03, 0, 0x10, 0]
            let payload = isZstd ? bomb : Array(Self.bytes(piece).dropLast())
            let header = PeerMessage.PieceHeader(
                request: request,
                encoding: isZstd ? .zstd : .identity,
                payloadBytes: payload.count
            )
            peer.write(PeerCodec.encode(.piece(header)) + payload)
        }
        await peer.untilClosed()
        // The wrong length shows before anything is unpacked.
        #expect(node.bans() == [isZstd ? .wrongBytes : .protocolViolation])
        await node.stopAndRemove()
    }

    @Test("a peer that forges digests and bytes to fit is found out and banned")
    func forgedDigests() async throws {
        let forged = Blob.random(700_000, seed: 100)
        let node = try node { $0.exchange.pieceDeadlineMillis = 20_000 }
        let peer = try RawPeer("forger")
        peer.answer = { peer, frame in
            if RawPeer.interest(frame) == Self.blob.digest {
                peer.offer(Self.blob, digests: forged.pieceDigests)
            } else if let request = RawPeer.request(frame), let piece = forged.layout.piece(request.piece) {
                peer.give(forged.bytes(of: piece), for: request.number)
            }
        }
        try await peer.connect(to: node.port)
        await node.untilConnected(to: peer.name)
        let download = try await node.swarm.download(
            Self.blob.digest,
            bytes: Self.blob.count,
            source: TestNode.source
        )
        // This one read forged bytes, and must not be given others to go with them.
        await #expect(throws: DownloadFailure.contentChanged) { try await node.read(download) }
        let second = try await node.swarm.download(
            Self.blob.digest,
            bytes: Self.blob.count,
            source: TestNode.source
        )
        #expect(try await node.read(second) == Self.blob.bytes)
        #expect(node.bans() == [.wrongDigests])
        download.release()
        second.release()
        await node.stopAndRemove()
    }

    @Test(
        "a peer that breaks the protocol is banned",
        arguments: [
            [UInt8](repeating: 0xAA, count: 100),
            // 4 GiB of message, of payload, of payload where none may be.
            [255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0],
            [0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 8, 0, 0, 0],
            [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0],
            // A second Hello; an unknown type; a message that is not protobuf.
            PeerCodec.encode(Hello(node: name("liar"), cluster: "", takesZstd: false, requestsMax: 1)),
            Frame(type: 77).encoded,
            Frame(type: 3, message: [0xFF]).encoded,
            // Within the codec's rules, but not the exchange's.
            PeerCodec.encode(.have(.init(blob: blob.digest, pieces: [4_000_000_000], held: 1))),
        ]
    )
    func garbage(bytes: [UInt8]) async throws {
        let node = try node()
        let peer = try await pull(from: node) { peer, _, _ in
            peer.write(bytes)
        }
        await peer.untilClosed()
        #expect(node.bans() == [.protocolViolation])
        #expect(peer.heard.last == .goodbye(.banned))
        await node.stopAndRemove()
    }

    nonisolated static func name(_ text: String) -> PeerName {
        guard let name = PeerName(text) else { preconditionFailure("not a name") }
        return name
    }

    @Test("pieces that nobody asked for are thrown away")
    func unasked() async throws {
        let node = try node()
        _ = try await pull(from: node) { peer, request, piece in
            peer.give(Self.bytes(piece), for: request &+ 1_000_000)
            peer.give(Self.bytes(piece), for: request)
            peer.give(Self.bytes(piece), for: request)
        }
        await node.stopAndRemove()
    }

    @Test("a peer that says it is always busy")
    func busy() async throws {
        let node = try node()
        _ = try await pull(from: node) { peer, request, _ in
            peer.write(.refuse(request: request, reason: .busy, retryAfterMillis: .max))
        }
        #expect(node.bans().isEmpty)
        await node.stopAndRemove()
    }

    @Test("a peer that asks on and on without listening is given up before its answers fill the memory")
    func asksWithoutListening() async throws {
        let blob = SwarmTests.twentyMegabytes
        let node = try TestNode("node") {
            $0.queuedBytesMax = 1 << 20
            $0.stallMillis = 600_000
        }
        try await node.hold(blob)
        let peer = try RawPeer("peer")
        try await peer.connect(to: node.port)
        await node.untilConnected(to: peer.name)
        peer.stopListening()
        while node.disconnects().isEmpty {
            for _ in 0..<100 { peer.write(.interest(blob: blob.digest)) }
            await Pause.millis(5)
        }
        #expect(node.disconnects() == [.stalled])
        peer.close()
        await node.stopAndRemove()
    }

    @Test("a peer that offers a blob of another size is passed over")
    func otherSize() async throws {
        let node = try node()
        let peer = try RawPeer("liar")
        peer.answer = { peer, frame in
            guard RawPeer.interest(frame) == Self.blob.digest else { return }
            let held = PeerMessage.Holdings(blobBytes: 5, complete: true, bits: [])
            peer.write(.holdings(blob: Self.blob.digest, held: held))
        }
        try await peer.connect(to: node.port)
        await node.untilConnected(to: peer.name)
        #expect(try await node.pull(Self.blob, fromOrigin: true) == Self.blob.bytes)
        await node.stopAndRemove()
    }
}
