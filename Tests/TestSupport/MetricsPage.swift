import Foundation

/// What a node's `/metrics` says.
package struct MetricsPage: Sendable {
    package struct Sample: Sendable {
        package let name: String
        package let labels: [String: String]
        package let value: Double
    }

    package let text: String
    package let samples: [Sample]
    /// The families by name, those without a sample as well, with their type.
    package let families: [String: String]

    /// Throws for a line that has not the form of Prometheus's text format.
    package init(_ text: String) throws {
        self.text = text
        var samples: [Sample] = []
        var families: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if line.hasPrefix("# TYPE "), words.count == 4 { families[String(words[2])] = String(words[3]) }
            if line.hasPrefix("#") { continue }
            guard let match = line.wholeMatch(of: /([a-z_:]+)(?:\{(.*)\})? (\S+)/), let value = Double(match.3) else {
                throw TestFailure("no sample: \(line)")
            }
            var labels: [String: String] = [:]
            for label in (match.2 ?? "").matches(of: /([a-z_]+)="((?:[^"\\]|\\.)*)"/) {
                labels[String(label.1)] = String(label.2)
            }
            samples.append(Sample(name: String(match.1), labels: labels, value: value))
        }
        self.samples = samples
        self.families = families
    }

    /// The sum of all samples of that name that have these labels.
    package func sum(_ name: String, _ labels: [String: String] = [:]) -> Int {
        Int(
            samples.filter { sample in
                sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value }
            }.map(\.value).reduce(0, +))
    }

    /// Every name that a query may use.
    package var names: Set<String> {
        Set(
            families.flatMap { name, type in
                type == "histogram" ? ["_bucket", "_sum", "_count"].map { name + $0 } : [name]
            })
    }
}

extension NodeProcess {
    package func metrics() async throws -> MetricsPage {
        try MetricsPage(try await askStatus("/metrics").text)
    }

    /// The answer of the status port; `status` is 0 when there was none within `seconds`.
    package func askStatus(_ path: String, seconds: Int = 10) async throws -> (status: Int, text: String) {
        let output = try await ChildProcess.run(
            [
                "curl", "--silent", "--max-time", "\(seconds)", "--write-out", "\n%{http_code}", "\(statusURL)\(path)",
            ])
        let lines = output.text.split(separator: "\n", omittingEmptySubsequences: false)
        return (lines.last.flatMap { Int($0) } ?? 0, lines.dropLast().joined(separator: "\n"))
    }
}
