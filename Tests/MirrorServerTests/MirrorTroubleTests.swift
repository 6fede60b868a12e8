import EventLoop
import Glibc
import MirrorServer
import OCIModel
import Testing

@Suite struct MirrorTroubleTests {
    @Test("an arriving blob is sent as it becomes readable, and its head only with its first byte")
    func arriving() async throws {
        let mirror = try await TestMirror.start()
        let bytes = testBytes(5 << 20)
        let blob = TestArrival(try TestFile(bytes))
        await mirror.serve(blob)
        let client = try mirror.client()
        try client.get(TestMirror.blobTarget)
        await blob.untilWaiting()
        await blob.deliver(1 << 20..<2 << 20)
        #expect(await blob.waits == 1)
        await blob.deliver(0..<100)
        let head = try client.head()
        #expect(head.status == 200)
        #expect(head["content-length"] == "\(bytes.count)")
        #expect(try client.body(100) == Array(bytes[..<100]))
        await blob.untilWaiting()
        await blob.deliver(100..<1 << 20)
        #expect(try client.body(2 << 20 - 100) == Array(bytes[100..<2 << 20]))
        await blob.untilWaiting()
        await blob.deliver(2 << 20..<5 << 20)
        #expect(try client.body(3 << 20) == Array(bytes[(2 << 20)...]))
        await blob.untilReleased()
        #expect(await blob.releases == 1)
        try client.get("/v2/")
        #expect(try client.response().status == 200)
        await mirror.stop()
    }

    @Test("a range of an arriving blob waits only for its own bytes; HEAD and 416 wait for none")
    func arrivingRange() async throws {
        let mirror = try await TestMirror.start()
        let bytes = testBytes(100_000)
        let client = try mirror.client()
        let head = TestArrival(try TestFile(bytes))
        await mirror.serve(head)
        try client.get(TestMirror.blobTarget, method: "HEAD")
        #expect(try client.response(hasBody: false)["content-length"] == "100000")
        let beyond = TestArrival(try TestFile(bytes))
        await mirror.serve(beyond)
        try client.get(TestMirror.blobTarget, "Range: bytes=100000-")
        #expect(try client.response().status == 416)
        let part = TestArrival(try TestFile(bytes))
        await mirror.serve(part)
        await part.deliver(50_000..<60_000)
        try client.get(TestMirror.blobTarget, "Range: bytes=50000-59999")
        let response = try client.response()
        #expect(response.status == 206)
        #expect(response.body == Array(bytes[50_000..<60_000]))
        #expect(await [head.releases, beyond.releases, part.releases] == [1, 1, 1])
        #expect(await [head.waits, beyond.waits, part.waits] == [0, 0, 0])
        await mirror.stop()
    }

    @Test("a blob that fails before its first byte is 404, so that containerd goes on")
    func failingFirst() async throws {
        let mirror = try await TestMirror.start()
        let blob = TestArrival(try TestFile(testBytes(1000)))
        await mirror.serve(blob)
        let client = try mirror.client()
        try client.get(TestMirror.blobTarget)
        await blob.untilWaiting()
        await blob.fail()
        #expect(try client.response().status == 404)
        #expect(await blob.releases == 1)
        try client.get("/v2/")
        #expect(try client.response().status == 200)
        await mirror.stop()
    }

    @Test("a blob that turns out wrong before its first byte is 404, and says so")
    func wrongFirst() async throws {
        let mirror = try await TestMirror.start()
        let blob = TestArrival(try TestFile(testBytes(1000)))
        await mirror.serve(blob)
        let client = try mirror.client()
        try client.get(TestMirror.blobTarget)
        await blob.untilWaiting()
        await blob.fail(.wrong)
        let answer = try client.response()
        #expect(answer.status == 404)
        #expect(answer.text.contains("DIGEST_INVALID") && answer.text.contains("\(TestMirror.digest)"))
        #expect(await blob.releases == 1)
        await mirror.stop()
    }

    @Test("a blob that fails in the middle ends short with FIN, even when the client has sent more requests")
    func failingLater() async throws {
        let mirror = try await TestMirror.start()
        let bytes = testBytes(1 << 20)
        for isPipelined in [false, true] {
            let blob = TestArrival(try TestFile(bytes))
            await mirror.serve(blob)
            await blob.deliver(0..<300_000)
            let client = try mirror.client()
            try client.get(TestMirror.blobTarget)
            if isPipelined { try client.get("/v2/") }
            #expect(try client.head()["content-length"] == "\(bytes.count)")
            await blob.untilWaiting()
            if isPipelined { try client.get("/v2/") }
            await blob.fail()
            #expect(client.rest() == (Array(bytes[..<300_000]), .fin))
            #expect(await blob.releases == 1)
        }
        #expect(await mirror.counters().cutShort == 2)
        await mirror.stop()
    }

    @Test("a blob of which wrong bytes were sent ends with RST, so that no client goes on from there")
    func takenBack() async throws {
        let mirror = try await TestMirror.start()
        let blob = TestArrival(try TestFile(testBytes(1 << 20)))
        await mirror.serve(blob)
        await blob.deliver(0..<300_000)
        let client = try mirror.client()
        try client.get(TestMirror.blobTarget)
        _ = try client.head()
        await blob.untilWaiting()
        await blob.fail(.wrong)
        #expect(client.rest().1 == .failed(ECONNRESET))
        #expect(await blob.releases == 1)
        await mirror.stop()
    }

    @Test("a file shorter than it was said to be ends short with FIN")
    func truncated() async throws {
        let mirror = try await TestMirror.start { $0.limits.lingerMillis = 50 }
        let bytes = testBytes(100_000)
        try await mirror.serve(TestFile(bytes, claimedBytes: 200_000))
        let client = try mirror.client()
        try client.get(TestMirror.blobTarget)
        #expect(try client.head()["content-length"] == "200000")
        #expect(client.rest() == (bytes, .fin))
        await mirror.stop()
    }

    @Test("a source that stays silent is 404 at the deadline, and its late answer is let go")
    func deadlines() async throws {
        let mirror = try await TestMirror.start {
            $0.limits.manifestMillis = 50
            $0.limits.blobMillis = 50
        }
        let late = TestArrival(try TestFile(testBytes(10)))
        let stuck = TestArrival(try TestFile(testBytes(10)))
        await mirror.serve(late)
        await mirror.silence(.tag(.latest), .digest(TestMirror.digest))
        await mirror.serve(stuck, as: TestMirror.otherDigest)
        let client = try mirror.client()
        try client.get("/v2/a/manifests/latest")
        #expect(try client.response().status == 404)
        try client.get(TestMirror.blobTarget)
        #expect(try client.response().status == 404)
        try client.get("/v2/a/blobs/\(TestMirror.otherDigest)")
        #expect(try client.response().status == 404)
        await late.untilReleased()
        #expect(await [late.releases, stuck.releases] == [1, 1])
        #expect(await mirror.counters().deadlinesMissed == 3)
        await mirror.stop()
    }

    @Test("a source that stalls in the middle is cut with FIN")
    func stalledSource() async throws {
        let mirror = try await TestMirror.start { $0.limits.stallMillis = 100 }
        let bytes = testBytes(1000)
        let blob = TestArrival(try TestFile(bytes))
        await mirror.serve(blob)
        await blob.deliver(0..<10)
        let client = try mirror.client()
        try client.get(TestMirror.blobTarget)
        _ = try client.head()
        #expect(client.rest() == (Array(bytes[..<10]), .fin))
        #expect(await blob.releases == 1)
        await mirror.stop()
    }

    @Test("a client that reads nothing is cut, and the blob let go")
    func slowReader() async throws {
        let mirror = try await TestMirror.start { $0.limits.stallMillis = 200 }
        let blob = TestArrival(try TestFile(zeros: 64 << 20))
        await mirror.serve(blob)
        await blob.deliver(0..<blob.bytes)
        let client = try mirror.client(receiveBytes: 64 << 10)
        try client.get(TestMirror.blobTarget)
        await blob.untilReleased()
        #expect(await mirror.counters().cutShort == 1)
        let (got, _) = client.rest()
        #expect(got.count < 64 << 20)
        await mirror.stop()
    }

    @Test("a client that goes away in the middle lets the blob go")
    func lostClient() async throws {
        let mirror = try await TestMirror.start()
        let blob = TestArrival(try TestFile(zeros: 64 << 20))
        await mirror.serve(blob)
        await blob.deliver(0..<blob.bytes)
        do {
            let client = try mirror.client(receiveBytes: 64 << 10)
            try client.get(TestMirror.blobTarget)
            _ = try client.head()
        }
        await blob.untilReleased()
        #expect(await blob.releases == 1)
        await mirror.stop()
    }

    @Test("a head that trickles and a connection that says nothing are closed")
    func slowHeads() async throws {
        let mirror = try await TestMirror.start {
            $0.limits.headMillis = 100
            $0.limits.idleMillis = 100
        }
        let silent = try mirror.client()
        #expect(silent.rest() == ([], .fin))
        let trickling = try mirror.client()
        try trickling.send("GET /v2/ HT")
        #expect(trickling.rest() == ([], .fin))
        let idle = try mirror.client()
        try idle.get("/v2/")
        _ = try idle.response()
        #expect(idle.rest() == ([], .fin))
        let second = try mirror.client()
        try second.get("/v2/")
        _ = try second.response()
        try second.send("GET")
        #expect(second.rest() == ([], .fin))
        await mirror.stop()
    }

    @Test("connections beyond the limit are closed at once, and room comes back")
    func tooMany() async throws {
        let mirror = try await TestMirror.start { $0.limits.connectionsMax = 2 }
        let kept = [try mirror.client(), try mirror.client()]
        for client in kept {
            try client.get("/v2/")
            _ = try client.response()
        }
        #expect(try mirror.client().rest() == ([], .fin))
        #expect(await mirror.counters().connectionsShed == 1)
        try kept[0].get("/v2/", "Connection: close")
        _ = try kept[0].response()
        #expect(kept[0].rest() == ([], .fin))
        try kept[1].get("/v2/")
        #expect(try kept[1].response().status == 200)
        await mirror.stop()
    }

    @Test("draining closes what is idle, finishes what runs and takes nothing new")
    func drain() async throws {
        let mirror = try await TestMirror.start { $0.limits.lingerMillis = 50 }
        let bytes = testBytes(200_000)
        let blob = TestArrival(try TestFile(bytes))
        await mirror.serve(blob)
        await blob.deliver(0..<1000)
        let idle = try mirror.client()
        try idle.get("/v2/")
        _ = try idle.response()
        let running = try mirror.client()
        try running.get(TestMirror.blobTarget)
        let head = try running.head()
        #expect(head.status == 200)
        let stopped = Task { await mirror.server.stop(drainMillis: 60_000) }
        #expect(idle.rest() == ([], .fin))
        #expect(throws: RawClient.Failure.self) { try mirror.client() }
        await blob.deliver(1000..<200_000)
        #expect(running.rest() == (bytes, .fin))
        await stopped.value
        #expect(await mirror.counters().connections == 0)
    }

    @Test("draining cuts what does not end in time")
    func drainDeadline() async throws {
        let mirror = try await TestMirror.start()
        let bytes = testBytes(2000)
        let blob = TestArrival(try TestFile(bytes))
        await mirror.serve(blob)
        await blob.deliver(0..<1000)
        let client = try mirror.client()
        try client.get(TestMirror.blobTarget)
        _ = try client.head()
        await mirror.server.stop(drainMillis: 50)
        #expect(client.rest() == (Array(bytes[..<1000]), .fin))
        #expect(await blob.releases == 1)
    }
}

extension TestMirror {
    @LoopActor func silence(_ references: ManifestReference...) { source.silent = Set(references) }

    @LoopActor func serve(_ arrival: TestArrival, as digest: Digest) {
        source.blobs[digest] = .arriving(arrival)
    }
}
