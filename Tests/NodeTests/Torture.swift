import Foundation
import OCIModel
import TestSupport

/// Pulls of new blobs through a node that is killed at random moments, while a second node, which is not,
/// takes some of the same blobs from the first.
///
/// After each kill the node's own journal says which pieces were whole; the registry's access log must show
/// that none of them was sent again. Nodes a and b ask for different repositories, which tells their requests
/// apart in the log. While both fetch one blob, a stops reading from the registry wherever it meets pieces of
/// b's; what was under way then counts as sent. So only pulls of a alone are measured.
struct Torture {
    struct Summary {
        var pulls = 0
        var kills = 0
        /// Kills that met a blob between its first journalled piece and its final name.
        var killsMidBlob = 0
        var pullsOfSecondNode = 0
        var wrongBytes = 0
        var bytesSavedByResume = 0
        var peakResidentBytes = 0
        var violations: [String] = []
    }

    private(set) var summary = Summary()
    private var generator: SeededGenerator
    private let registry: DockerRegistry
    private let relay: Relay
    private let a: NodeProcess
    private let b: NodeProcess
    /// Requests that a kill cut off before the registry read them: they are never logged.
    private var unlogged = 0
    private var recent: [(blob: Blob, round: Int)] = []

    init(seed: UInt64) async throws {
        generator = SeededGenerator(seed: seed)
        registry = try await DockerRegistry()
        relay = try await Relay(to: registry.port)
        var settings = try NodeProcess.Settings(name: "a")
        // Small enough that old blobs are evicted on the way.
        settings.cacheQuota = "128MiB"
        settings.logLevel = "info"
        settings.registries = [(registry.host, "http://127.0.0.1:\(relay.port)")]
        a = try NodeProcess(settings)
        var other = try NodeProcess.Settings(name: "b")
        other.cacheQuota = "128MiB"
        other.logLevel = "info"
        other.registries = [(registry.host, registry.url)]
        other.peers = ["127.0.0.1:\(settings.peerPort)"]
        b = try NodeProcess(other)
    }

    mutating func run(pulls: Int) async throws {
        let second = try await b.start()
        for round in 0..<pulls { try await pull(round) }
        note(second)
        guard try await second.stop() == .exited(0) else { throw TestFailure("node b did not end well") }
        try await registry.process.stop()
        await relay.close()
    }

    private mutating func pull(_ round: Int) async throws {
        let blob = try await Blob(generator.bytes(count: Int(generator.next() % 8_000_000) + 100_000))
        for node in ["a", "b"] { try registry.add(blob, repository: "\(node)-\(round)") }
        summary.pulls += 1
        let asksSecond = generator.next() % 4 == 0
        async let other = asksSecond ? b.get("b-\(round)/blobs/\(blob.digest)", from: registry) : nil

        var before: (sent: Int, journalled: Int)?
        for _ in 0..<(generator.next() % 4 == 0 ? 2 : 1) {
            try await interrupt(blob, round, missing: blob.bytes.count - (before?.journalled ?? 0))
            try await settleLog()
            if !asksSecond { check(blob, round, before) }
            let disk = DiskContent(of: blob, in: a)
            summary.kills += 1
            summary.wrongBytes += disk.wrongBytes
            if !disk.isWhole, disk.journalledBytes > 0 { summary.killsMidBlob += 1 }
            before = (sent(blob, round), disk.journalledBytes)
        }
        try await finish(blob, round, asksSecond ? nil : before)
        summary.bytesSavedByResume += before?.journalled ?? 0
        if let answer = try await other {
            summary.pullsOfSecondNode += 1
            judge(answer, blob, "node b, pull \(round)")
        }
    }

    /// Starts node a, asks it for the blob, and kills it: at a byte of what the registry sends, or at a
    /// moment.
    private mutating func interrupt(_ blob: Blob, _ round: Int, missing: Int) async throws {
        let rates: [Int?] = [nil, 15_000_000, 60_000_000]
        let place = generator.next() % 2 == 0 && missing > 0 ? Int(generator.next() % UInt64(missing)) : nil
        let moment = generator.next() % 350
        await relay.limit(rate: rates[Int(generator.next() % 3)], holdAfter: place)
        let passed = await relay.passedBytes
        let process = try await a.start()
        async let answer = a.get("a-\(round)/blobs/\(blob.digest)", from: registry)
        if let place {
            // The first bytes are heads; a node that has everything already passes nothing.
            let deadline = ContinuousClock.now + .seconds(2)
            while await relay.passedBytes < passed + place, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(2))
            }
        } else {
            try await Task.sleep(for: .milliseconds(moment))
        }
        note(process)
        try await process.kill()
        // Short, or whole when the kill came late: its bytes must be the blob's up to where they end.
        judge(try await answer, blob, "node a before the kill, pull \(round)", mayBeShort: true)
    }

    /// Starts node a and takes the blob whole, and one that was finished some pulls ago.
    private mutating func finish(_ blob: Blob, _ round: Int, _ before: (sent: Int, journalled: Int)?)
        async throws
    {
        await relay.limit()
        let process = try await a.start()
        judge(
            try await a.get("a-\(round)/blobs/\(blob.digest)", from: registry),
            blob,
            "node a, pull \(round)"
        )
        if let old = recent.randomElement(using: &generator) {
            let sentBefore = sent(old.blob, old.round)
            let answer = try await a.get("a-\(old.round)/blobs/\(old.blob.digest)", from: registry)
            judge(answer, old.blob, "node a, pull \(old.round) again")
            if sent(old.blob, old.round) != sentBefore {
                violate("pull \(old.round): a finished blob was fetched again")
            }
        }
        try await settleLog()
        check(blob, round, before)
        note(process)
        guard try await process.stop() == .exited(0) else { throw TestFailure("node a did not end well") }
        recent = (recent + [(blob, round)]).suffix(5)
    }

    /// Since the last kill the registry sent at most what the journal did not name at that kill.
    private mutating func check(_ blob: Blob, _ round: Int, _ before: (sent: Int, journalled: Int)?) {
        guard let before else { return }
        let sentSince = sent(blob, round) - before.sent
        let missing = blob.bytes.count - before.journalled
        if sentSince > missing {
            violate("pull \(round): \(sentSince) bytes sent after the kill, \(missing) were missing")
        }
    }

    private func sent(_ blob: Blob, _ round: Int) -> Int {
        registry.bytesSent(blob.digest, repository: "a-\(round)")
    }

    /// The registry logs a request when its answer has ended: waits until all that came through the relay are
    /// there.
    private mutating func settleLog() async throws {
        let deadline = ContinuousClock.now + .seconds(1)
        var missing = 0
        repeat {
            missing = await relay.requestCount - registry.accesses.count { $0.target.hasPrefix("/v2/a-") }
            if missing <= unlogged { return }
            try await Task.sleep(for: .milliseconds(5))
        } while ContinuousClock.now < deadline
        unlogged = missing
    }

    private mutating func judge(_ answer: Answer, _ blob: Blob, _ what: String, mayBeShort: Bool = false) {
        if answer.bytes.isEqual(toBytesOf: blob.bytes, from: 0) {
            if !mayBeShort, answer.status != 200 || !answer.isWhole || answer.bytes.count != blob.bytes.count
            {
                violate(
                    "\(what): status \(answer.status), \(answer.bytes.count) of \(blob.bytes.count) bytes"
                )
            }
        } else if answer.status == 200 {
            summary.wrongBytes += zip(answer.bytes, blob.bytes).count { $0 != $1 }
            violate("\(what): wrong bytes")
        } else if !mayBeShort {
            violate("\(what): status \(answer.status)")
        }
    }

    private mutating func violate(_ sentence: String) {
        summary.violations.append(sentence)
    }

    private mutating func note(_ process: ChildProcess) {
        summary.peakResidentBytes = max(summary.peakResidentBytes, process.peakResidentBytes)
    }
}
