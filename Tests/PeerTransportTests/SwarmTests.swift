import ContentStore
import EventLoop
import OCIModel
import PeerTransport
import PieceExchange
import PieceModel
import Testing

@Suite(.serialized, .timeLimit(.minutes(1))) @LoopActor
struct SwarmTests {
    static let twentyMegabytes = Blob.random(20_000_000, seed: 20)

    @Test("a node takes a blob of 20 MB from its peer, and nothing from the registry")
    func fromPeer() async throws {
        let blob = Self.twentyMegabytes
        let holder = try TestNode("holder")
        try await holder.hold(blob)
        let taker = try TestNode("taker", peers: [holder.port])
        await taker.untilConnected(to: holder.name)
        #expect(try await taker.pull(blob, fromOrigin: true) == blob.bytes)
        #expect(taker.store.blob(blob.digest)?.bytes == blob.count)
        #expect(taker.origin.bytesGiven == 0)
        #expect(taker.swarm.status.received.rawBytes == blob.count)
        #expect(holder.swarm.status.sent.rawBytes == blob.count)
        await taker.stopAndRemove()
        await holder.stopAndRemove()
    }

    @Test("two holders share the work")
    func fromTwo() async throws {
        let blob = Self.twentyMegabytes
        let first = try TestNode("first")
        let second = try TestNode("second")
        try await first.hold(blob)
        try await second.hold(blob)
        let taker = try TestNode("taker", peers: [first.port, second.port])
        await taker.untilConnected(to: first.name, second.name)
        let download = try await taker.swarm.download(blob.digest, bytes: blob.count, source: nil)
        #expect(try await taker.read(download) == blob.bytes)
        let shares = download.sources.peerBytes
        #expect(shares.values.reduce(0, +) == blob.count)
        #expect(shares.values.allSatisfy { $0 > blob.count / 10 } && shares.count == 2)
        download.release()
        for node in [taker, first, second] { await node.stopAndRemove() }
    }

    @Test("a node that reads from the registry passes pieces on while they come")
    func passedOn() async throws {
        let blob = Blob.random(4_000_000, seed: 4)
        let origin = TestOrigin()
        origin.add(blob)
        origin.chunkMillis = 5
        let first = try TestNode("first", origin: origin)
        let second = try TestNode("second", peers: [first.port])
        await second.untilConnected(to: first.name)
        let reading = try await first.swarm.download(blob.digest, bytes: blob.count, source: TestNode.source)
        _ = try await first.read(reading, until: 1)
        #expect(try await second.pull(blob) == blob.bytes)
        #expect(try await first.read(reading) == blob.bytes)
        #expect(origin.bytesGiven == blob.count)
        reading.release()
        await second.stopAndRemove()
        await first.stopAndRemove()
    }

    @Test("three nodes read the registry's bytes once when one of them is first")
    func originOnce() async throws {
        let blob = Blob.random(6_000_000, seed: 6)
        let origin = TestOrigin()
        origin.add(blob)
        let first = try TestNode("first", origin: origin)
        let second = try TestNode("second", origin: origin, peers: [first.port])
        let third = try TestNode("third", origin: origin, peers: [first.port, second.port])
        await third.untilConnected(to: first.name, second.name)
        await second.untilConnected(to: first.name)
        #expect(try await first.pull(blob, fromOrigin: true) == blob.bytes)
        async let two = second.pull(blob, fromOrigin: true)
        async let three = third.pull(blob, fromOrigin: true)
        #expect(try await two == blob.bytes)
        #expect(try await three == blob.bytes)
        #expect(origin.bytesGiven == blob.count)
        for node in [third, second, first] { await node.stopAndRemove() }
    }

    @Test("a reader gets the blob's bytes when the store gets the blob by another way meanwhile")
    func committedMeanwhile() async throws {
        let blob = Blob.random(300_000, seed: 3)
        let origin = TestOrigin()
        origin.add(blob)
        origin.isHeld = true
        let node = try TestNode("node", origin: origin)
        let download = try await node.swarm.download(blob.digest, bytes: blob.count, source: TestNode.source)
        let store = node.store
        let committed = await Loop.offload { Result { try store.commitSmall(blob.digest, bytes: blob.bytes) } }
        try committed.get()
        node.swarm.blobCommitted(blob.digest)
        origin.isHeld = false
        #expect(try await node.read(download) == blob.bytes)
        download.release()
        await node.stopAndRemove()
    }

    @Test("readers of one blob share one download")
    func coalesced() async throws {
        let blob = Blob.random(2_000_000, seed: 2)
        let origin = TestOrigin()
        origin.add(blob)
        let node = try TestNode("node", origin: origin)
        async let one = node.pull(blob, fromOrigin: true)
        async let two = node.pull(blob, fromOrigin: true)
        async let three = node.pull(blob, fromOrigin: true)
        #expect(try await [one, two, three].allSatisfy { $0 == blob.bytes })
        #expect(origin.bytesGiven == blob.count)
        await node.stopAndRemove()
    }

    @Test("a reader that may ask the registry helps one that may not")
    func sourceComesLater() async throws {
        let blob = Blob.random(500_000, seed: 5)
        let origin = TestOrigin()
        origin.add(blob)
        let node = try TestNode("node", origin: origin) {
            $0.exchange.patienceMillis = 60_000
            $0.exchange.pieceDeadlineMillis = 500
        }
        // It has the blob but never gives a piece.
        let miser = try RawPeer("miser")
        miser.answer = { peer, frame in
            if RawPeer.interest(frame) == blob.digest { peer.offer(blob) }
        }
        try await miser.connect(to: node.port)
        await node.untilConnected(to: miser.name)
        async let without = node.pull(blob)
        await node.until { !node.swarm.status.downloads.isEmpty }
        #expect(try await node.pull(blob, fromOrigin: true) == blob.bytes)
        #expect(try await without == blob.bytes)
        await node.stopAndRemove()
    }

    @Test("the last piece is withheld until the whole blob matched")
    func lastPiece() async throws {
        let blob = Blob.random(300_000, seed: 3)
        let origin = TestOrigin()
        origin.add(blob)
        let node = try TestNode("node", origin: origin)
        let download = try await node.swarm.download(blob.digest, bytes: blob.count, source: TestNode.source)
        var end: Int64 = 0
        let lastPiece = blob.layout.start(of: try #require(blob.layout.piece(4)))
        while !download.isComplete {
            let next = download.contiguousEnd(from: 0)
            // All of it may be there a moment before the download counts as complete: its commit takes time.
            #expect(next >= end && (next <= lastPiece || next == blob.count))
            end = next
            await Pause.millis(1)
        }
        #expect(download.contiguousEnd(from: 0) == blob.count)
        #expect(download.contiguousEnd(from: 299_999) == blob.count)
        #expect(node.store.blob(blob.digest) != nil)
        download.release()
        await node.stopAndRemove()
    }

    @Test("pieces that compress travel compressed if there is time for it, those that do not travel as they are")
    func compression() async throws {
        let text = Blob.text(3_000_000)
        let noise = Blob.random(3_000_000, seed: 33)
        let holder = try TestNode("holder")
        try await holder.hold(text)
        try await holder.hold(noise)
        let taker = try TestNode("taker", peers: [holder.port])
        await taker.untilConnected(to: holder.name)
        #expect(try await taker.pull(text) == text.bytes)
        let afterText = taker.swarm.status.received
        #expect(afterText.rawBytes == text.count)
        // The first always does, the others unless the loopback would have to wait for it.
        #expect(afterText.compressedBytes >= 65_536)
        #expect(afterText.rawBytes - afterText.wireBytes > afterText.compressedBytes * 4 / 5)
        #expect(try await taker.pull(noise) == noise.bytes)
        let wire = taker.swarm.status.received.wireBytes - afterText.wireBytes
        #expect(wire == noise.count)
        #expect(taker.swarm.status.received.compressedBytes == afterText.compressedBytes)
        #expect(holder.swarm.status.sent == taker.swarm.status.received)
        let plain = try TestNode("plain", peers: [holder.port]) { $0.compression = false }
        await plain.untilConnected(to: holder.name)
        #expect(try await plain.pull(text) == text.bytes)
        #expect(plain.swarm.status.received.wireBytes == text.count)
        for node in [plain, taker, holder] { await node.stopAndRemove() }
    }

    @Test("what came before a stop is not fetched again")
    func resume() async throws {
        let blob = Blob.random(4_000_000, seed: 44)
        let origin = TestOrigin()
        origin.add(blob)
        origin.chunkMillis = 2
        let before = try TestNode("node", origin: origin)
        let download = try await before.swarm.download(
            blob.digest,
            bytes: blob.count,
            source: TestNode.source
        )
        _ = try await before.read(download, until: 1_500_000)
        let rest = Task { @LoopActor in try await before.read(download) }
        await before.stop()
        await #expect(throws: DownloadFailure.stopping) { try await rest.value }
        let given = origin.bytesGiven
        #expect(given < blob.count)
        let after = try TestNode("node", origin: origin, folder: before.folder)
        let resumed = try await after.swarm.download(blob.digest, bytes: blob.count, source: TestNode.source)
        #expect(resumed.sources.resumedBytes >= 1_500_000)
        #expect(try await after.read(resumed) == blob.bytes)
        #expect(resumed.sources.originBytes + resumed.sources.resumedBytes == blob.count)
        resumed.release()
        await after.stopAndRemove()
    }

    @Test("a download that nobody wants any more ends and can be taken up again")
    func abandoned() async throws {
        let blob = Blob.random(2_000_000, seed: 22)
        let origin = TestOrigin()
        origin.add(blob)
        origin.chunkMillis = 5
        let node = try TestNode("node", origin: origin) { $0.lingerMillis = 10 }
        let download = try await node.swarm.download(blob.digest, bytes: blob.count, source: TestNode.source)
        _ = try await node.read(download, until: 1)
        download.release()
        await node.until { node.swarm.status.downloads.isEmpty }
        #expect(node.store.blob(blob.digest) == nil)
        #expect(try await node.pull(blob, fromOrigin: true) == blob.bytes)
        await node.stopAndRemove()
    }

    @Test("peers tell the size of a blob; nobody is asked for ever")
    func locate() async throws {
        let blob = Blob.random(700_000, seed: 7)
        let holder = try TestNode("holder")
        try await holder.hold(blob)
        let other = try TestNode("other")
        let asker = try TestNode("asker", peers: [holder.port, other.port])
        await asker.untilConnected(to: holder.name, other.name)
        #expect(await asker.swarm.locate(blob.digest)?.bytes == blob.count)
        #expect(await asker.swarm.locate(Blob.random(10, seed: 1).digest) == nil)
        #expect(await holder.swarm.locate(blob.digest)?.bytes == blob.count)
        #expect(try await asker.pull(blob) == blob.bytes)
        for node in [asker, other, holder] { await node.stopAndRemove() }
    }

    @Test("a download that cannot be had fails with the reason")
    func failures() async throws {
        let blob = Blob.random(200_000, seed: 8)
        let node = try TestNode("node", quotaBytes: 1_000_000)
        await #expect(throws: DownloadFailure.noSource) { try await node.pull(blob) }
        node.origin.refuses = true
        await #expect(throws: DownloadFailure.originRefused) { try await node.pull(blob, fromOrigin: true) }
        await #expect(throws: DownloadFailure.badSize) {
            try await node.swarm.download(blob.digest, bytes: 0, source: nil)
        }
        do {
            _ = try await node.swarm.download(blob.digest, bytes: 2_000_000, source: nil)
            Issue.record("a blob beyond the quota was accepted")
        } catch {
            guard case .storeFailed = error else { throw error }
        }
        node.origin.refuses = false
        node.origin.add(blob)
        node.origin.breaks = 1
        #expect(try await node.pull(blob, fromOrigin: true) == blob.bytes)
        await node.stopAndRemove()
    }

    @Test("a registry whose bytes are another blob's ends in wrong content, and nothing is committed")
    func wrongOrigin() async throws {
        let blob = Blob.random(200_000, seed: 9)
        let other = Blob.random(200_000, seed: 10)
        let origin = TestOrigin()
        origin.add(other, as: blob.digest)
        let node = try TestNode("node", origin: origin)
        await #expect(throws: DownloadFailure.self) { try await node.pull(blob, fromOrigin: true) }
        #expect(node.store.blob(blob.digest) == nil)
        await node.stopAndRemove()
    }
}
