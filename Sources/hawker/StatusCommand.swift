import AdminAPI
import ArgumentParser

/// `hawker status`: what this node does now.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show what this node does and where its bytes came from.")

    @OptionGroup var admin: AdminOptions

    func run() async throws {
        let status = try await admin.ask { client throws(AdminFailure) in try await client.status() }
        if admin.json { return try Console.printJSON(status) }
        printNode(status)
        if !status.received.isEmpty {
            print("")
            Console.printTable(
                ["RECEIVED FROM", "CONTENT", "ON THE WIRE"],
                status.received.map { [$0.source, Console.bytes($0.contentBytes), Console.bytes($0.wireBytes)] },
                right: [1, 2])
        }
        printRegistries(status.registries)
        if !status.recentProblems.isEmpty {
            print("\nRECENT PROBLEMS")
            for line in status.recentProblems.suffix(10) { print(line) }
        }
    }

    private func printRegistries(_ registries: [RegistryStatus]) {
        guard !registries.isEmpty else { return }
        print("")
        Console.printTable(
            ["REGISTRY", "REQUESTS", "RETRIES", "FAILED", "CONTENT", "SKIPPED", "ITS RATE LIMIT"],
            registries.map { registry in
                [
                    registry.host, "\(registry.requests)", "\(registry.retries)", "\(registry.failures)",
                    Console.bytes(registry.bytes), Console.bytes(registry.skippedBytes),
                    registry.rateLimit.map(rateLimit) ?? "",
                ]
            },
            right: [1, 2, 3, 4, 5])
    }

    private func rateLimit(_ said: RateLimitStatus) -> String {
        let limit = said.limit > 0 ? " of \(said.limit)" : ""
        let window = said.windowSeconds > 0 ? " in \(Console.duration(said.windowSeconds))" : ""
        return "\(said.remaining)\(limit) left\(window)"
    }

    private func printNode(_ status: NodeStatus) {
        let cache = status.cache
        var rows = [
            ["node", "\(status.name), version \(status.version), up \(Console.duration(status.uptimeSeconds))"],
            ["state", status.draining ? "draining" : "serving"],
            ["mirror", "http://\(status.mirrorAddress)"],
            ["peers", peers(status)],
        ] + status.discovery.map { ["found by", discovery($0)] } + [
            [
                "cache",
                "\(status.cachePath): \(cache.blobCount) blobs, \(Console.bytes(cache.usedBytes)) of "
                    + Console.bytes(cache.quotaBytes) + shared(cache),
            ],
            [
                "requests",
                "\(status.mirror.requests), declined \(status.mirror.declined), cut short \(status.mirror.cutShort)",
            ],
            ["sent", "\(Console.bytes(status.mirror.bytesSent)) to containerd, \(Console.bytes(status.uploadedBytes)) to peers"],
        ]
        if let gain = compression(status) { rows.append(["compression", gain]) }
        if status.mirror.staleTagsServed > 0 {
            rows.append(["stale tags", "\(status.mirror.staleTagsServed) served as last seen: a registry was out of reach"])
        }
        for limit in status.limits where limit.bytesPerSecond > 0 {
            let rate = Console.bytes(limit.bytesPerSecond)
            rows.append([
                "bound", "\(limit.key) \(rate)/s: \(Console.bytes(limit.bytes)) so far, \(limit.waits) waits",
            ])
        }
        if let security = status.peerSecurity { rows.append(["certificate", certificate(security)]) }
        if let wiring = status.containerdWiring {
            let reason = wiring.reason.isEmpty ? "" : ": \(wiring.reason)"
            rows.append(["containerd", "\(wiring.state) (\(wiring.config))\(reason)"])
        }
        if let store = status.runtimeStore { rows.append(["containerd has", runtimeStore(store)]) }
        if !cache.lastError.isEmpty { rows.append(["disk", cache.lastError]) }
        let width = rows.map { $0[0].count }.max() ?? 0
        for row in rows {
            print(row[0] + String(repeating: " ", count: width - row[0].count) + "  " + row[1])
        }
    }

    private func shared(_ cache: CacheUsage) -> String {
        cache.sharedBytes > 0 ? ", \(Console.bytes(cache.sharedBytes)) of them containerd's own files" : ""
    }

    private func runtimeStore(_ store: RuntimeStoreStatus) -> String {
        guard store.problem.isEmpty else { return "not used: \(store.problem)" }
        let problem = store.sharingProblem.isEmpty ? "" : "; no links to them, because \(store.sharingProblem)"
        return "\(store.folder): \(store.blobs) blobs, \(Console.bytes(store.bytes)), "
            + "\(Console.bytes(store.servedBytes)) sent from there\(problem)"
    }

    private func peers(_ status: NodeStatus) -> String {
        if status.peerAddress.isEmpty { return "none: peers.listen is not set" }
        return "\(status.peersConnected) of \(status.peersKnown) connected, listening on \(status.peerAddress)"
    }

    private func certificate(_ security: PeerSecurity) -> String {
        guard security.mode == "tls" else { return "none: nodes talk in plaintext" }
        let states = ["late": ", to be renewed", "expired": ", EXPIRED", "early": ", not valid yet"]
        let problem = security.problem.isEmpty ? "" : "; the newest files are not in use: \(security.problem)"
        return "\(security.certificateName) until \(Console.date(security.certificateExpires))"
            + (states[security.certificateState] ?? "") + problem
    }

    private func discovery(_ report: DiscoveryReport) -> String {
        let asked = report.asked.isEmpty ? "" : " (\(report.asked))"
        let state = report.state == "working" ? "" : ", \(report.state)"
        let reason = report.reason.isEmpty ? "" : ": \(report.reason)"
        let count = report.endpoints == 0 ? "no other node yet" : "\(report.endpoints) endpoints"
        return "\(report.source)\(asked): \(count)\(state)\(reason)"
    }

    /// What zstd makes of the pieces that nodes exchange; `nil` while there were none.
    private func compression(_ status: NodeStatus) -> String? {
        let received = status.received.filter(\.isPeer)
        let ways = [
            ("sent to peers", status.uploadedBytes, status.uploadedWireBytes, status.uploadedCompressedBytes),
            (
                "received", received.map(\.contentBytes).reduce(0, &+), received.map(\.wireBytes).reduce(0, &+),
                received.map(\.compressedBytes).reduce(0, &+)
            ),
        ]
        let texts = ways.filter { $0.1 > 0 }.map { way, content, wire, compressed in
            let share = (Double(compressed) / Double(content) * 100).rounded()
            return "\(Console.bytes(content)) \(way) as \(Console.bytes(wire)), \(Int(share)) % of it compressed"
        }
        return texts.isEmpty ? nil : texts.joined(separator: "; ")
    }
}
