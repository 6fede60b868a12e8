import Foundation
import TestSupport

/// Debian's Prometheus on loopback, which looks at some nodes each second and evaluates the shipped rules as often.
final class PrometheusServer: Sendable {
    let process: ChildProcess
    private let port: UInt16
    private let folder: TemporaryFolder

    init(nodes: [NodeProcess], rules: String) async throws {
        folder = try TemporaryFolder("prometheus")
        port = try FreePort.next()
        let targets = nodes.map { "\"127.0.0.1:\($0.settings.statusPort)\"" }.joined(separator: ", ")
        let configuration = try folder.write(
            "prometheus.yml",
            """
            global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
            rule_files: ["\(rules)"]
            scrape_configs:
              - job_name: hawker
                static_configs: [{targets: [\(targets)]}]
            """)
        process = try ChildProcess(
            [
                "prometheus", "--config.file=\(configuration)", "--storage.tsdb.path=\(folder.path("data"))",
                "--web.listen-address=127.0.0.1:\(port)",
            ], logPath: folder.path("prometheus.log"))
        try await eventually("Prometheus is ready on \(port)") { [process, port] in
            try process.requireRunning()
            return try await ChildProcess.run(["curl", "--silent", "--fail", "http://127.0.0.1:\(port)/-/ready"]).succeeded
        }
    }

    struct Series: Decodable {
        enum Point: Decodable {
            case time(Double)
            case value(String)

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                self = try (try? container.decode(Double.self)).map(Point.time) ?? .value(container.decode(String.self))
            }
        }

        let metric: [String: String]
        let value: [Point]

        var number: Double? {
            guard case .value(let text)? = value.last else { return nil }
            return Double(text)
        }
    }

    private struct Answer<Content: Decodable>: Decodable {
        let status: String
        let error: String?
        let data: Content?
    }

    /// What the expression gives now; throws with Prometheus's own words for one that it does not understand.
    func query(_ expression: String) async throws -> [Series] {
        struct Vector: Decodable { let result: [Series] }
        return try await ask(["query", "--data-urlencode", "query=\(expression)"], Vector.self).result
    }

    /// Of each rule its name, and what its last evaluation said if it failed.
    func rules() async throws -> [(name: String, error: String)] {
        struct Groups: Decodable {
            struct Group: Decodable { let rules: [Rule] }
            struct Rule: Decodable {
                let name: String
                let health: String
                let lastError: String?
            }
            let groups: [Group]
        }
        return try await ask(["rules"], Groups.self).groups.flatMap(\.rules).map { rule in
            (rule.name, rule.health == "ok" ? "" : "\(rule.health) \(rule.lastError ?? "")")
        }
    }

    private func ask<Content: Decodable>(_ words: [String], _: Content.Type) async throws -> Content {
        let text = try await ChildProcess.run(
            ["curl", "--silent", "--get", "http://127.0.0.1:\(port)/api/v1/\(words[0])"] + words.dropFirst()
        ).text
        let answer = try JSONDecoder().decode(Answer<Content>.self, from: Data(text.utf8))
        guard let data = answer.data else { throw TestFailure(answer.error ?? text) }
        return data
    }
}
