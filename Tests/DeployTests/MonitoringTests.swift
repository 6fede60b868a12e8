import Foundation
import TestSupport
import Testing

@Suite("Rules and dashboard", .serialized)
struct MonitoringTests {
    private static let rules = Deploy.path("helm/files/hawker-rules.yml")

    @Test("the rules are right, and say of invented nodes what they should")
    func rulesOfInventedNodes() async throws {
        try await ChildProcess.check(["promtool", "check", "rules", Self.rules])
        let folder = try TemporaryFolder("rules")
        let text = try String(contentsOfFile: Deploy.program("rules-test.yml"), encoding: .utf8)
        let file = try folder.write("test.yml", text.replacing("@RULES@", with: Self.rules))
        let output = try await ChildProcess.run(["promtool", "test", "rules", file])
        #expect(output.succeeded, "\(output.text)")
    }

    @Test("every query of the dashboard and the rules names metrics that a node shows")
    func names() async throws {
        let node = try NodeProcess(try NodeProcess.Settings(name: "a"))
        let process = try await node.start()
        let page = try await node.metrics()
        try await process.stop()
        let rules = try await Self.expressions()
        let recorded = Set(rules.map(\.record).filter { !$0.isEmpty })
        let known = page.names.union(recorded).union(["up", "ALERTS"])
        let queries = rules.map { (place: $0.name, text: $0.text) } + (try Self.dashboardQueries())
        #expect(rules.count > 20 && queries.count > 50)
        for query in queries {
            let used = Self.metrics(in: query.text)
            #expect(!used.isEmpty, "\(query.place): \(query.text)")
            for name in used { #expect(known.contains(name), "\(query.place): \(name) is no metric of a node") }
        }
    }

    @Test("a real Prometheus scrapes a node, evaluates each rule, and each query of the dashboard")
    func prometheus() async throws {
        let registry = try await DockerRegistry()
        let image = try await TestImage.noise(layerSizes: [400_000], seed: 71)
        try registry.add(image, repository: "image")
        var settings = try NodeProcess.Settings(name: "a")
        settings.registries = [(registry.host, registry.url)]
        let node = try NodeProcess(settings)
        let daemon = try await node.start()
        let prometheus = try await PrometheusServer(nodes: [node], rules: Self.rules)
        try await eventually("the node was scraped twice") {
            try await prometheus.query("count_over_time(up{job=\"hawker\"}[1m]) > 1").isEmpty == false
        }
        #expect(try await prometheus.query("up").compactMap(\.number) == [1])
        let layer = try #require(image.layers.first).blob
        for _ in 0..<2 {
            try await ChildProcess.check([
                "curl", "--silent", "--fail", "--output", "/dev/null",
                "\(node.mirrorURL)/v2/image/blobs/\(layer.digest)?ns=\(registry.host)",
            ])
        }
        // Once from the registry, once from the cache: the recorded ratio is a half.
        try await eventually("the recorded hit ratio is a half") {
            let ratio = try await prometheus.query("hawker:hit:ratio_rate5m").first?.number
            return ratio.map { abs($0 - 0.5) < 0.01 } ?? false
        }
        let sources = try await prometheus.query("hawker_image_bytes_total > 0")
        #expect(Set(sources.map { $0.metric["source"] }) == ["cache", "registry"])
        #expect(sources.allSatisfy { $0.number == Double(layer.bytes.count) })
        for rule in try await prometheus.rules() { #expect(rule.error.isEmpty, "\(rule.name): \(rule.error)") }
        for query in try Self.dashboardQueries() {
            let text = query.text.replacing("$__rate_interval", with: "5m").replacing("$instance", with: ".*")
            do { _ = try await prometheus.query(text) } catch { Issue.record("\(query.place): \(text): \(error)") }
        }
        #expect(try await prometheus.query("ALERTS").isEmpty)
        try await daemon.stop()
        try await eventually("Prometheus notices that the node is gone") {
            try await prometheus.query("up").compactMap(\.number) == [0]
        }
        try await prometheus.process.stop()
        try await registry.process.stop()
    }

    // MARK: What is asked

    private struct Rule {
        /// Of the alert, or of what is recorded.
        let name: String
        /// Empty for an alert.
        let record: String
        let text: String
    }

    private static func expressions() async throws -> [Rule] {
        struct File: Decodable {
            struct Group: Decodable { let rules: [Entry] }
            struct Entry: Decodable {
                let record: String?
                let alert: String?
                let expr: String
            }
            let groups: [Group]
        }
        let program = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)"
        let python = Deploy.root + "/.build/chart-python/bin/python"
        let json = try await ChildProcess.check([python, "-c", program, rules])
        return try JSONDecoder().decode(File.self, from: Data(json.utf8)).groups.flatMap(\.rules).map {
            Rule(name: $0.record ?? $0.alert ?? "", record: $0.record ?? "", text: $0.expr)
        }
    }

    private static func dashboardQueries() throws -> [(place: String, text: String)] {
        struct Dashboard: Decodable {
            struct Panel: Decodable {
                struct Target: Decodable { let expr: String }
                let title: String
                let targets: [Target]?
            }
            struct Variables: Decodable {
                struct Variable: Decodable { let query: String }
                let list: [Variable]
            }
            let panels: [Panel]
            let templating: Variables
        }
        let data = try Data(contentsOf: URL(fileURLWithPath: Deploy.path("helm/files/hawker-dashboard.json")))
        return try JSONDecoder().decode(Dashboard.self, from: data).panels.flatMap { panel in
            (panel.targets ?? []).map { (place: panel.title, text: $0.expr) }
        }
    }

    /// Names in an expression that are metrics: not the text in quotes, not labels, not functions.
    private static func metrics(in expression: String) -> Set<String> {
        let bare = expression.replacing(/"[^"]*"/, with: "").replacing(/\{[^}]*\}/, with: "")
            .replacing(/\b(by|without|on|ignoring) \([^)]*\)/, with: "")
        return Set(
            bare.matches(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/).map { String($0.output) }.filter { name in
                name.contains("hawker") || name.hasPrefix("process_") || name == "up"
            })
    }
}
