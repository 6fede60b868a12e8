import Foundation
import Glibc
import OCIModel
import TestSupport

/// Pulls of new images by a real containerd whose mirror has a fault, and of the same images by one without a mirror:
/// what the fault costs is the difference.
struct MirrorFaults {
    /// What is wrong with the node when, or while, containerd pulls.
    enum Fault: String, CaseIterable, Sendable {
        /// Nothing listens on the mirror's port.
        case absent
        /// The node runs and declines whatever it is asked for.
        case declining
        /// Stopped by a signal, before the pull or in the middle of a blob; the service manager's watchdog ends it.
        case frozen
        /// Ended by SIGKILL in the middle of a blob.
        case killed
        /// Its cache's file system becomes full, before the pull or in the middle of a blob.
        case full
    }

    struct Summary: Sendable {
        var pulls = 0
        var right = 0
        var failures: [String] = []
        /// Seconds, one a pull.
        var added: [Double] = []

        var line: String {
            let sorted = added.sorted()
            let median = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
            return "\(right) of \(pulls) pulls right, added \(Self.text(median)) s (worst \(Self.text(sorted.last ?? 0)))"
        }

        private static func text(_ seconds: Double) -> String { String(format: "%.2f", seconds) }
    }

    /// The watchdog of the service manager in these runs; the unit file has a longer one.
    static let watchdogMillis = 1_000
    private static let layerBytes = 3_000_000

    let fault: Fault
    private(set) var summary = Summary()
    private var generator: SeededGenerator
    private let registry: DockerRegistry
    private let relay: Relay
    private let node: NodeProcess
    private let inbox: NotificationInbox
    private let folder: TemporaryFolder
    private let mirrored: Containerd
    private let plain: Containerd
    private var daemon: ChildProcess?

    init(_ fault: Fault, seed: UInt64) async throws {
        self.fault = fault
        generator = SeededGenerator(seed: seed)
        registry = try await DockerRegistry()
        relay = try await Relay(to: registry.port)
        folder = try TemporaryFolder("faults")
        inbox = try await NotificationInbox(folder)
        var settings = try NodeProcess.Settings(name: "a")
        settings.logLevel = "info"
        settings.cacheFloor = "0B"
        if fault != .declining { settings.registries = [(registry.host, "http://127.0.0.1:\(relay.port)")] }
        node = try NodeProcess(settings)
        mirrored = try Containerd()
        plain = try Containerd()
    }

    mutating func run(pulls: Int) async throws {
        if fault == .full {
            try FileManager.default.createDirectory(atPath: node.cachePath, withIntermediateDirectories: true)
            try await ChildProcess.check(["mount", "-t", "tmpfs", "-o", "size=32m,mode=700", "none", node.cachePath])
        }
        try await mirrored.configure(mode: "mirror", mirror: node, registry)
        let runtimes = [try await mirrored.start(), try await plain.start()]
        for round in 0..<pulls { try await pull(round) }
        try await daemon?.stop()
        if fault == .full { umount2(node.cachePath, Int32(MNT_DETACH)) }
        for runtime in runtimes { try await runtime.stop() }
        try await inbox.process.stop()
        try await registry.process.stop()
        await relay.close()
    }

    private mutating func pull(_ round: Int) async throws {
        let noise = generator.bytes(count: Self.layerBytes)
        let image = try await TestImage.unpackable([(.plain, ["noise": noise]), (.gzip, ["number": Array("\(round)".utf8)])])
        try registry.add(image, repository: "image-\(round)")
        let reference = "\(registry.host)/image-\(round):latest"
        try await prepare()
        let isMirroredFirst = generator.next() % 2 == 0
        var plainSeconds = 0.0
        if !isMirroredFirst { plainSeconds = try await Self.seconds { try await plain.pull(reference) } }
        let place = fault == .killed || generator.next() % 2 == 0 ? Int(generator.next() % 2_800_000) + 100_000 : nil
        summary.pulls += 1
        do {
            let seconds = try await faultyPull(reference, place: place)
            if isMirroredFirst { plainSeconds = try await Self.seconds { try await plain.pull(reference) } }
            summary.right += 1
            summary.added.append(seconds - plainSeconds)
        } catch {
            summary.failures.append("pull \(round), fault at \(place.map { "byte \($0)" } ?? "the beginning"): \(error)")
        }
        for containerd in [mirrored, plain] { try await containerd.forget(reference) }
    }

    /// The node as it is before the fault.
    private mutating func prepare() async throws {
        await relay.limit()
        guard fault != .absent else { return }
        if fault == .full { try? FileManager.default.removeItem(atPath: ballast) }
        if daemon?.ending != nil { daemon = nil }
        if daemon == nil {
            let watchdog = inbox.environment(watchdogMicroseconds: Self.watchdogMillis * 1_000)
            daemon = try await node.start(environment: watchdog)
        }
    }

    /// Seconds until the pull was done; `place` is the byte from the registry at which the fault happens, counted from
    /// the pull's beginning.
    private func faultyPull(_ reference: String, place: Int?) async throws -> Double {
        guard [.frozen, .killed, .full].contains(fault) else {
            return try await Self.seconds { try await mirrored.pull(reference) }
        }
        guard let place else {
            try await strike()
            async let seconds = Self.seconds { try await mirrored.pull(reference) }
            try await relieve()
            return try await seconds
        }
        await relay.limit(holdAfter: place)
        async let seconds = Self.seconds { try await mirrored.pull(reference) }
        try await eventually("the registry's answer is held back") { await relay.isHeld }
        try await strike()
        await relay.limit()
        try await relieve()
        return try await seconds
    }

    private func strike() async throws {
        switch fault {
        case .absent, .declining: break
        case .frozen: daemon?.send(SIGSTOP)
        case .killed: try await daemon?.kill()
        case .full:
            // Until there is no room for another byte.
            let filled = try await ChildProcess.run(["dd", "if=/dev/zero", "of=\(ballast)", "bs=4096"])
            guard !filled.succeeded else { throw TestFailure("the file system is not full") }
        }
    }

    /// What a service manager does about a node that says nothing any more.
    private func relieve() async throws {
        guard fault == .frozen, let daemon else { return }
        var heard = inbox.messages.utf8.count
        while true {
            try await Task.sleep(for: .milliseconds(Self.watchdogMillis))
            let now = inbox.messages.utf8.count
            if now == heard { break }
            heard = now
        }
        for signal in [SIGABRT, SIGCONT] { daemon.send(signal) }
        try await daemon.waitForEnd()
    }

    private var ballast: String { node.cachePath + "/ballast" }

    private static func seconds(_ body: () async throws -> Void) async throws -> Double {
        let began = ContinuousClock.now
        try await body()
        let took = (ContinuousClock.now - began).components
        return Double(took.seconds) + Double(took.attoseconds) / 1e18
    }
}
