import Foundation
import TestSupport
import Testing

@Suite("The Helm chart")
struct ChartTests {
    @Test("renders right for a matrix of values, on Kubernetes 1.24 and the newest; wrong values are refused")
    func matrix() async throws {
        let python = Deploy.root + "/.build/chart-python/bin/python"
        let output = try await ChildProcess.run(
            [python, try Deploy.program("chart.py"), Deploy.path("helm"), try NodeProcess.binaryPath()]
                + (Deploy.isAll ? ["--pairs"] : []), within: 300)
        let lines = output.text.split(separator: "\n").filter { !$0.contains(" WARN ") }
        #expect(output.succeeded, "\(lines.joined(separator: "\n").suffix(5_000))")
        #expect(lines.last?.contains(/^[0-9]{2,} sets of values, [0-9]{2,} objects, .* 0 complaints$/) == true)
    }

    @Test("is of the program's own version")
    func version() async throws {
        let version = try await ChildProcess.check([try NodeProcess.binaryPath(), "--version"])
        let chart = try String(contentsOfFile: Deploy.path("helm/Chart.yaml"), encoding: .utf8)
        #expect(chart.contains("\nappVersion: \(version)"))
        #expect(chart.contains("\nversion: \(version)"))
    }
}
